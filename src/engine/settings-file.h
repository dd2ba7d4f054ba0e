/* engine/settings-file - the .nspawn file that belongs to a machine.
 *
 * What was applied (STATE/current/files), on top of what its image says, else the first that exists
 * of /etc/systemd/nspawn, /run/systemd/nspawn (for a normal user ~/.config/systemd/nspawn and
 * $XDG_RUNTIME_DIR/systemd/nspawn), with its drop-ins, and the directory beside the tree; the last
 * is not trusted, and has none (reference 3.1). Speaking. Supervisor, before spec_resolve().
 */
#pragma once

struct arena;
struct reader_facts;
struct root_place;
struct spec;

/* Nothing found is no failure. */
int settings_file_load(struct arena *arena, struct spec *spec, const struct reader_facts *facts,
		       const struct root_place *place);
