/* plan/sample - a plain start on a plain host, for the tests of this folder to change.
 *
 * Pure; unit tests only.
 */
#pragma once
#include <sys/sysmacros.h>

#include "base/arena.h"
#include "plan/plan.h"

struct sample {
	struct arena arena;
	struct spec spec;
	struct host host;
	struct root_facts root;
	struct taken taken;
	struct plan plan;
};

static inline void sample_init(struct sample *sample)
{
	*sample = (struct sample){
		.host = {
			.devices = {
				{ "/dev/null", 0666, makedev(1, 3) },
				{ "/dev/tty", 0666, makedev(5, 0) },
			},
			.os_release = "/etc/os-release",
			.localtime_target = "/usr/share/zoneinfo/Etc/UTC",
			.has_resolv_conf = true,
		},
		.root = {
			.path = "/srv/tree", .localtime_target = "../usr/share/zoneinfo/Etc/UTC",
			.has_bin = true, .has_sbin = true, .has_lib = true, .has_lib64 = true,
			.has_root = true, .has_usr = true, .has_var = true, .has_etc = true,
			.has_proc = true, .has_sys = true, .has_dev = true, .has_run = true,
		},
		.taken = {
			.userns = RUNG_IDMAPPED, .cgroup = CGROUP_OWN,
			.base = 524288, .range = 65536,
			.cgroup_path = "/redd/tree/payload", .ownership_map = true,
			.network_shared = true,
		},
	};
	spec_init(&sample->spec);
	sample->spec.machine = "tree";
	sample->spec.directory = "/srv/tree";
	sample->spec.console = CONSOLE_READ_ONLY;
}

static inline int sample_build(struct sample *sample)
{
	return plan_build(&sample->arena, &sample->plan, &sample->spec, &sample->host,
			  &sample->root, &sample->taken);
}

static inline void sample_done(struct sample *sample)
{
	arena_done(&sample->arena);
}
