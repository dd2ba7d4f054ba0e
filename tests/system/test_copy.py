"""machinectl copy-to and copy-from: owners, attributes, special files, depth, what is never left behind."""
import os
import select
import shutil
import signal
import stat
import subprocess

import pytest

from support import machines, runner

MODES = {"userns": [], "host-users": ["--private-users=no"], "chown": ["--private-users=pick", "--private-users-ownership=chown"]}


@pytest.fixture(scope="module")
def control(redd):
    return machines.machinectl(redd)


@pytest.fixture(params=MODES, ids=list(MODES))
def machine(request, redd, fresh):
    made = machines.Machine(redd, "copier", fresh(), *MODES[request.param])
    made.mode = request.param
    yield made
    made.stop()


@pytest.fixture
def plain(redd, fresh):
    made = machines.Machine(redd, "copier", fresh())
    yield made
    made.stop()


def inside(control, *command):
    return control.run("exec", "copier", "--", *command).ok().out


def put(path, content="content\n", mode=0o644, owner=(0, 0)):
    with open(path, "w") as file:
        file.write(content)
    os.chown(path, *owner)
    os.chmod(path, mode)
    return path


def picture(top):
    """What a copy has to keep, of everything below TOP."""
    found = {}
    for directory, names, files in os.walk(top):
        for path in [os.path.join(directory, name) for name in names + files] + ([top] if directory == top else []):
            status = os.lstat(path)
            kind = stat.S_IFMT(status.st_mode)
            detail = None
            if kind == stat.S_IFLNK:
                detail = os.readlink(path)
            elif kind == stat.S_IFREG:
                detail = open(path, "rb").read()
            keys = sorted(os.listxattr(path)) if kind in (stat.S_IFREG, stat.S_IFDIR) else []
            attributes = [(key, os.getxattr(path, key)) for key in keys if key.startswith(("user.", "system.posix"))]
            found[os.path.relpath(path, top)] = (status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, detail, attributes)
    return found


def left_over(top):
    return [name for _, names, files in os.walk(top) for name in names + files if name.startswith(".#")]


def build(place):
    """A tree with some of everything that can be in one."""
    top = os.path.join(place, "tree")
    os.makedirs(top + "/dir/empty")
    put(top + "/owned", owner=(1000, 33), mode=0o640)
    put(top + "/dir/name\nwith \x1b[31m escape")
    put(top + "/dir/\u00fcml\u00e4ut", mode=0o600)
    with open(os.path.join(os.fsencode(top), b"dir/\xff\xfe"), "w"):
        pass
    put(top + "/tagged")
    os.setxattr(top + "/tagged", "user.colour", b"red\0blue")
    os.setxattr(top + "/dir", "user.kind", b"directory")
    os.symlink("/etc/shadow", top + "/link")
    os.symlink("nowhere", top + "/dir/dangling")
    os.mkfifo(top + "/fifo", 0o622)
    os.chmod(top + "/fifo", 0o622)
    os.chmod(top + "/dir", 0o1770)
    os.chown(top + "/dir", 5, 6)
    os.utime(top + "/owned", ns=(1234567890123456789, 1111111111987654321))
    os.utime(top + "/dir", ns=(1234567890123456789, 1222222222987654321))
    return top


def test_a_tree_goes_in_and_comes_out_the_same(control, machine, place):
    top = build(place)
    control.run("copy-to", "copier", top, "/root/new").ok()
    listing = inside(control, "stat", "-c", "%n %u %g %a %F", "/root/new/owned", "/root/new/dir", "/root/new/fifo", "/root/new/link")
    assert listing.splitlines() == ["/root/new/owned 1000 33 640 regular file", "/root/new/dir 5 6 1770 directory",
                                    "/root/new/fifo 0 0 622 fifo", "/root/new/link 0 0 777 symbolic link"]
    control.run("copy-from", "copier", "/root/new", os.path.join(place, "back")).ok()
    assert picture(os.path.join(place, "back")) == picture(top)
    assert not left_over(place) and not left_over("/proc/%d/root/root" % machine.leader)


def test_the_tree_on_disk_has_the_owners_that_the_machine_sees(control, plain, place):
    """An idmapped tree keeps plain ids on disk."""
    control.run("copy-to", "copier", put(place + "/f", owner=(1000, 33)), "/root/f").ok()
    seen = os.stat("/proc/%d/root/root/f" % plain.leader)
    base = int(open("/proc/%d/uid_map" % plain.leader).read().split()[1])
    assert (seen.st_uid, seen.st_gid) == (base + 1000, base + 33) and base > 0


def test_an_id_that_the_machine_does_not_have_becomes_its_root(control, plain, place):
    control.run("copy-to", "copier", put(place + "/f", owner=(99999, 99998), mode=0o6755), "/root/f").ok()
    assert inside(control, "stat", "-c", "%u %g %a", "/root/f").split() == ["0", "0", "755"]


def test_setuid_goes_in_but_does_not_come_out(control, machine, place):
    put(place + "/su", owner=(0, 0), mode=0o6755)
    control.run("copy-to", "copier", place + "/su", "/root/su").ok()
    assert inside(control, "stat", "-c", "%a", "/root/su").strip() == "6755"
    control.run("copy-from", "copier", "/root/su", place + "/out").ok()
    assert os.stat(place + "/out").st_mode & 0o7777 == 0o755
    control.run("copy-from", "--keep-privileges", "copier", "/root/su", place + "/kept").ok()
    assert os.stat(place + "/kept").st_mode & 0o7777 == 0o6755


CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")


def test_file_capabilities_go_in_but_do_not_come_out(control, machine, place):
    put(place + "/cap", mode=0o755)
    os.setxattr(place + "/cap", "security.capability", CAPABILITY)
    control.run("copy-to", "copier", place + "/cap", "/root/cap").ok()
    assert "security.capability" in os.listxattr("/proc/%d/root/root/cap" % machine.leader)
    control.run("copy-from", "copier", "/root/cap", place + "/out").ok()
    assert "security.capability" not in os.listxattr(place + "/out")
    control.run("copy-from", "--keep-privileges", "copier", "/root/cap", place + "/kept").ok()
    assert os.getxattr(place + "/kept", "security.capability") == CAPABILITY


def acl(*entries):
    return b"\x02\0\0\0" + b"".join(tag.to_bytes(2, "little") + mode.to_bytes(2, "little") + who.to_bytes(4, "little") for tag, mode, who in entries)


def test_acls_name_the_same_numbers_on_both_sides(control, machine, place):
    value = acl((1, 6, 0xffffffff), (2, 7, 1000), (4, 4, 0xffffffff), (16, 7, 0xffffffff), (32, 0, 0xffffffff))
    os.setxattr(put(place + "/f"), "system.posix_acl_access", value)
    control.run("copy-to", "copier", place + "/f", "/root/f").ok()
    control.run("copy-from", "copier", "/root/f", place + "/out").ok()
    assert os.getxattr(place + "/out", "system.posix_acl_access") == value


def test_holes_stay_holes(control, machine, place):
    with open(place + "/sparse", "wb") as file:
        file.write(b"begin")
        file.seek(64 << 20)
        file.write(b"end")
        file.truncate(128 << 20)
    control.run("copy-to", "copier", place + "/sparse", "/root/sparse").ok()
    control.run("copy-from", "copier", "/root/sparse", place + "/out").ok()
    status = os.stat(place + "/out")
    assert status.st_size == 128 << 20 and status.st_blocks * 512 < 1 << 20
    assert subprocess.run(["cmp", place + "/sparse", place + "/out"]).returncode == 0


def test_hard_links_stay_links(control, machine, place):
    os.makedirs(place + "/t/deep/er")
    put(place + "/t/one")
    os.link(place + "/t/one", place + "/t/deep/two")
    os.link(place + "/t/one", place + "/t/deep/er/three")
    control.run("copy-to", "copier", place + "/t", "/root/t").ok()
    control.run("copy-from", "copier", "/root/t", place + "/out").ok()
    inodes = {os.stat(place + "/out/" + name).st_ino for name in ("one", "deep/two", "deep/er/three")}
    assert len(inodes) == 1 and os.stat(place + "/out/one").st_nlink == 3
    assert inside(control, "stat", "-c", "%h", "/root/t/one").strip() == "3"


def test_sockets_are_left_out_and_said(control, plain, place):
    import socket
    os.mkdir(place + "/t")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(place + "/t/socket")
        put(place + "/t/file")
        done = control.run("copy-to", "copier", place + "/t", "/root/t").ok()
    assert "socket" in done.err
    assert inside(control, "ls", "-A", "/root/t").split() == ["file"]
    control.run("copy-to", "copier", place + "/t/socket", "/root/s").failed("is a socket")


def test_devices_go_where_they_may(control, machine, place):
    os.mkdir(place + "/t")
    os.mknod(place + "/t/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    put(place + "/t/file")
    done = control.run("copy-to", "copier", place + "/t", "/root/t").ok()
    names = inside(control, "ls", "-A", "/root/t").split()
    if machine.mode == "host-users":
        assert names == ["file", "null"]
        out = control.run("copy-from", "copier", "/root/t", place + "/out").ok()
        assert "null" in out.err and os.listdir(place + "/out") == ["file"]
        control.run("copy-from", "--keep-privileges", "copier", "/root/t", place + "/kept").ok()
        assert os.stat(place + "/kept/null").st_rdev == os.makedev(1, 3)
    else:
        assert names == ["file"] and "null" in done.err


def test_three_thousand_levels(control, plain, place):
    os.makedirs(place + "/deep")
    here = os.open(place + "/deep", os.O_RDONLY)
    for level in range(3000):
        os.mkdir("directory", dir_fd=here)
        deeper = os.open("directory", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(os.open("bottom", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.link("bottom", "again", src_dir_fd=here, dst_dir_fd=here)
    os.close(here)
    limited = control.with_prefix("sh", "-c", "ulimit -n 32; ulimit -s 512; exec \"$@\"", "sh")
    limited.run("copy-to", "copier", place + "/deep", "/root/deep").ok()
    limited.run("copy-from", "copier", "/root/deep", place + "/out").ok()
    here, levels = os.open(place + "/out", os.O_RDONLY), 0
    while "directory" in os.listdir(here):
        deeper = os.open("directory", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here, levels = deeper, levels + 1
    assert levels == 3000 and sorted(os.listdir(here)) == ["again", "bottom"]
    os.close(here)
    for top in (place + "/deep", place + "/out", "/proc/%d/root/root/deep" % plain.leader):
        subprocess.run(["rm", "-rf", top], check=True)


def test_a_directory_with_many_files(control, plain, place):
    os.mkdir(place + "/many")
    for n in range(10000):
        open(place + "/many/%d" % n, "w").close()
    control.run("copy-to", "copier", place + "/many", "/root/many").ok()
    assert inside(control, "sh", "-c", "ls -A /root/many | wc -l").strip() == "10000"


def test_what_is_there_is_kept_unless_forced(control, machine, place):
    put(place + "/f", "new\n")
    control.run("copy-to", "copier", place + "/f", "/etc/passwd").failed("'/etc/passwd'", "there already", "--force")
    assert "root:" in inside(control, "cat", "/etc/passwd")
    control.run("copy-to", "--force", "copier", place + "/f", "/etc/passwd").ok()
    assert inside(control, "cat", "/etc/passwd") == "new\n"
    put(place + "/here", "old\n")
    control.run("copy-from", "copier", "/etc/passwd", place + "/here").failed("there already")
    assert open(place + "/here").read() == "old\n"
    control.run("copy-from", "--force", "copier", "/etc/passwd", place + "/here").ok()
    assert open(place + "/here").read() == "new\n"
    assert not left_over(place)


def test_directories_are_merged_and_keep_what_they_are(control, plain, place):
    os.makedirs(place + "/t/both")
    put(place + "/t/both/mine")
    inside(control, "sh", "-c", "mkdir -p /root/t/both; chmod 711 /root/t/both; echo theirs > /root/t/both/theirs")
    control.run("copy-to", "copier", place + "/t", "/root/t").ok()
    assert inside(control, "ls", "/root/t/both").split() == ["mine", "theirs"]
    assert inside(control, "stat", "-c", "%a", "/root/t/both").strip() == "711"
    control.run("copy-to", "copier", place + "/t", "/root/t").failed("'/root/t/both/mine' in machine 'copier': something is there already")
    control.run("copy-to", "--force", "copier", place + "/t", "/root/t").ok()
    control.run("copy-to", "copier", place + "/t", "/etc/passwd").failed("no directory")
    control.run("copy-to", "--force", "copier", place + "/t/both/mine", "/root/t").failed("a directory is there")


def test_the_words_as_the_reference_has_them(control, plain, place):
    put(place + "/f")
    control.run("copy-to", "copier", "f", "root/f", cwd=place).failed("not absolute")
    control.run("copy-to", "copier", "f", cwd=place).failed("not absolute")
    control.run("copy-to", "copier", "f", "/root/f", cwd=place).ok()
    control.run("copy-to", "copier", "f", "/root/no/f", cwd=place).failed("/root/no")
    control.run("copy-from", "copier", "/root/f", "g", cwd=place).ok()
    assert os.path.exists(place + "/g")
    control.run("copy-from", "copier", "/root/none", "h", cwd=place).failed("/root/none")
    control.run("copy-to", "copier", "f", "/tmp/", cwd=place).ok()
    assert inside(control, "cat", "/tmp/f") == "content\n"
    control.run("copy-to", "nobody", "f", "/tmp/f", cwd=place).failed("nobody")
    os.mkdir(place + "/merge")
    put(place + "/merge/top")
    control.run("copy-to", "copier", place + "/merge", "/").ok()
    assert inside(control, "cat", "/merge/top") == "content\n"


def test_a_path_that_is_the_same_on_both_sides_is_said_once(control, plain):
    control.run("copy-from", "copier", "/etc/inittab").ok()
    try:
        assert "respawn" in open("/etc/inittab").read()
    finally:
        os.unlink("/etc/inittab")


def test_files_of_proc_have_content(control, plain, place):
    control.run("copy-from", "copier", "/proc/1/status", place + "/status").ok()
    assert "NSpid" in open(place + "/status").read()


def test_the_kernels_own_trees_are_not_entered(control, plain, place):
    control.run("copy-from", "copier", "/", place + "/all", timeout=120).ok()
    assert os.listdir(place + "/all/proc") == [] and os.listdir(place + "/all/sys") == []
    assert os.path.exists(place + "/all/usr/bin/busybox") and os.path.isdir(place + "/all/dev")


def test_a_tree_is_not_copied_into_itself_for_ever(control, redd, fresh):
    tree = fresh()
    made = machines.Machine(redd, "selfish", tree)
    try:
        os.mkdir(tree + "/srv")
        control.run("copy-from", "selfish", "/", tree + "/srv/copy", timeout=60)
    finally:
        made.stop()


def test_a_stopped_copy_leaves_no_half_file(control, plain, place):
    with open(place + "/big", "wb") as file:
        file.write(os.urandom(1 << 20) * 800)
    process = control.start("copy-to", "copier", place + "/big", "/root/big")
    root = "/proc/%d/root/root" % plain.leader
    runner.until(lambda: left_over(root) or process.poll() is not None)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 1 and "stopped" in err, (process.returncode, err)
    assert os.listdir(root) == []


def test_a_killed_copy_leaves_no_half_file(control, plain, place):
    with open(place + "/big", "wb") as file:
        file.write(os.urandom(1 << 20) * 800)
    process = control.start("copy-to", "copier", place + "/big", "/root/big")
    root = "/proc/%d/root/root" % plain.leader
    runner.until(lambda: left_over(root) or process.poll() is not None)
    assert process.poll() is None
    process.kill()
    process.communicate()
    runner.until(lambda: not left_over(root))
    assert os.listdir(root) == []


def test_nothing_is_drawn_but_on_a_terminal(control, plain, place):
    with open(place + "/big", "wb") as file:
        file.truncate(2 << 30)
    done = control.run("copy-to", "copier", place + "/big", "/root/hole").ok()
    assert done.out == "" and done.err == ""


@pytest.mark.parametrize("quiet", [[], ["-q"]], ids=["bar", "quiet"])
def test_a_long_copy_is_shown_on_a_terminal(control, plain, place, quiet):
    """The copy is long because its processes are stopped for a while."""
    os.mkdir(place + "/many")
    for n in range(40000):
        open(place + "/many/%d" % n, "w").close()
    master, slave = os.openpty()
    process = control.start(*quiet, "copy-to", "copier", place + "/many", "/root/many", stderr=slave)
    os.close(slave)
    sides = []
    while len(sides) < 2:
        assert process.poll() is None
        sides = runner.children(process.pid)
    for pid in sides:
        os.kill(pid, signal.SIGSTOP)
    shown = os.read(master, 4096) if select.select([master], [], [], 1.2)[0] else b""
    for pid in sides:
        os.kill(pid, signal.SIGCONT)
    while True:
        try:
            shown += os.read(master, 4096)
        except OSError:
            break
    os.close(master)
    assert process.wait(timeout=20) == 0 and process.communicate()[0] == ""
    if quiet:
        assert shown == b""
    else:
        assert b"/s" in shown and shown.endswith(b"\r\x1b[K"), shown[-200:]


def test_without_root_the_callers_files_are_the_machines_roots(mine, user, ids):
    control = machines.machinectl(mine)
    made = machines.Machine(mine, "copier", mine.tree)
    try:
        assert (sum(int(line.split()[2]) for line in open("/proc/%d/uid_map" % made.leader)) == 1) == (ids == "single")
        put(user.home + "/f", owner=(user.uid, user.gid), mode=0o640)
        control.run("copy-to", "copier", user.home + "/f", "/root/f").ok()
        assert inside(control, "stat", "-c", "%u %g %a", "/root/f").split() == ["0", "0", "640"]
        inside(control, "sh", "-c", "mkdir /root/d; touch /root/d/a /root/d/b; chown 1000 /root/d/b 2>/dev/null; chmod 4755 /root/d/b")
        control.run("copy-from", "copier", "/root/d", user.home + "/d").ok()
        status = os.stat(user.home + "/d/b")
        assert (status.st_uid, status.st_mode & 0o7777) == (user.uid, 0o755)
        put(user.home + "/secret", owner=(0, 0), mode=0o600)
        control.run("copy-to", "copier", user.home + "/secret", "/root/secret").failed("secret")
    finally:
        made.stop()
        for name in ("f", "d", "secret"):
            path = user.home + "/" + name
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
