#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "base/arena.h"
#include "base/text.h"
#include "base/unit.h"
#include "plan/sample.h"
#include "plan/step.h"
#include "spec/settings.h"

struct bench {
	struct sample sample;
	struct planner planner;
};

static void bench_init(struct bench *bench)
{
	sample_init(&bench->sample);
	bench->planner = (struct planner){
		.arena = &bench->sample.arena,
		.plan = &bench->sample.plan,
		.spec = &bench->sample.spec,
		.side = SIDE_HOST,
		.reason = "test",
		.userns = true,
		.mount_base = 524288,
	};
}

START_TEST(every_kind_has_a_name_of_its_own)
{
	for (int i = 0; i < STEP_KINDS; i++) {
		ck_assert_ptr_nonnull(step_kind_name((enum step_kind)i));
		for (int k = 0; k < i; k++)
			ck_assert_str_ne(step_kind_name((enum step_kind)i),
					 step_kind_name((enum step_kind)k));
	}
}
END_TEST

START_TEST(steps_survive_growing)
{
	struct bench bench;
	char name[16];

	bench_init(&bench);
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "/%d", i);
		step_dir(&bench.planner, arena_text(&bench.sample.arena, name), 0700);
	}
	ck_assert_uint_eq(bench.sample.plan.count, 1000);
	ck_assert_str_eq(bench.sample.plan.steps[0].target, "/0");
	ck_assert_str_eq(bench.sample.plan.steps[999].target, "/999");
	sample_done(&bench.sample);
}
END_TEST

START_TEST(the_deepest_and_latest_mount_decides_whose_file_system_it_is)
{
	struct bench bench;
	struct planner *p = &bench.planner;

	bench_init(&bench);
	ck_assert(!step_own(p, "/run/x"));
	step_mount(p, "tmpfs", "/run", NULL, 0);
	ck_assert(step_own(p, "/run/x"));
	ck_assert(!step_own(p, "/running"));
	step_bind(p, "/srv", "/run/srv", 0);
	ck_assert(!step_own(p, "/run/srv/a"));
	ck_assert(step_own(p, "/run/b"));
	step_mount(p, "tmpfs", "/run/srv", NULL, 0);
	ck_assert(step_own(p, "/run/srv/a"));
	step_bind_inside(p, "/run", "/run", 0);
	ck_assert(step_own(p, "/run/b"));
	ck_assert(step_dir(p, "/run/c", 0755)->flags & STEP_OWN_FS);
	ck_assert(!(step_dir(p, "/etc/c", 0755)->flags & STEP_OWN_FS));
	sample_done(&bench.sample);
}
END_TEST

START_TEST(only_mounts_of_the_host_side_are_locked)
{
	struct bench bench;
	struct planner *p = &bench.planner;

	bench_init(&bench);
	ck_assert(step_mount(p, "tmpfs", "/a", NULL, 0)->flags & STEP_LOCKED);
	ck_assert(!(step_dir(p, "/a/b", 0755)->flags & STEP_LOCKED));
	p->side = SIDE_PAYLOAD;
	ck_assert(!(step_mount(p, "proc", "/proc", NULL, 0)->flags & STEP_LOCKED));
	p->side = SIDE_HOST;
	p->userns = false;
	ck_assert(!(step_mount(p, "tmpfs", "/c", NULL, 0)->flags & STEP_LOCKED));
	sample_done(&bench.sample);
}
END_TEST

START_TEST(tmpfs_options_name_the_owner_and_the_label)
{
	struct bench bench;
	struct planner *p = &bench.planner;

	bench_init(&bench);
	ck_assert_str_eq(step_tmpfs_options(p, "mode=0755"), "mode=0755,uid=524288,gid=524288");
	ck_assert_str_eq(step_tmpfs_options(p, NULL), "uid=524288,gid=524288");
	bench.sample.spec.selinux_apifs_context = "a:b:c:s0:c1,c2";
	ck_assert_str_eq(step_tmpfs_options(p, ""),
			 "uid=524288,gid=524288,context=\"a:b:c:s0:c1,c2\"");
	p->mount_base = 0;
	ck_assert_str_eq(step_tmpfs_options(p, NULL), "context=\"a:b:c:s0:c1,c2\"");
	sample_done(&bench.sample);
}
END_TEST

START_TEST(reasons_name_who_said_it)
{
	struct bench bench;
	struct spec *spec = &bench.sample.spec;

	bench_init(&bench);
	ck_assert_str_eq(step_said(&bench.planner, GROUP_HOSTNAME, "--hostname="), "default");
	spec->group_origin[GROUP_HOSTNAME] = BY_OPTION;
	ck_assert_str_eq(step_said(&bench.planner, GROUP_HOSTNAME, "--hostname="), "--hostname=");
	spec->group_origin[GROUP_HOSTNAME] = BY_FILE;
	text_list_add(&bench.sample.arena, &spec->settings_files,
		      arena_text(&bench.sample.arena, "/etc/systemd/nspawn/web.nspawn"));
	for (size_t i = 0; i < spec_settings_count; i++)
		if (text_equal(spec_settings[i].option, "hostname"))
			spec->setting_line[i] = 12;
	ck_assert_str_eq(step_said(&bench.planner, GROUP_HOSTNAME, "--hostname="),
			 "web.nspawn line 12");
	sample_done(&bench.sample);
}
END_TEST

int main(void)
{
	return UNIT_RUN("plan/step", every_kind_has_a_name_of_its_own, steps_survive_growing,
			the_deepest_and_latest_mount_decides_whose_file_system_it_is,
			only_mounts_of_the_host_side_are_locked,
			tmpfs_options_name_the_owner_and_the_label, reasons_name_who_said_it);
}
