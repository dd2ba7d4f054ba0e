/* declare/nixos-host-unit - what the configuration of a NixOS host says of a container in its unit
 * alone: memory, capabilities, further links, devices, how long a start may take.
 *
 * The unit is found beside the conf: where a link on the way to that lies in DIR/nixos-containers,
 * DIR/systemd/system/container@NAME.service. So it is on NixOS, and where a host's closure was
 * copied to and its confs are linked. Its scripts are read by format/nixos-script. Speaking.
 */
#pragma once

struct arena;
struct nixos;

/* The same as a settings file; NULL: there is no such unit, it says nothing, or it is not
 * understood, which is a warning. */
char *nixos_host_unit_settings(struct arena *arena, const struct nixos *nixos);
