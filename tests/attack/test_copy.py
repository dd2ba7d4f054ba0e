"""S2, S6, S11, S12, S17, S39, S47, S48: a guest that works against who copies or binds."""
import os
import shutil
import stat
import subprocess

import pytest

from support import leaks, machines

from .conftest import LONG

ROUNDS = 10000 if LONG else 40


@pytest.fixture(scope="module")
def control(redd):
    return machines.machinectl(redd)


@pytest.fixture
def hostile(redd, fresh, mode, swapper):
    """hostile(script): a machine whose guest ran SCRIPT, and has /swapper."""
    made = []

    def start(script, *options):
        tree = fresh()
        shutil.copy(swapper, tree + "/swapper")
        for name in ("data/real/in", "media", "volume"):
            os.makedirs(os.path.join(tree, name))
        command = script + "\necho ready; trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done"
        machine = machines.Machine(redd, "hostile", tree, *mode, *options, command=command)
        machine.tree = tree
        made.append(machine)
        return machine
    yield start
    for machine in made:
        machine.stop()


LINKS = ["/media", "../../../../../media", "/proc/1/root/media", "/proc/self/root/media", "/proc/self/cwd/media"]


def everything(top):
    found = []
    for directory, names, files in os.walk(top):
        for name in names + files:
            path = os.path.join(directory, name)
            status = os.lstat(path)
            found.append((name, status.st_mode, open(path).read() if stat.S_ISREG(status.st_mode) else None))
    return found


def everything_but_content(top):
    return [(name, os.lstat(os.path.join(directory, name)).st_mode) for directory, names, files in os.walk(top) for name in names + files]


def swap_in(*pairs):
    return "\n".join("/swapper %s %s >/dev/null 2>&1 &" % pair for pair in pairs)


# --- S48: the path is swapped while it is copied

@pytest.mark.parametrize("link", LINKS)
def test_s48_what_comes_out_is_the_guests(control, hostile, victim, place, link):
    hostile("echo good > /data/real/file; echo good > /data/real/in/file; ln -s %s /data/link; ln -s %s /data/inlink\n" % (link, link) +
            swap_in(("/data/real", "/data/link"), ("/data/real/in", "/data/inlink")))
    came = 0
    for n in range(ROUNDS):
        out = os.path.join(place, "out%d" % n)
        for source in ("/data/real", "/data/real/file", "/data/real/CANARY", "/data/real/public", "/data"):
            shutil.rmtree(out, ignore_errors=True) if os.path.isdir(out) and not os.path.islink(out) else os.path.lexists(out) and os.unlink(out)
            control.run("copy-from", "hostile", source, out, timeout=20)
            found = everything(out) if os.path.isdir(out) and not os.path.islink(out) else []
            if os.path.isfile(out) and not os.path.islink(out):
                found.append((source, 0, open(out).read()))
            assert not [entry for entry in found if entry[2] not in (None, "good\n")], found
            came += len(found)
    assert came > 0
    victim.check()


@pytest.mark.parametrize("link", LINKS)
def test_s48_what_goes_in_stays_in(control, hostile, victim, place, link):
    hostile("mkdir -p /data/real/in; ln -s %s /data/link; ln -s %s /data/inlink\n" % (link, link) +
            swap_in(("/data/real", "/data/link"), ("/data/real/in", "/data/inlink")))
    os.makedirs(place + "/tree/in/deep/er")
    for name in ("file", "in/file", "in/deep/public", "in/deep/er/CANARY", "public", "CANARY"):
        with open(os.path.join(place, "tree", name), "w") as file:
            file.write("evil\n")
    done = []
    for _ in range(ROUNDS):
        for target in ("/data/real", "/data/real/in/public", "/data/real/CANARY"):
            source = place + "/tree" + ("" if target == "/data/real" else "/file")
            done.append(control.run("copy-to", "--force", "hostile", source, target, timeout=20).code)
        victim.check()
    assert 0 in done


def test_s48_control_a_copy_by_name_is_led_astray(hostile, victim, place):
    machine = hostile("ln -s /media /data/link")
    assert open(machine.tree + "/data/link/CANARY").read() == "canary\n"
    shutil.copyfile("/etc/hostname", machine.tree + "/data/link/public")
    with pytest.raises(AssertionError):
        victim.check()
    with open("/media/public", "w") as file:
        file.write("canary\n")


def test_s48_directories_that_are_moved_meanwhile(control, hostile, victim, place):
    """'..' of a directory that was moved is not where the walk came from."""
    machine = hostile("mkdir -p /data/real/in/a/b/c/d /data/other/x/y; for i in $(seq 50); do echo good > /data/real/in/a/b/c/d/$i; done\n" +
                      swap_in(("/data/real/in/a/b", "/data/other/x")))
    os.makedirs(place + "/tree/in/a/b/c/d")
    for n in range(50):
        with open(place + "/tree/in/a/b/c/d/%d" % n, "w") as file:
            file.write("good\n")
    for n in range(ROUNDS):
        done = control.run("copy-from", "hostile", "/data/real", "%s/out%d" % (place, n), timeout=20)
        assert done.code == 0 or "moved" in done.err or "cannot read" in done.err, done
        assert not [entry for entry in everything("%s/out%d" % (place, n)) if entry[2] not in (None, "good\n")]
        done = control.run("copy-to", "--force", "hostile", place + "/tree", "/data/real", timeout=20)
        assert done.code == 0 or "moved" in done.err or "cannot write" in done.err, done
        victim.check()
    outside = [name for name in os.listdir(machine.tree) if name not in
               ("bin", "sbin", "lib", "usr", "etc", "proc", "sys", "dev", "run", "var", "root", "tmp", "data", "media", "volume", "swapper")]
    assert outside == []


def test_s48_files_that_become_fifos_and_devices(control, hostile, place):
    hostile("echo good > /data/file; mkfifo /data/fifo; mknod /data/node c 1 5; [ -e /data/node ] || mkfifo /data/node\n" +
            swap_in(("/data/file", "/data/fifo"), ("/data/file", "/data/node")))
    for n in range(ROUNDS):
        control.run("copy-from", "hostile", "/data", "%s/out%d" % (place, n), timeout=20)
        for name, mode, content in everything("%s/out%d" % (place, n)):
            assert not stat.S_ISCHR(mode) and content in (None, "good\n"), (name, mode, content)


def test_s48_a_fifo_does_not_hang(control, hostile, place):
    hostile("mkfifo /data/fifo /data/real/in/fifo")
    control.run("copy-from", "hostile", "/data", place + "/out", timeout=20).ok()
    assert stat.S_ISFIFO(os.stat(place + "/out/fifo").st_mode)
    with open(place + "/f", "w") as file:
        file.write("x")
    control.run("copy-to", "hostile", place + "/f", "/data/fifo", timeout=20).failed("there already")
    control.run("copy-to", "--force", "hostile", place + "/f", "/data/fifo", timeout=20).ok()


# --- S47: links that are there from the beginning

@pytest.mark.parametrize("link", LINKS)
def test_s47_links_of_the_image_stay_inside(control, hostile, victim, place, link):
    machine = hostile("rm -rf /data/real; ln -s %s /data/real" % link)
    with open(place + "/public", "w") as file:
        file.write("evil\n")
    control.run("copy-to", "--force", "hostile", place + "/public", "/data/real/public", timeout=20)
    victim.check()
    control.run("copy-from", "hostile", "/data/real", place + "/link", timeout=20).ok()
    assert os.readlink(place + "/link") == link
    done = control.run("copy-from", "hostile", "/data/real/CANARY", place + "/out", timeout=20)
    assert done.code == 1 and not os.path.lexists(place + "/out"), done
    assert machine.process.poll() is None


# --- S17: what is there is not written through

def test_s17_nothing_is_written_through_a_link(control, hostile, victim, place):
    precious = os.path.join(os.path.dirname(place), "precious")
    with open(precious, "w") as file:
        file.write("precious\n")
    machine = hostile("ln -s /media/public /data/soft; ln -s /dev/console /data/tty")
    os.link(precious, machine.tree + "/data/hard")
    with open(place + "/f", "w") as file:
        file.write("evil\n")
    try:
        for name in ("soft", "hard", "tty"):
            control.run("copy-to", "hostile", place + "/f", "/data/" + name, timeout=20).failed("there already")
            control.run("copy-to", "--force", "hostile", place + "/f", "/data/" + name, timeout=20).ok()
            status = os.lstat(machine.tree + "/data/" + name)
            assert stat.S_ISREG(status.st_mode) and status.st_nlink == 1
        assert open(precious).read() == "precious\n"
    finally:
        os.unlink(precious)


# --- S39: what gives rights does not land on the host

def test_s39_nothing_that_gives_rights_lands_on_the_host(control, hostile, place):
    hostile("cp /usr/bin/busybox /data/su; chmod 6755 /data/su; chmod 2777 /data/real; mknod /data/disk b 7 0; mknod /data/mem c 1 1; "
            "cp /usr/bin/busybox /data/real/in/su; chmod 4755 /data/real/in/su; ln /data/su /data/real/again")
    control.run("copy-from", "hostile", "/data", place + "/out", timeout=20).ok()
    found = everything_but_content(place + "/out")
    assert len(found) >= 4
    for name, kind in found:
        assert not kind & (stat.S_ISUID | stat.S_ISGID) and not stat.S_ISBLK(kind) and not stat.S_ISCHR(kind), (name, oct(kind))


def test_s39_control_it_lands_when_that_is_asked_for(control, hostile, place):
    hostile("cp /usr/bin/busybox /data/su; chmod 6755 /data/su")
    control.run("copy-from", "--keep-privileges", "hostile", "/data/su", place + "/su", timeout=20).ok()
    assert os.stat(place + "/su").st_mode & 0o7777 == 0o6755


# --- S11: no stray files

def test_s11_a_copy_that_fails_leaves_nothing_on_the_host(control, hostile, victim, place):
    hostile("ln -s /media /data/link\n" + swap_in(("/data/real", "/data/link")))
    for n in range(ROUNDS):
        done = control.run("copy-from", "hostile", "/data/real/no/such", "%s/out%d" % (place, n), timeout=20)
        assert done.code == 1
    assert os.listdir(place) == []
    victim.check()


# --- S2: who copies cannot be seen from inside

def test_s2_who_copies_is_not_seen(control, hostile, place):
    seen = "{ while [ ! -e /data/go ]; do usleep 1000; done; while :; do for p in /proc/[0-9]*; do read -r name < $p/comm && echo $name >> /data/seen; done; done; } 2>/dev/null &"
    machine = hostile(seen)
    open(machine.tree + "/data/go", "w").close()
    for n in range(300):
        open(place + "/%d" % n, "w").close()
    for n in range(min(ROUNDS, 100)):
        control.run("copy-to", "hostile", place, "/data/in%d" % n, timeout=20).ok()
    names = set(open(machine.tree + "/data/seen").read().split())
    assert "sh" in names and not [name for name in names if "machinectl" in name], names


def test_s2_control_what_is_entered_is_seen(control, hostile):
    hostile(":")
    out = control.run("exec", "hostile", "--", "sh", "-c", "cat /proc/[0-9]*/comm").ok().out
    assert "cat" in out


# --- S6, S13: binds

@pytest.mark.parametrize("link", LINKS)
def test_s6_a_bind_whose_target_is_swapped(control, hostile, victim, place, link):
    machine = hostile("ln -s %s /data/link\n" % link + swap_in(("/data/real", "/data/link")))
    os.mkdir(place + "/source")
    codes = []
    before = leaks.mounts()
    for n in range(ROUNDS):
        codes.append(control.run("bind", "--mkdir", "hostile", place + "/source", "/data/real/in", timeout=20).code)
        codes.append(control.run("bind", "--mkdir", "hostile", place + "/source", "/data/real/new%d/sub" % n, timeout=20).code)
        control.run("bind", "--remove", "hostile", "/data/real/in", timeout=20)
        assert leaks.mounts() == before
        victim.check()
    assert 0 in codes and machine.process.poll() is None


# --- S12

def test_s12_a_bind_whose_source_is_swapped(control, hostile, victim, place, swap):
    """The source lies in a volume in which somebody swaps a directory for a link."""
    machine = hostile(":")
    os.makedirs(place + "/volume/a/b")
    open(place + "/volume/a/b/good", "w").close()
    os.symlink("/media", place + "/volume/l")
    open("/media/b/bad", "w").close()
    victim.before = victim.picture()
    swap(place + "/volume/a", place + "/volume/l")
    seen = set()
    for _ in range(ROUNDS):
        done = control.run("bind", "--mkdir", "hostile", place + "/volume/a/b", "/data/bound", timeout=20)
        seen.add(done.code)
        if done.code == 0:
            assert os.listdir("/proc/%d/root/data/bound" % machine.leader) == ["good"]
            control.run("bind", "--remove", "hostile", "/data/bound").ok()
    assert seen == {0, 1}


def test_s12_a_link_in_the_source_is_refused_and_named(control, hostile, place):
    hostile(":")
    os.mkdir(place + "/real")
    os.symlink("real", place + "/link")
    control.run("bind", "--mkdir", "hostile", place + "/link", "/data/bound").failed("symbolic link", place + "/real")
    control.run("bind", "--mkdir", "hostile", place + "/real", "/data/bound").ok()


def test_s6_control_a_mount_by_name_is_led_astray(hostile, victim, place):
    machine = hostile("ln -s /media/sub /data/link")
    before = leaks.mounts()
    subprocess.run(["mount", "--bind", place, machine.tree + "/data/link"], check=True)
    assert leaks.mounts() != before
    subprocess.run(["umount", "/media/sub"], check=True)
