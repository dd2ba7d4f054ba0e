"""S6 to S17: trees that are built to make the runner reach out of them."""
import os
import shutil
import stat
import subprocess
import time

import pytest

from support import leaks, runner

from .conftest import LONG

ROUNDS = 10000 if LONG else 40


def run(redd, tree, *options, script="true", timeout=30):
    done = redd.run("-q", "--pipe", "-D", tree, *options, "sh", "-c", script, timeout=timeout)
    assert done.code in (0, 1) or script != "true", done
    return done


def replace(tree, path, target):
    """Put a symbolic link where PATH was."""
    full = tree + path
    if os.path.islink(full) or os.path.isfile(full):
        os.unlink(full)
    elif os.path.isdir(full):
        shutil.rmtree(full)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    os.symlink(target, full)


# --- S6

PLACES = ["/proc", "/sys", "/dev", "/dev/shm", "/dev/pts", "/run", "/run/host", "/run/host/inaccessible", "/tmp", "/etc", "/etc/resolv.conf", "/var", "/var/log/journal", "/root",
          "/sys/fs/cgroup", "/mnt", "/mnt/a", "/etc/localtime"]
OUT = ["/", "/media", "../../../../../../media", "/proc/self/root", "/proc/1/root/media", "/proc/self/cwd", "/proc/self/fd/4"]


@pytest.mark.parametrize("place", PLACES)
def test_s6_a_link_where_something_is_mounted(redd, fresh, victim, mode, place):
    for out in OUT:
        tree = fresh()
        replace(tree, place, out)
        before = leaks.mounts()
        run(redd, tree, *mode, "--bind-ro=/usr:/mnt/a/b", "--tmpfs=/mnt/t", "--resolv-conf=copy-host", "--timezone=copy")
        run(redd, tree, *mode, "--volatile=state", "--resolv-conf=bind-host", "--link-journal=try-guest")
        assert leaks.mounts() == before, (place, out)
        victim.check()


def test_s6_control_a_mount_through_a_link_is_noticed(fresh, victim):
    tree = fresh()
    replace(tree, "/mnt", "/media/sub")
    subprocess.run(["mount", "-t", "tmpfs", "x", tree + "/mnt"], check=True)
    with pytest.raises(AssertionError):
        victim.check()
    subprocess.run(["umount", "/media/sub"], check=True)


def test_s6_race_of_mount_targets(redd, fresh, victim, swap, mode):
    """Somebody who shares a volume swaps directories for links while twenty mounts are made below it."""
    tree, volume = fresh(), fresh()
    os.makedirs(volume + "/real/sub")
    os.symlink("/media", volume + "/link")
    shutil.rmtree(tree + "/tmp", ignore_errors=True)
    os.makedirs(tree + "/data/real/sub")
    os.symlink("/media", tree + "/data/link")
    swap(volume + "/real", volume + "/link")
    swap(tree + "/data/real", tree + "/data/link")
    options = ["--bind=%s:/vol" % volume]
    options += ["--tmpfs=/vol/real/sub/t%d" % n for n in range(10)] + ["--bind-ro=/usr:/data/real/sub/b%d" % n for n in range(10)]
    for _ in range(ROUNDS):
        before = leaks.mounts()
        run(redd, tree, *mode, *options)
        assert leaks.mounts() == before
        victim.check()


# --- S7, S8, S9

@pytest.mark.parametrize("what", ["dev-link", "null-file", "null-link", "pts-link", "console-link", "ptmx-link", "nodes", "parent-link"])
def test_s7_links_and_nodes_prepared_in_dev(redd, fresh, victim, mode, what):
    tree = fresh()
    if what == "dev-link":
        replace(tree, "/dev", "/media")
    elif what == "null-file":
        open(tree + "/dev/null", "w").write("not a device")
    elif what == "null-link":
        os.symlink("/media/public", tree + "/dev/null")
    elif what == "pts-link":
        os.symlink("/media", tree + "/dev/pts")
    elif what == "console-link":
        os.symlink("/media/public", tree + "/dev/console")
    elif what == "ptmx-link":
        os.symlink("/media/public", tree + "/dev/ptmx")
    elif what == "nodes":
        os.mknod(tree + "/dev/null", stat.S_IFBLK | 0o666, os.makedev(7, 0))
    else:
        os.symlink("/media", tree + "/a")
    done = run(redd, tree, *mode, "--bind=/etc:/a/b/c", "--tmpfs=/a/d", "--bind-ro=/etc/passwd:/a/file", script="stat -c '%t:%T %F' /dev/null; echo x > /dev/null")
    victim.check()
    if done.code == 0:
        assert done.lines[0] == "1:3 character special file", done


def test_s8_masks_are_what_they_should_be(redd, fresh, victim, swap, mode):
    tree = fresh()
    os.makedirs(tree + "/run/host/inaccessible")
    os.symlink("/proc/sys/kernel/core_pattern", tree + "/run/host/inaccessible/reg")
    open(tree + "/dev/null", "w").close()
    os.symlink("/proc/sys/kernel/core_pattern", tree + "/dev/.other")
    swap(tree + "/dev/null", tree + "/dev/.other")
    before = open("/proc/sys/kernel/core_pattern").read()
    script = "for f in kcore keys sysrq-trigger timer_list kallsyms; do [ -e /proc/$f ] && stat -c '%n %F %s %a' /proc/$f; done; cat /proc/kcore | wc -c; echo evil > /proc/sys/kernel/core_pattern"
    for _ in range(ROUNDS):
        done = redd.run("-q", "--pipe", "-D", tree, *mode, "sh", "-c", script)
        for line in done.lines:
            assert not line.startswith("/proc/") or line.endswith("regular empty file 0 0"), done
        assert open("/proc/sys/kernel/core_pattern").read() == before


def test_s8_control_without_masks_the_files_are_there(attack):
    attack("dangerous", options=["--private-users=no"], env={"SYSTEMD_NSPAWN_API_VFS_WRITABLE": "1"}).got_through("write /proc/sys/kernel")


def test_s9_the_console_is_our_pty(redd, fresh, victim, swap, mode):
    tree = fresh()
    os.makedirs(tree + "/dev/pts")
    open(tree + "/dev/pts/0", "w").close()
    os.symlink("/media/public", tree + "/dev/pts/1")
    os.symlink("/media/public", tree + "/dev/console")
    open(tree + "/dev/.console", "w").close()
    swap(tree + "/dev/pts/0", tree + "/dev/pts/1")
    swap(tree + "/dev/console", tree + "/dev/.console")
    for _ in range(max(5, ROUNDS // 4)):
        done = redd.run("-q", "-D", tree, *mode, "sh", "-c", "stat -L -c %t /dev/console; echo evil > /dev/console; tty")
        assert done.lines[0] == "88", done
        victim.check()


# --- S10

def test_s10_values_are_written_to_the_real_proc(redd, fresh, mode):
    tree = fresh()
    os.makedirs(tree + "/proc/self/attr", exist_ok=True)
    os.makedirs(tree + "/proc/sys/kernel", exist_ok=True)
    for name in ("self/oom_score_adj", "self/uid_map", "self/attr/exec", "sys/kernel/hostname", "sysrq-trigger"):
        open(tree + "/proc/" + name, "w").close()
    process = redd.start("--pipe", "-D", tree, *mode, "--oom-score-adjust=345", "sh", "-c", "echo ready; sleep 70")
    try:
        assert process.stdout.readline() == "ready\n"
        leader = runner.leader(process.pid)
        assert open("/proc/%d/oom_score_adj" % leader).read().strip() == "345"
        assert os.path.getsize(tree + "/proc/self/oom_score_adj") == 0 and os.path.getsize(tree + "/proc/self/uid_map") == 0
    finally:
        process.terminate()
        process.communicate()


@pytest.mark.parametrize("mounted", ["--tmpfs=/proc", "--tmpfs=/proc/self", "--bind=/media:/proc/self/attr", "--bind=/media/public:/proc/self/oom_score_adj",
                                     "--bind=/proc/sysrq-trigger:/proc/self/attr/exec"])
def test_s10_mounts_over_proc_do_not_redirect_writes(redd, target, victim, mode, mounted):
    done = redd.run("-q", "--pipe", "-D", target, *mode, mounted, "--oom-score-adjust=300", "--hostname=other", "sh", "-c", "hostname; sleep 0.1")
    assert done.code in (0, 1)
    if done.code == 0:
        assert done.lines[0] == "other"


# --- S11, S12

def test_s11_no_stray_files_on_the_host(redd, fresh, victim, swap, mode):
    tree, volume = fresh(), fresh()
    os.makedirs(volume + "/a")
    os.symlink("/media", volume + "/l")
    swap(volume + "/a", volume + "/l")
    for _ in range(ROUNDS):
        run(redd, tree, *mode, "--bind=%s:/vol:idmap" % volume if not mode else "--bind=%s:/vol" % volume, "--bind-ro=/etc/passwd:/vol/a/new/file", "--tmpfs=/vol/a/dir")
        victim.check()


def test_s12_a_bind_source_inside_the_tree_stays_inside(redd, fresh, victim, swap, mode):
    tree = fresh()
    os.makedirs(tree + "/v/a/b")
    open(tree + "/v/a/b/good", "w").close()
    os.symlink("/media", tree + "/v/l")
    swap(tree + "/v/a", tree + "/v/l")
    seen = set()
    for _ in range(ROUNDS):
        done = run(redd, tree, *mode, "--bind=+/v/a:/mnt/x", script="ls /mnt/x /mnt/x/b; cat /mnt/x/CANARY /mnt/x/public")
        assert "canary" not in done.out and "CANARY" not in done.out.replace("cat: can't open", ""), done
        seen.add("good" in done.out)
    assert True in seen


@pytest.mark.parametrize("source", ["+/link", "+/../../../media", "+/proc/self/root/media", "+/dir/../../../../media"])
def test_s12_fixed_links_in_sources_inside_the_tree(redd, fresh, victim, mode, source):
    tree = fresh()
    os.symlink("/media", tree + "/link")
    os.mkdir(tree + "/dir")
    done = run(redd, tree, *mode, "--bind=%s:/mnt/x" % source, script="cat /mnt/x/CANARY /mnt/x/public")
    assert "canary" not in done.out, done


def test_s12_control_a_source_of_the_host_is_followed(redd, fresh, victim):
    assert "canary" in redd.run("-q", "--pipe", "-D", fresh(), "--private-users=no", "--bind=/media:/mnt/x", "cat", "/mnt/x/CANARY").out


# --- S13

@pytest.mark.parametrize("extra", [[], ["--bind=/media:/mnt"], ["--bind=/media:/mnt:norbind"], ["-x"], ["--volatile=overlay"], ["--overlay=/media::/mnt"]], ids=lambda o: " ".join(o) or "plain")
def test_s13_mounts_do_not_travel(attack, victim, mode, extra):
    before = leaks.mounts()
    attack("travel", options=[*mode, *extra]).held()
    assert leaks.mounts() == before


def test_s13_host_mounts_do_not_travel_in(redd, target, victim, mode):
    process = redd.start("--pipe", "-D", target, *mode, "--bind=/media:/mnt", "sh", "-c", "echo ready; read x; cat /proc/self/mountinfo", stdin=subprocess.PIPE)
    assert process.stdout.readline() == "ready\n"
    subprocess.run(["mount", "-t", "tmpfs", "travelled-in", "/media/sub"], check=True)
    out, _ = process.communicate("\n", timeout=10)
    subprocess.run(["umount", "/media/sub"], check=True)
    assert "travelled-in" not in out


def test_s13_control_the_hosts_root_is_shared(victim):
    before = leaks.mounts()
    subprocess.run(["unshare", "-m", "--propagation", "unchanged", "mount", "-t", "tmpfs", "x", "/media/sub"], check=True)
    assert leaks.mounts() != before
    subprocess.run(["umount", "/media/sub"], check=True)


# --- what is locked is locked

def outcomes(attack, options):
    verdicts = attack("mounts", options=options).held()
    found = {}
    for line in verdicts.result.lines:
        word = line.split(" ", 3)
        if word[0] == "mount":
            found.setdefault(word[1], {})[word[2]] = word[3]
    return found


@pytest.mark.parametrize("extra", [[], ["--private-network"], ["--tmpfs=/mnt/t", "--bind-ro=/usr:/mnt/u"], ["-x"], ["--volatile=yes"], ["--read-only"], ["--volatile=state"]],
                         ids=lambda o: " ".join(o) or "plain")
def test_locked_in_the_plan_is_locked_in_the_container(redd, target, attack, extra):
    marked = {step["target"]: step["locked"] for step in redd.plan("-D", target, *extra, "true") if "locked" in step and step.get("target")}
    found = outcomes(attack, extra)
    assert any(marked.values()) and len(found) > 10
    wrong = []
    for path, tried in found.items():
        locked = marked.get(path, path == "/")
        if locked and tried["umount"] == "done" and path != "/":
            wrong.append((path, "is marked locked but can be unmounted"))
        if locked and tried.get("remount") == "done":
            wrong.append((path, "is marked locked but its attributes can be lifted"))
        if locked and tried["move"] == "done":
            wrong.append((path, "is marked locked but can be moved"))
        if path in marked and not locked and tried["umount"] != "done" and path not in ("/proc", "/dev", "/run", "/sys"):
            wrong.append((path, "is marked not locked but cannot be unmounted: " + tried["umount"]))
        # from a nested user namespace everything is locked
        if tried["nested"] == "done":
            wrong.append((path, "can be undone from a nested user namespace"))
        if tried["peek"] == "done" and locked and path.startswith(("/run/host", "/sys/")):
            wrong.append((path, "can be looked under"))
    assert not wrong, wrong


def test_control_without_a_user_namespace_nothing_is_locked(redd, target, attack):
    assert not [step for step in redd.plan("-D", target, "--private-users=no", "true") if step.get("locked")]
    found = outcomes(attack, ["--private-users=no"])
    assert found["/run/host"]["remount"] == "done" and found["/dev/shm"]["umount"] == "done", found


# --- S14

def test_s14_no_fresh_proc_shows_what_is_masked(attack):
    attack("unmask").held()


def test_s14_host_users_have_nothing_to_gain_in_a_nested_namespace(attack):
    attack("unmask", options=["--private-users=no"]).held("own-proc")


def test_s14_with_nesting_what_shows_is_harmless(attack):
    verdicts = attack("unmask", options=["--nesting"])
    assert not [line for line in verdicts.failed if " own-proc " in line], verdicts.failed


def test_s14_control_without_masks_a_fresh_proc_is_possible(attack):
    attack("unmask", options=["--private-users=no"], env={"SYSTEMD_NSPAWN_API_VFS_WRITABLE": "1"}).got_through("own-proc")


# --- S15, S16

def test_s15_climbing_out_of_a_moved_directory(redd, target, place, mode):
    os.chmod(place, 0o777)
    os.makedirs(place + "/shared/sub/deep")
    with open(place + "/CANARY", "w") as file:
        file.write("canary\n")
    os.chmod(place + "/CANARY", 0o644)
    script = "cd /b/sub/deep; echo ready; read x; cat ../CANARY ../../CANARY ../../../CANARY 2>/dev/null; pwd -P"
    process = redd.start("-q", "--pipe", "-D", target, *mode, "--bind=%s/shared:/b" % place, "sh", "-c", script, stdin=subprocess.PIPE)
    assert process.stdout.readline() == "ready\n"
    os.rename(place + "/shared/sub", place + "/moved")
    out, _ = process.communicate("\n", timeout=10)
    assert "canary" not in out, out


def test_s15_control_the_canary_is_readable_from_above(redd, target, place):
    os.chmod(place, 0o777)
    os.makedirs(place + "/shared")
    with open(place + "/CANARY", "w") as file:
        file.write("canary\n")
    assert "canary" in redd.run("-q", "--pipe", "-D", target, "--private-users=no", "--bind=%s:/b" % place, "cat", "/b/shared/../CANARY").out


def test_s15_climbing_out_of_a_chroot_ends_at_the_containers_root(attack, victim, mode):
    attack("climb", options=mode).held()


def test_s16_file_handles(attack, mode):
    attack("handles", "/etc/passwd", options=mode).held()


def test_s16_control_without_the_filter_handles_open(attack):
    attack("handles", "/etc/passwd", options=["--private-users=no"], env={"SYSTEMD_SECCOMP": "0"}).got_through("handle-real")


# --- S17

WRITES = ["/etc/resolv.conf", "/etc/localtime", "/etc/machine-id", "/etc/hostname", "/etc/hosts", "/etc", "/var/log/journal", "/var/log", "/var", "/root", "/home/user", "/home",
          "/run/systemd"]
FLAVOURS = ["link", "relative", "fifo", "directory", "hardlink", "dangling", "device"]


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_s17_what_the_runner_writes_into_a_tree_stays_in_it(redd, fresh, victim, mode, flavour):
    for path in WRITES:
        tree = fresh()
        full = tree + path
        if os.path.islink(full) or os.path.isfile(full):
            os.unlink(full)
        elif os.path.isdir(full):
            shutil.rmtree(full)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        if flavour == "link":
            os.symlink("/media/public" if "." in path else "/media", full)
        elif flavour == "relative":
            os.symlink("../../../../../../../../media/public", full)
        elif flavour == "dangling":
            os.symlink("/media/new", full)
        elif flavour == "fifo":
            os.mkfifo(full)
        elif flavour == "directory":
            os.mkdir(full)
        elif flavour == "hardlink":
            # same file system as the tree: the victim's double
            double = os.path.join(os.path.dirname(tree), "double")
            with open(double, "w") as file:
                file.write("double\n")
            os.link(double, full)
        else:
            os.mknod(full, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        for options in (["--resolv-conf=copy-host", "--timezone=copy"], ["--resolv-conf=replace-host", "--timezone=symlink", "--link-journal=try-guest"],
                        ["--resolv-conf=bind-host", "--timezone=bind", "--link-journal=try-host", "-u", "user"], ["--resolv-conf=delete", "--timezone=delete"]):
            started = time.monotonic()
            done = redd.run("-q", "--pipe", "-D", tree, *mode, *options, "true", timeout=20)
            assert done.code in (0, 1) and time.monotonic() - started < 10, (path, options, done)
            victim.check()
        if flavour == "hardlink":
            with open(double) as file:
                assert file.read() == "double\n", (path, flavour)
            assert os.stat(double).st_uid == 0
            os.unlink(double)
        shutil.rmtree(tree)


def test_s17_control_a_naive_copy_is_noticed(fresh, victim):
    tree = fresh()
    os.symlink("/media/public", tree + "/etc/resolv.conf")
    subprocess.run(["cp", "/etc/passwd", tree + "/etc/resolv.conf"], check=True)
    with pytest.raises(AssertionError):
        victim.check()
    with open("/media/public", "w") as file:
        file.write("canary\n")


# --- hostile files that the runner reads

@pytest.mark.parametrize("name", ["passwd", "group", "os-release", "machine-id"])
@pytest.mark.parametrize("flavour", ["fifo", "huge", "link-out", "directory", "long-line", "device"])
def test_hostile_files_that_the_runner_reads(redd, fresh, victim, name, flavour):
    tree = fresh()
    full = tree + "/etc/" + name
    if os.path.lexists(full):
        os.unlink(full)
    if flavour == "fifo":
        os.mkfifo(full)
    elif flavour == "huge":
        with open(full, "wb") as file:
            file.truncate(10 << 30) if False else file.truncate(1 << 30)
    elif flavour == "link-out":
        os.symlink("../../../../../../media/CANARY", full)
    elif flavour == "directory":
        os.mkdir(full)
    elif flavour == "device":
        os.mknod(full, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    else:
        with open(full, "w") as file:
            file.write("x" * 5000000)
    started = time.monotonic()
    for options in (["-u", "user", "true"], ["true"]):
        done = redd.run("-q", "--pipe", "-D", tree, *options, timeout=20)
        assert done.code in (0, 1) and "canary" not in done.err, done
    assert time.monotonic() - started < 10
