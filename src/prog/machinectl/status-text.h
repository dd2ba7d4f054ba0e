/* prog/machinectl/status-text - times and process trees as the original prints them. Pure, but for
 * the tree, which is written to OUT. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct arena;
struct processes;

/* "5min 20s ago", "1 week 2 days ago", "now" */
char *status_ago(struct arena *arena, uint64_t now_us, uint64_t then_us);

/* "1.234s", "2min 5.000s", "17ms" */
char *status_span(struct arena *arena, uint64_t us);

/* Groups and processes as a tree; what the guest chose is escaped. WIDTH: of the screen, for
 * shortening; 0: none. */
void status_tree(FILE *out, struct arena *arena, const struct processes *processes, size_t width);
