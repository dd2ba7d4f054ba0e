/* prog/redd/prepare-collect - roots and trees that nobody needs any more. Speaking. As
 * prog/redd/prepare.
 */
#pragma once

struct prepare;
struct text_list;

/* Remove those that nothing in KEEP names: targets and digests of generations, paths from which
 * machines run. How many. */
int prepare_collect(struct prepare *prepare, const struct text_list *keep);
