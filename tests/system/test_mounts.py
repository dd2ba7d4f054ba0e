"""Every mount option: what is there, who owns it, what may be done with it."""
import os
import re
import stat
import subprocess

import pytest


def sh(redd, tree, script, *options, code=0, **kwargs):
    done = redd.run("-q", "--pipe", "-D", tree, *options, "sh", "-c", script, **kwargs)
    assert done.code == code, done
    return done.lines


def mounts(redd, tree, *options):
    found = {}
    for line in sh(redd, tree, "cat /proc/self/mountinfo", *options):
        left, right = line.split(" - ")
        field, kind = left.split(), right.split()
        found[field[4]] = {"options": set(field[5].split(",")), "type": kind[0], "super": set(kind[2].split(",")),
                           "shared": any(word.startswith("shared:") for word in field[6:]), "root": field[3]}
    return found


@pytest.fixture
def data(place):
    """A directory of the host with a file owned by root and one owned by 1000."""
    os.chmod(place, 0o755)
    for name, owner in (("file", 0), ("theirs", 1000)):
        path = os.path.join(place, name)
        with open(path, "w") as file:
            file.write(name + "\n")
        os.chown(path, owner, owner)
    os.mkdir(os.path.join(place, "sub"))
    return place


USERNS = [[], ["--private-users=no"]]


# --- the API file systems

@pytest.mark.parametrize("users", USERNS, ids=["userns", "host-users"])
def test_the_api_file_systems_are_the_documented_ones(redd, tree, users):
    found = mounts(redd, tree, *users)
    safe = {"nosuid", "nodev", "noexec"}
    for path, kind, flags in [("/proc", "proc", safe), ("/sys", "sysfs", safe | {"ro"}), ("/dev", "tmpfs", {"nosuid"}),
                              ("/dev/shm", "tmpfs", {"nosuid", "nodev"}), ("/dev/pts", "devpts", {"nosuid", "noexec"}),
                              ("/run", "tmpfs", {"nosuid", "nodev"}), ("/tmp", "tmpfs", {"nosuid", "nodev"}),
                              ("/dev/mqueue", "mqueue", safe), ("/proc/sys", "proc", safe | {"ro"})]:
        assert path in found, (path, found)
        assert found[path]["type"] == kind and flags <= found[path]["options"], (path, found[path])
    assert "ro" in found["/run/host"]["options"]
    assert {"nosuid", "nodev", "noexec"} <= found["/run/host"]["options"]
    for path in ("kallsyms", "kcore", "keys", "sysrq-trigger", "timer_list"):
        if os.path.exists("/proc/" + path):
            assert "ro" in found["/proc/" + path]["options"], path
    for path in ("acpi", "asound", "bus", "fs", "irq", "scsi"):
        if os.path.isdir("/proc/" + path):
            assert "ro" in found["/proc/" + path]["options"], path
    assert found["/"]["shared"]


def test_the_cgroup_tree_is_one_pure_v2_mount_of_its_own(redd, tree):
    found = mounts(redd, tree)
    groups = [path for path in found if found[path]["type"].startswith("cgroup")]
    assert groups == ["/sys/fs/cgroup"] and found["/sys/fs/cgroup"]["type"] == "cgroup2"
    assert "rw" in found["/sys/fs/cgroup"]["options"] and {"nosuid", "nodev", "noexec"} <= found["/sys/fs/cgroup"]["options"]
    lines = sh(redd, tree, "cat /proc/self/cgroup; mkdir /sys/fs/cgroup/made && rmdir /sys/fs/cgroup/made && echo can-make; cat /sys/fs/cgroup/cgroup.procs")
    assert "0::/" in lines and "can-make" in lines and "1" in lines, lines


def test_the_device_nodes_are_the_documented_ones(redd, tree):
    lines = sh(redd, tree, "cd /dev; for f in *; do stat -c '%n %F %a %u %t:%T' $f; done")
    found = {line.split()[0]: line for line in lines}
    for name, number in (("null", "1:3"), ("zero", "1:5"), ("full", "1:7"), ("random", "1:8"), ("urandom", "1:9"), ("tty", "5:0")):
        assert found[name].endswith("666 0 " + number) and "character" in found[name], found[name]
    extra = set(found) - {"null", "zero", "full", "random", "urandom", "tty", "fd", "stdin", "stdout", "stderr", "core", "pts", "ptmx", "shm", "mqueue",
                          "char", "block", "net", "fuse", "console"}
    assert not extra, extra
    links = dict(line.split(" -> ") for line in sh(redd, tree, "cd /dev; for f in fd stdin stdout stderr core ptmx char/1:3; do echo \"$f -> $(readlink $f)\"; done"))
    assert links == {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
                     "core": "/proc/kcore", "ptmx": "pts/ptmx", "char/1:3": "../null"}
    assert sh(redd, tree, "echo x > /dev/null && head -c 3 /dev/zero | wc -c && head -c 2 /dev/urandom | wc -c") == ["3", "2"]


def test_run_host_has_the_documented_items(redd, tree):
    lines = sh(redd, tree, "cd /run/host; cat container-manager container-uuid; stat -c '%n %F %a' inaccessible/* notify container-manager; ls; touch x 2>&1; true")
    assert lines[0] == "systemd-nspawn"
    assert re.fullmatch(r"[0-9a-f-]{36}", lines[1])
    text = "\n".join(lines)
    assert "inaccessible/reg regular empty file 0" in text and "inaccessible/dir directory 0" in text
    assert "inaccessible/fifo fifo 0" in text and "inaccessible/sock socket 0" in text
    assert re.search(r"^notify socket", text, re.M) and "Read-only" in text


def test_each_start_has_its_own_boot_id(redd, tree):
    ids = {sh(redd, tree, "cat /proc/sys/kernel/random/boot_id")[0] for _ in range(2)}
    ids.add(open("/proc/sys/kernel/random/boot_id").read().strip())
    assert len(ids) == 3


def test_private_network_has_a_reduced_sys_and_its_own_sysctls(redd, tree):
    lines = sh(redd, tree, "ls /sys; echo --; ls /sys/fs; echo --; echo 7 > /proc/sys/net/ipv4/ip_default_ttl && cat /proc/sys/net/ipv4/ip_default_ttl; "
               "ip link show lo | grep -c LOWER_UP; ls /sys/class/net", "--private-network")
    text = "\n".join(lines)
    assert set(text.split("--")[0].split()) == {"block", "bus", "class", "dev", "devices", "kernel", "fs"}
    assert set(text.split("--")[1].split()) == {"cgroup", "bpf"}
    assert text.split("--")[2].split() == ["7", "1", "lo"]
    assert int(open("/proc/sys/net/ipv4/ip_default_ttl").read()) != 7


def test_sys_and_proc_sys_are_read_only(redd, tree):
    lines = sh(redd, tree, "echo x 2>/dev/null > /proc/sys/kernel/hostname || echo denied; mkdir /sys/x 2>/dev/null || echo denied; echo 1 2>/dev/null > /proc/sysrq-trigger || echo denied")
    assert lines.count("denied") == 3


def test_api_vfs_writable_leaves_them_writable(redd, tree):
    found = mounts(redd, tree, "--private-users=no")
    writable = redd.run("-q", "--pipe", "-D", tree, "--private-users=no", "cat", "/proc/self/mountinfo", env={"SYSTEMD_NSPAWN_API_VFS_WRITABLE": "1"}).ok().out
    assert "/proc/sys" in found and " /proc/sys " not in writable and " /proc/kcore " not in writable
    redd.run("-D", tree, "true", env={"SYSTEMD_NSPAWN_API_VFS_WRITABLE": "1"}).failed()


def test_no_tmp(redd, tree):
    done = redd.run("-q", "--pipe", "-D", tree, "cat", "/proc/self/mountinfo", env={"SYSTEMD_NSPAWN_TMPFS_TMP": "0"}).ok()
    assert " /tmp " not in done.out


# --- --bind

@pytest.mark.parametrize("users", USERNS, ids=["userns", "host-users"])
def test_bind(redd, tree, data, users):
    lines = sh(redd, tree, "cat /mnt/here/file; ls /mnt/here", "--bind=%s:/mnt/here" % data, *users)
    assert lines == ["file", "file", "sub", "theirs"]


def test_bind_to_the_same_place_by_default(redd, tree, data):
    assert sh(redd, tree, "cat %s/file" % data, "--bind=" + data) == ["file"]


def test_bind_ro(redd, tree, data):
    done = redd.run("-q", "--pipe", "-D", tree, "--private-users=no", "--bind-ro=%s:/mnt/ro" % data, "sh", "-c", "cat /mnt/ro/file; touch /mnt/ro/x")
    assert done.code == 1 and "Read-only file system" in done.err, done


def test_bind_ro_is_recursive(redd, tree, data):
    subprocess.run(["mount", "-t", "tmpfs", "x", data + "/sub"], check=True)
    lines = sh(redd, tree, "touch /mnt/ro/sub/x 2>&1; true", "--private-users=no", "--bind-ro=%s:/mnt/ro" % data)
    assert "Read-only" in lines[0]


def test_bind_norbind(redd, tree, data):
    subprocess.run(["mount", "-t", "tmpfs", "x", data + "/sub"], check=True)
    open(data + "/sub/mounted", "w").close()
    assert sh(redd, tree, "ls /mnt/b/sub", "--bind=%s:/mnt/b" % data) == ["mounted"]
    assert sh(redd, tree, "ls /mnt/b/sub", "--bind=%s:/mnt/b:norbind" % data) == []


def test_bind_of_a_file(redd, tree, data):
    assert sh(redd, tree, "cat /opt/some/file", "--bind-ro=%s/file:/opt/some/file" % data) == ["file"]


def test_bind_of_nothing_is_a_fresh_directory(redd, tree):
    assert sh(redd, tree, "echo x > /mnt/new/file && ls /mnt/new; stat -c '%u %a' /mnt/new", "--bind=:/mnt/new") == ["file", "0 755"]
    assert sh(redd, tree, "ls /mnt/new", "--bind=:/mnt/new") == []


def test_bind_with_a_colon_in_its_name(redd, tree, data):
    os.mkdir(data + "/a:b")
    open(data + "/a:b/inside", "w").close()
    assert sh(redd, tree, "ls /mnt/colon", "--bind=%s/a\\:b:/mnt/colon" % data) == ["inside"]


def test_bind_from_the_tree_itself(redd, tree):
    assert sh(redd, tree, "cat /mnt/plus/passwd | head -1", "--bind-ro=+/etc:/mnt/plus")[0].startswith("root:")


@pytest.mark.parametrize("words", ["/no/such/source", "/tmp:relative", "/tmp:/mnt:wrongword", ":", "/tmp:/mnt:ro"])
def test_a_wrong_bind_is_refused(redd, tree, words):
    redd.run("-D", tree, "--bind=" + words, "true").failed()


def test_a_bind_of_the_wrong_type_is_refused_and_named(redd, tree, data):
    redd.run("-D", tree, "--bind=%s/file:/etc" % data, "true").failed("/etc")
    redd.run("-D", tree, "--bind=%s:/etc/passwd" % data, "true").failed("/etc/passwd")


def test_binds_are_ordered_by_destination(redd, tree, data):
    assert sh(redd, tree, "cat /mnt/o/deep/er/file", "--bind=%s:/mnt/o/deep/er" % data, "--tmpfs=/mnt/o") == ["file"]


def test_a_bind_of_a_device(redd, tree):
    assert sh(redd, tree, "stat -L -c %t:%T /dev/mynull; echo x > /dev/mynull && echo fine", "--bind=/dev/null:/dev/mynull", "--private-users=no") == ["1:3", "fine"]


def test_a_bind_below_proc_is_done_late(redd, tree, data):
    assert sh(redd, tree, "cat /proc/sys/kernel/hostname /proc/version", "--bind-ro=%s/file:/proc/version" % data)[-1] == "file"


# --- owners of binds

def test_owners_of_binds(redd, tree, data):
    show = "stat -c '%n %u' /m/file /m/theirs"
    assert sh(redd, tree, show, "--bind=%s:/m" % data) == ["/m/file 65534", "/m/theirs 65534"]
    assert sh(redd, tree, show, "--bind=%s:/m:idmap" % data) == ["/m/file 0", "/m/theirs 1000"]
    assert sh(redd, tree, show, "--bind=%s:/m:rootidmap" % data) == ["/m/file 0", "/m/theirs 65534"]
    assert sh(redd, tree, show, "--bind=%s:/m" % data, "--private-users=no") == ["/m/file 0", "/m/theirs 1000"]


def test_owneridmap_gives_the_owner_of_the_destination(redd, fresh, data):
    tree = fresh()
    os.mkdir(tree + "/m")
    os.chown(tree + "/m", 1000, 1000)
    os.chown(data, 4711, 4711)
    os.chown(data + "/file", 4711, 4711)
    lines = sh(redd, tree, "stat -c '%n %u' /m /m/file; touch /m/new", "--bind=%s:/m:owneridmap" % data, "--user=user")
    assert lines == ["/m 1000", "/m/file 1000"]
    assert os.stat(data + "/new").st_uid == 4711


def test_an_idmap_option_needs_a_user_namespace(redd, tree, data):
    for word in ("idmap", "rootidmap", "owneridmap"):
        redd.run("-D", tree, "--private-users=no", "--bind=%s:/m:%s" % (data, word), "true").failed()


def test_the_warning_names_the_words_once(redd, tree, data):
    done = redd.run("--pipe", "-D", tree, "--bind=%s:/m" % data, "true").ok()
    assert all(word in done.err for word in (":owneridmap", ":rootidmap", ":idmap")) and done.err.count(":rootidmap") == 1, done
    for options in (["--bind=%s:/m:rootidmap" % data], ["--private-users=no", "--bind=%s:/m" % data]):
        assert "rootidmap" not in redd.run("--pipe", "-D", tree, *options, "true").ok().err


# --- tmpfs, inaccessible, overlay

def test_tmpfs(redd, tree):
    found = mounts(redd, tree, "--tmpfs=/mnt/t:size=1M,mode=1777", "--tmpfs=/mnt/u")
    assert found["/mnt/t"]["type"] == "tmpfs" and "size=1024k" in found["/mnt/t"]["super"] and found["/mnt/t"]["options"]
    assert "nodev" in found["/mnt/t"]["options"] and found["/mnt/u"]["type"] == "tmpfs"
    assert sh(redd, tree, "stat -c '%u %a' /mnt/t /mnt/u; touch /mnt/t/x && echo fine", "--tmpfs=/mnt/t:mode=1777", "--tmpfs=/mnt/u") == ["0 1777", "0 755", "fine"]
    redd.run("-D", tree, "--tmpfs=relative", "true").failed()


def test_inaccessible(redd, tree):
    lines = sh(redd, tree, "stat -c '%F %a' /opt/dir /opt/file; cat /opt/file 2>&1 | wc -c; ls /opt/dir 2>&1; rm /opt/file 2>&1; touch /opt/dir/x 2>&1; true",
               "--inaccessible=/opt/dir", "--inaccessible=/opt/file") if prepare_opt(tree) else None
    assert lines[0] == "directory 0" and lines[1] == "regular empty file 0" and lines[2] == "0", lines
    text = "\n".join(lines[3:])
    assert "secret" not in text and ("busy" in text or "Read-only" in text)


def prepare_opt(tree):
    os.makedirs(tree + "/opt/dir", exist_ok=True)
    for name in ("/opt/file", "/opt/dir/secret"):
        with open(tree + name, "w") as file:
            file.write("secret")
    return True


def test_inaccessible_needs_something_there(redd, tree):
    redd.run("-D", tree, "--inaccessible=/no/such", "true").failed("/no/such")


@pytest.fixture
def layers(place):
    for name in ("low", "mid", "up"):
        os.mkdir(os.path.join(place, name))
        with open(os.path.join(place, name, name), "w") as file:
            file.write(name)
        with open(os.path.join(place, name, "which"), "w") as file:
            file.write(name)
    return place


def test_overlay(redd, tree, layers):
    words = ":".join(os.path.join(layers, name) for name in ("low", "mid", "up"))
    lines = sh(redd, tree, "cd /mnt/ov; ls; cat which; echo; echo new > made; stat -c %u which made", "--overlay=%s:/mnt/ov" % words, "--private-users=no")
    assert lines == ["low", "mid", "up", "which", "up", "0", "0"]
    assert os.path.exists(layers + "/up/made")
    assert not os.path.exists(layers + "/low/made")


def test_overlay_layers_of_the_host_keep_their_owners(redd, tree, layers):
    words = ":".join(os.path.join(layers, name) for name in ("low", "mid", "up"))
    lines = sh(redd, tree, "cd /mnt/ov; ls; cat which; echo; stat -c %u which; touch made 2>&1; true", "--overlay=%s:/mnt/ov" % words)
    assert lines[:6] == ["low", "mid", "up", "which", "up", "65534"] and "denied" in lines[6], lines


def test_overlay_ro(redd, tree, layers):
    words = ":".join(os.path.join(layers, name) for name in ("low", "mid", "up"))
    lines = sh(redd, tree, "cd /mnt/ov; ls; cat which; echo; touch made 2>&1; true", "--overlay-ro=%s:/mnt/ov" % words)
    assert lines[:5] == ["low", "mid", "up", "which", "up"] and "Read-only" in lines[5]


def test_overlay_with_a_temporary_upper(redd, tree, layers):
    lines = sh(redd, tree, "cd /mnt/ov; cat which; echo; touch made; ls", "--overlay=%s/low::/mnt/ov" % layers)
    assert lines == ["low", "low", "made", "which"]
    assert not os.path.exists(layers + "/low/made")


def test_overlay_of_the_tree_itself(redd, fresh):
    tree = fresh()
    os.mkdir(tree + "/upper")
    lines = sh(redd, tree, "stat -c %u /etc/passwd; touch /etc/made-in-overlay && echo fine", "--overlay=+/etc:+/upper:/etc")
    assert lines == ["0", "fine"]
    assert not os.path.exists(tree + "/etc/made-in-overlay") and os.stat(tree + "/upper/made-in-overlay").st_uid == 0


def test_an_overlay_of_one_path_is_refused(redd, tree):
    redd.run("-D", tree, "--overlay=/tmp", "true").failed()


# --- read-only, volatile, ephemeral, template, pivot-root

def test_read_only(redd, fresh):
    tree = fresh()
    os.mkdir(tree + "/dev/shm") if not os.path.isdir(tree + "/dev/shm") else None
    lines = sh(redd, tree, "touch /usr/x 2>&1; touch /etc/x 2>&1; touch /tmp/x && touch /run/x && touch /dev/shm/x && echo fine", "--read-only")
    assert "Read-only" in lines[0] and "Read-only" in lines[1] and lines[-1] == "fine"


@pytest.mark.parametrize("users", USERNS, ids=["userns", "host-users"])
def test_volatile_yes(redd, fresh, users):
    tree = fresh()
    lines = sh(redd, tree, "ls /; echo --; ls /etc; echo --; touch /usr/x 2>&1; touch /etc/x /var/x && echo fine; stat -c %u / /etc", "--volatile=yes", *users)
    text = "\n".join(lines)
    assert "passwd" not in text.split("--")[1] and "usr" in text.split("--")[0].split()
    assert "Read-only" in text and "fine" in text and lines[-2:] == ["0", "0"]
    assert not os.path.exists(tree + "/var/x")


@pytest.mark.parametrize("users", USERNS, ids=["userns", "host-users"])
def test_volatile_state(redd, fresh, users):
    tree = fresh()
    lines = sh(redd, tree, "ls /var; touch /var/x && echo fine; touch /etc/x 2>&1; head -1 /etc/passwd", "--volatile=state", *users)
    assert lines[0] == "fine" and "Read-only" in lines[1] and lines[2].startswith("root:")


@pytest.mark.parametrize("users", USERNS, ids=["userns", "host-users"])
def test_volatile_overlay(redd, fresh, users):
    tree = fresh()
    lines = sh(redd, tree, "touch /usr/x /etc/x /var/x && echo fine; stat -c %u / /etc/passwd; rm /etc/passwd && echo gone", "--volatile=overlay", *users)
    assert lines == ["fine", "0", "0", "gone"]
    assert os.path.exists(tree + "/etc/passwd") and not os.path.exists(tree + "/usr/x")


@pytest.mark.parametrize("users", USERNS, ids=["userns", "host-users"])
def test_ephemeral_changes_nothing(redd, fresh, users):
    tree = fresh()
    before = sorted(os.listdir(tree))
    lines = sh(redd, tree, "rm -r /etc; touch /x; ls /x; hostname; stat -c %u /usr", "-x", *users)
    assert lines[0] == "/x" and lines[2] == "0"
    assert re.fullmatch(re.escape(os.path.basename(tree)) + "-[0-9a-f]{16}", lines[1]), lines
    assert os.path.exists(tree + "/etc/passwd") and not os.path.exists(tree + "/x") and sorted(os.listdir(tree)) == before


@pytest.mark.parametrize("users", USERNS, ids=["userns", "host-users"])
def test_the_end_of_an_ephemeral_machine_waits_for_no_disk(redd, fresh, users):
    """Without the option, unmounting the overlay writes out all that anybody wrote to the file system below."""
    [root] = sh(redd, fresh(), "grep ' / ' /proc/mounts", "-x", *users)
    assert "volatile" in root, root


def test_several_ephemeral_machines_at_once(redd, fresh):
    tree = fresh()
    processes = [redd.start("-q", "--pipe", "-x", "-D", tree, "sh", "-c", "echo %d > /mine; read x; cat /mine" % n, stdin=subprocess.PIPE) for n in range(5)]
    for n, process in enumerate(processes):
        out, err = process.communicate("\n", timeout=30)
        assert out.strip() == str(n), (out, err)


def test_ephemeral_of_a_tree_that_cannot_be_written(redd, fresh, place):
    tree, here = fresh(), os.path.join(place, "medium")
    os.mkdir(here)
    subprocess.run(["mount", "--bind", os.path.dirname(tree), here], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", here], check=True)
        assert sh(redd, os.path.join(here, os.path.basename(tree)), "touch /x && ls /x", "-x") == ["/x"]
    finally:
        subprocess.run(["umount", here], check=True)
    assert not os.path.exists(tree + "/x")


@pytest.mark.parametrize("users", USERNS, ids=["userns", "host-users"])
def test_ephemeral_of_the_host(redd, users):
    assert sh(redd, "/", "touch /redd-was-here && ls /redd-was-here", "-x", *users) == ["/redd-was-here"]
    assert not os.path.exists("/redd-was-here")


def test_ephemeral_with_a_name_keeps_the_name(redd, fresh):
    assert sh(redd, fresh(), "hostname", "-x", "-M", "named") == ["named"]


def test_template(redd, fresh, place):
    tree = fresh()
    target = os.path.join(place, "made")
    assert sh(redd, target, "echo x > /etc/only-here; head -1 /etc/passwd", "--template=" + tree)[0].startswith("root:")
    assert os.path.exists(target + "/etc/only-here") and not os.path.exists(tree + "/etc/only-here")
    assert os.stat(target + "/etc/passwd").st_uid == 0
    assert sh(redd, target, "cat /etc/only-here", "--template=" + tree) == ["x"]


def test_template_and_ephemeral_contradict_each_other(redd, tree, place):
    redd.run("-x", "--template=" + tree, "-D", place, "true").failed()


def test_pivot_root(redd, fresh):
    outer = fresh()
    os.makedirs(outer + "/inner")
    subprocess.run(["cp", "-a", outer + "/usr", outer + "/bin", outer + "/sbin", outer + "/lib", outer + "/etc", outer + "/inner/"], check=True)
    open(outer + "/inner/etc/inside", "w").close()
    os.makedirs(outer + "/inner/old")
    assert sh(redd, outer, "ls /etc/inside", "--pivot-root=/inner") == ["/etc/inside"]
    assert sh(redd, outer, "ls -d /etc/inside /old/inner", "--pivot-root=/inner:/old") == ["/etc/inside", "/old/inner"]


@pytest.mark.parametrize("arguments", [["--volatile=yes", "--private-users-ownership=chown"], ["--read-only", "--private-users-ownership=chown"],
                                       ["--template=/x", "--image=/y"], ["--bind=/tmp:/"]])
def test_contradictions_are_refused(redd, tree, arguments):
    redd.run("-D", tree, *arguments, "true").failed()


def test_the_host_root_needs_a_throw_away_layer(redd):
    redd.run("-D", "/", "true").failed()


def test_the_host_root_with_a_throw_away_layer(redd):
    done = redd.run("-q", "--pipe", "-D", "/", "--volatile=yes", "/usr/bin/id", "-u")
    assert done.code == 0 and done.lines == ["0"], done


# --- /etc

def test_resolv_conf(redd, fresh):
    for mode, expected in (("off", False), ("copy-host", True), ("replace-host", True), ("bind-host", True), ("auto", os.path.exists("/etc/resolv.conf"))):
        tree = fresh()
        done = redd.run("-q", "--pipe", "-D", tree, "--resolv-conf=" + mode, "cat", "/etc/resolv.conf")
        assert (done.code == 0) == expected, (mode, done)
        if expected and os.path.exists("/etc/resolv.conf"):
            assert done.out == open("/etc/resolv.conf").read(), mode
    tree = fresh()
    open(tree + "/etc/resolv.conf", "w").close()
    redd.run("-q", "-D", tree, "--resolv-conf=delete", "true").ok()
    assert not os.path.exists(tree + "/etc/resolv.conf")


def test_timezone(redd, fresh):
    for mode in ("off", "copy", "bind", "symlink", "delete", "auto"):
        redd.run("-q", "-D", fresh(), "--timezone=" + mode, "true").ok()


def test_machine_id_is_not_written(redd, fresh):
    tree = fresh()
    redd.run("-q", "-D", tree, "true").ok()
    assert not os.path.exists(tree + "/etc/machine-id")


def test_the_skeleton_is_made_and_no_more(redd, fresh):
    tree = fresh()
    for name in ("proc", "sys", "dev", "run", "tmp", "root"):
        os.rmdir(os.path.join(tree, name))
    subprocess.run(["rm", "-r", tree + "/bin", tree + "/sbin", tree + "/lib"], check=True)
    redd.run("-q", "-D", tree, "/bin/true").ok()
    for name, mode in (("proc", 0o555), ("sys", 0o555), ("dev", 0o555), ("run", 0o555), ("root", 0o750)):
        found = os.lstat(os.path.join(tree, name))
        assert stat.S_IMODE(found.st_mode) == mode and found.st_uid == 0, (name, oct(found.st_mode), found.st_uid)
    assert os.readlink(tree + "/bin") == "usr/bin" and os.readlink(tree + "/sbin") == "usr/sbin"
    assert not os.path.exists(tree + "/home") and not os.path.exists(tree + "/srv")


def test_bind_user(redd, fresh, user):
    tree = fresh()
    done = redd.run("-q", "--pipe", "-D", tree, "--bind-user=" + user.name, "sh", "-c",
                    "ls /run/host/userdb; cat /run/host/userdb/%s.user; stat -c %%u /run/host/home/%s" % (user.name, user.name)).ok()
    assert user.name + ".user" in done.lines and "60514.user" in done.lines and done.lines[-1] == "60514", done
    assert '"homeDirectory"' in done.out and "io.systemd.NSpawn" in done.out
    redd.run("-D", tree, "--bind-user=nobody-here", "true").failed("nobody-here")


def test_link_journal_guest_and_host(redd, fresh):
    tree = fresh()
    identity = "0123456789abcdef0123456789abcde1"
    with open(tree + "/etc/machine-id", "w") as file:
        file.write(identity + "\n")
    made = []
    if not os.path.isdir("/var/log/journal"):
        os.mkdir("/var/log/journal")
        made.append("/var/log/journal")
    link = "/var/log/journal/" + identity
    try:
        redd.run("-q", "-D", tree, "--link-journal=guest", "true").ok()
        assert os.path.islink(link) and os.path.isdir(tree + link)
        os.unlink(link)
        sh(redd, tree, "touch %s/file" % link, "--link-journal=host")
        assert os.path.exists(link + "/file")
    finally:
        subprocess.run(["rm", "-rf", link])
        for path in made:
            os.rmdir(path)


def test_overlay_paths_may_hold_commas(redd, tree, layers):
    odd = layers + "/a,b"
    os.mkdir(odd)
    sh(redd, tree, "cat /mnt/ov/which; echo new > /mnt/ov/made", "--overlay=%s/low:%s:/mnt/ov" % (layers, odd), "--private-users=no")
    assert os.path.exists(odd + "/made")


def test_an_upper_layer_that_is_a_mount_point_is_refused(redd, tree, layers):
    upper = layers + "/mounted"
    os.mkdir(upper)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", upper], check=True)
    try:
        done = redd.run("-D", tree, "--overlay=%s/low:%s:/mnt/ov" % (layers, upper), "true")
        assert done.code == 1 and "mounted there" in done.err, done
    finally:
        subprocess.run(["umount", upper], check=True)


def test_overlay_ro_makes_nothing_on_the_host(redd, tree, layers):
    missing = layers + "/missing"
    assert redd.run("-D", tree, "--overlay-ro=%s/low:%s:/mnt/ov" % (layers, missing), "true").code == 1
    assert not os.path.exists(missing)


def test_a_device_is_not_opened_to_be_compared(redd, fresh, place):
    tree = fresh()
    os.symlink("/dev/loop-control", tree + "/etc/localtime")
    log = place + "/log"
    redd.with_prefix("strace", "-f", "-qq", "-y", "-e", "trace=open,openat,openat2", "-o", log).run("-q", "--pipe", "-D", tree, "--timezone=copy", "true")
    with open(log) as file:
        assert "loop-control" not in file.read()
