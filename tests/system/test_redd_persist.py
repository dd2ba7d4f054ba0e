"""Persist= that is new in a generation: whatever happens to the apply, what a machine wrote last is what it has, and nothing of it is lost."""
import os
import socket

import pytest

from support import disks, runner
from support.declared import DEFINITIONS, STATE, clean, host  # noqa: F401

ROOM = STATE + "/persist/web"


def write(host, text):
    host.inside("web", "sh", "-c", "echo %s >/srv/data" % text)


def read(host):
    return host.inside("web", "cat", "/srv/data")


def kept(name="srv"):
    with open("%s/%s/data" % (ROOM, name)) as file:
        return file.read().strip()


@pytest.fixture
def web(clean):
    """It runs, with /srv in its root; called again, it is defined."""
    trees = {name: clean.tree(name, files={"srv/of": name}) for name in ("one", "two")}

    def define(*lines, tree="one", **more):
        clean.define("web", "dir:" + trees[tree], *lines, **more)
    define()
    clean.redd("apply").ok()
    write(clean, "first")
    return define


def apply_until_the_switch(host):
    """Killed as soon as its generation is current."""
    done = host.redd("apply", prefix=["strace", "-qq", "-o", "/dev/null", "-P", STATE, "--inject=fsync:signal=KILL"])
    assert done.code != 0, done


@pytest.mark.parametrize("stopped", [False, True])
def test_an_apply_that_was_killed_after_the_switch(clean, web, stopped):
    """As at a boot, the machine starts before the next apply comes."""
    web("Persist=/srv", tree="two")
    apply_until_the_switch(clean)
    assert clean.current() == 2 and read(clean) == "first"
    write(clean, "important")
    clean.machinectl("stop", "web").ok()
    clean.machinectl("start", "web").ok()
    assert read(clean) == "important"
    write(clean, "newer")
    if stopped:
        clean.machinectl("stop", "web").ok()
    clean.redd("apply").ok()
    assert clean.current() == 2 and read(clean) == "newer" and clean.inside("web", "cat", "/srv/of") == "one"
    assert os.listdir(ROOM) == ["srv"] and kept() == "newer"


def test_an_apply_that_comes_to_nothing_takes_nothing(clean, web):
    """Another definition's image cannot be fetched: the machine goes on, and what it writes then counts."""
    clean.machinectl("stop", "web").ok()
    web("Persist=/srv")
    clean.define("zzz", "tar:%s/nowhere.tar" % clean.root, "Verify=no")
    clean.redd("apply").failed()
    clean.machinectl("start", "web").ok()
    assert clean.current() == 1 and read(clean) == "first"
    write(clean, "second")
    clean.undefine("zzz")
    assert "what is there now is taken along" in clean.redd("plan").failed(code=2).out
    clean.redd("apply").ok()
    assert read(clean) == "second" and os.listdir(ROOM) == ["srv"]


FAILS = ["[X-Health] Command=/bin/false", "[X-Health] Interval=100ms", "[X-Health] Retries=1"]


@pytest.mark.parametrize("runs", [True, False], ids=["running", "stopped"])
def test_what_a_failed_generation_had_is_put_aside(clean, web, runs):
    web("Persist=/srv", *FAILS)
    clean.redd("apply").failed("generation 1 is current again", code=3)
    assert read(clean) == "first"
    write(clean, "friday")
    if not runs:
        clean.machinectl("stop", "web").ok()
    web("Persist=/srv")
    assert "taken along, what was kept before put aside" in clean.redd("plan").failed(code=2).out
    said = clean.redd("apply").ok().err
    assert "what was kept before is put aside" in said and ROOM in said
    assert read(clean) == "friday" and sorted(os.listdir(ROOM)) == ["srv", "srv~1"] and kept("srv~1") == "first"


def test_after_a_rollback_what_the_machine_wrote_since_counts(clean, web):
    web("Persist=/srv")
    clean.redd("apply").ok()
    write(clean, "monday")
    clean.redd("rollback").ok()
    assert read(clean) == "first"
    write(clean, "friday")
    clean.redd("apply").ok()
    assert read(clean) == "friday" and kept("srv~1") == "monday"
    # And each of these is put aside by itself.
    clean.redd("rollback", "1").ok()
    clean.redd("apply").ok()
    assert sorted(os.listdir(ROOM)) == ["srv", "srv~1", "srv~2"] and kept("srv~1") == "monday"


def test_a_rollback_brings_back_what_was_kept(clean, web):
    """Of a definition that lost its Persist= by mistake."""
    web("Persist=/srv")
    clean.redd("apply").ok()
    write(clean, "precious")
    web()
    clean.redd("apply").ok()
    write(clean, "other")
    done = clean.redd("rollback").ok()
    assert "as it was kept before: what is there now is hidden" in done.out and "'/srv' of machine 'web' is as it was kept" in done.err
    assert read(clean) == "precious" and os.listdir(ROOM) == ["srv"]


def test_a_generation_that_failed_does_not_cost_what_was_kept(clean, web):
    """It had no Persist= any more, and itself was not well, or another machine was not after it."""
    web("Persist=/srv")
    clean.redd("apply").ok()
    write(clean, "precious")
    web(*FAILS)
    said = clean.redd("apply").failed("generation 2 is current again", code=3).err
    assert "'/srv' of machine 'web' is as it was kept" in said
    assert read(clean) == "precious" and os.listdir(ROOM) == ["srv"]
    web()
    clean.define("zzz", "dir:" + clean.tree("zzz"), *FAILS, "[X-Unit] After=web.nspawn")
    clean.redd("apply").failed("generation 2 is current again", code=3)
    assert read(clean) == "precious" and os.listdir(ROOM) == ["srv"]


def test_what_an_interrupted_apply_had_started_goes_back_as_well(clean, web):
    """The one that goes on finds it as it is to be, and then another one fails."""
    web("Persist=/srv")
    clean.redd("apply").ok()
    write(clean, "precious")
    web()
    clean.define("other", "dir:" + clean.tree("other", files={"srv/hold": ""}), "[X-Unit] After=web.nspawn",
                 "[X-Health] Command=/bin/test ! -e /srv/hold", "[X-Health] Interval=100ms", "[X-Health] Retries=1000")
    clean.define("zzz", "dir:" + clean.tree("zzz"), *FAILS, "[X-Unit] After=other.nspawn")
    first = clean.begin("redd", "apply")
    runner.until(lambda: "other" in clean.running() and clean.machinectl("exec", "other", "--", "true").code == 0)
    first.kill()
    first.wait()
    assert clean.current() == 3
    write(clean, "other")
    clean.inside("other", "rm", "/srv/hold")
    first.communicate(timeout=60)
    clean.redd("apply").failed("generation 2 is current again", code=3)
    assert clean.running() == ["web"] and read(clean) == "precious" and os.listdir(ROOM) == ["srv"]


def test_what_failed_brings_back_nothing_of_who_was_not_started(clean, web):
    """It goes on with what it has in its root, which an apply said to take along."""
    web("Persist=/srv", "[X-Reload] Strategy=none")
    clean.redd("apply").ok()
    clean.machinectl("stop", "web").ok()
    clean.machinectl("start", "web").ok()
    write(clean, "precious")
    web("[X-Reload] Strategy=none")
    clean.redd("apply").ok()
    clean.machinectl("stop", "web").ok()
    clean.machinectl("start", "web").ok()
    write(clean, "newest")
    web("Persist=/srv", "[X-Reload] Strategy=none")
    clean.redd("apply").ok()
    web("[X-Reload] Strategy=none")
    clean.define("zzz", "dir:" + clean.tree("zzz"), *FAILS)
    clean.redd("apply").failed("is current again", code=3)
    clean.machinectl("stop", "web").ok()
    clean.machinectl("start", "web").ok()
    assert read(clean) == "newest" and kept("srv~1") == "precious"


@pytest.mark.parametrize("again", [False, True], ids=["running", "restarted"])
def test_a_rollback_that_was_killed_before_the_switch(clean, web, again):
    """The machine goes on without its Persist=, and what it writes then counts where that comes back."""
    web("Persist=/srv")
    clean.redd("apply").ok()
    write(clean, "precious")
    web()
    clean.redd("apply").ok()
    done = clean.redd("rollback", prefix=["strace", "-qq", "-o", "/dev/null", "-P", ROOM, "--inject=fsync:signal=KILL"])
    assert done.code != 0 and clean.current() == 3
    write(clean, "newest")
    if again:
        clean.machinectl("stop", "web").ok()
        clean.machinectl("start", "web").ok()
    clean.redd("gc", "--keep=1").ok()
    web("Persist=/srv")
    assert "what is there now is taken along" in clean.redd("plan").failed(code=2).out
    clean.redd("apply").ok()
    assert read(clean) == "newest" and kept("srv~1") == "precious"


def test_a_rollback_that_failed_brings_nothing_back(clean, web):
    """Of a machine that was not even stopped, since another one failed before."""
    web("Persist=/srv", "[X-Unit] After=aaa.nspawn")
    well = clean.tree("aaa", files={"srv/ok": ""})
    clean.define("aaa", "dir:" + well, "[X-Health] Command=/bin/test -e /srv/ok", "[X-Health] Interval=100ms", "[X-Health] Retries=1")
    clean.redd("apply").ok()
    write(clean, "precious")
    web("[X-Unit] After=aaa.nspawn")
    clean.define("aaa", "dir:" + well)
    clean.redd("apply").ok()
    write(clean, "other")
    clean.inside("aaa", "rm", "/srv/ok")
    clean.redd("rollback").failed("generation 3 is current again", code=3)
    assert read(clean) == "other"
    web("Persist=/srv")
    clean.redd("apply").ok()
    assert read(clean) == "other" and kept("srv~1") == "precious"


def test_what_a_rollback_said_is_so_whatever_is_applied_before_the_start(clean, web):
    web("Persist=/srv")
    clean.redd("apply").ok()
    write(clean, "precious")
    web()
    clean.redd("apply").ok()
    clean.machinectl("stop", "web").ok()
    clean.redd("rollback", "--no-start").ok()
    web("Persist=/srv", exec_=["Hostname=other"])
    clean.redd("apply", "--no-start").ok()
    clean.machinectl("start", "web").ok()
    assert read(clean) == "precious" and os.listdir(ROOM) == ["srv"]


def test_what_never_ran_without_it_has_it_as_it_was(clean, web):
    web("Persist=/srv")
    clean.redd("apply").ok()
    write(clean, "precious")
    clean.machinectl("stop", "web").ok()
    web()
    clean.redd("apply", "--no-start").ok()
    web("Persist=/srv")
    assert "is as it was kept before" in clean.redd("plan").failed(code=2).out
    clean.redd("apply").ok()
    assert read(clean) == "precious" and os.listdir(ROOM) == ["srv"]


def test_a_machine_that_was_not_started_again_takes_its_own_along(clean, web):
    """Strategy=none, and its image becomes another one twice meanwhile: what it writes until it stops."""
    web("[X-Reload] Strategy=none", tree="two")
    clean.redd("apply").ok()
    web("[X-Reload] Strategy=none", "Persist=/srv", tree="two")
    clean.redd("apply").ok()
    write(clean, "last")
    clean.machinectl("stop", "web").ok()
    clean.machinectl("start", "web").ok()
    assert read(clean) == "last" and clean.inside("web", "cat", "/srv/of") == "one" and os.listdir(ROOM) == ["srv"]


def test_gc_leaves_a_root_from_which_something_is_to_be_taken(clean, web):
    clean.machinectl("stop", "web").ok()
    web("Persist=/srv", tree="two")
    clean.redd("apply", "--no-start").ok()
    clean.redd("gc", "--keep=1").ok()
    assert os.listdir(STATE + "/generations").count("1") == 0 and len(os.listdir(STATE + "/roots/web")) >= 2
    clean.machinectl("start", "web").ok()
    assert read(clean) == "first"
    clean.redd("gc", "--keep=1").ok()
    assert len([name for name in os.listdir(STATE + "/roots/web") if name[0] != "."]) == 1 and read(clean) == "first"


def test_gc_leaves_it_also_of_a_machine_that_may_come_back(clean, web):
    """Removed before its first start with Persist=, while a generation has it that can be gone back to."""
    clean.machinectl("stop", "web").ok()
    web("Persist=/srv", tree="two")
    clean.redd("apply", "--no-start").ok()
    clean.undefine("web")
    clean.redd("apply").ok()
    clean.redd("gc", "--keep=2").ok()
    clean.redd("rollback").ok()
    clean.machinectl("start", "web")
    assert read(clean) == "first"


def test_what_is_gone_is_said_and_costs_no_start(clean, web):
    web("Persist=/srv /root", tree="two")
    clean.machinectl("stop", "web").ok()
    clean.redd("apply", "--no-start").ok()
    for name in ("srv", "root"):
        os.unlink("%s/.from.%s" % (ROOM, name))
        os.symlink(STATE + "/roots/web/gone.mstack", "%s/.from.%s" % (ROOM, name))
    os.mkdir(ROOM + "/root")
    with open(ROOM + "/root/data", "w") as file:
        file.write("kept\n")
    clean.machinectl("start", "web").ok()
    assert clean.inside("web", "cat", "/srv/of", "/root/data") == "twokept" and sorted(os.listdir(ROOM)) == ["root", "srv"]


def test_who_waits_for_a_start_that_takes_much_gives_it_time(clean, web, place):
    """A service manager, for what may be more than its limit allows; and for nothing else."""
    clean.machinectl("stop", "web").ok()
    web("Persist=/srv", install=False)
    clean.redd("apply").ok()
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    receiver.bind(place + "/notify")
    prefix = ["env", "NOTIFY_SOCKET=%s/notify" % place]

    def told():
        clean.run("systemd-nspawn", "-q", "-M", "web", "--console=pipe", "--as-pid2", "true", prefix=prefix)
        found = []
        try:
            while True:
                found.append(receiver.recv(4096).decode())
        except BlockingIOError:
            return [message for message in found if message.startswith("EXTEND_TIMEOUT_USEC=")], found
    assert told()[0]
    asked, found = told()
    assert not asked and found
    receiver.close()


def test_a_tree_of_its_own_is_not_one_of_the_store(clean):
    """Whatever the directory is called that it is in."""
    one = clean.tree("one", files={"srv/of": "one"})
    os.makedirs(clean.root + "/trees")
    os.rename(one, clean.root + "/trees/one")
    clean.define("web", "dir:%s/trees/one" % clean.root, "Root=direct")
    clean.redd("apply").ok()
    write(clean, "first")
    clean.define("web", "dir:" + clean.tree("two", files={"srv/of": "two"}), "Persist=/srv")
    clean.redd("apply").ok()
    assert read(clean) == "first" and clean.inside("web", "cat", "/srv/of") == "one"


def test_what_somebody_runs_under_its_name_is_not_the_machine(clean, web):
    """From a directory of his own, called as one of the store."""
    clean.machinectl("stop", "web").ok()
    web("Persist=/srv", install=False)
    other = clean.tree("other", files={"srv/data": "other"})
    os.makedirs(clean.root + "/roots")
    os.rename(other, clean.root + "/roots/other")
    started = clean.begin("systemd-nspawn", "-q", "-M", "web", "-D", clean.root + "/roots/other", "--settings=no", "--private-users=no", "-b")
    runner.until(lambda: clean.running() == ["web"] and clean.machinectl("exec", "web", "--", "true").code == 0)
    clean.redd("apply", "--no-start").ok()
    clean.machinectl("stop", "web").ok()
    started.communicate(timeout=60)
    clean.machinectl("start", "web").ok()
    assert read(clean) == "first"


def test_a_machine_cannot_veto_by_what_it_makes_there(clean, web):
    """Directories in directories, more than a program may have open with their copies."""
    clean.inside("web", "sh", "-c", "cd /srv; for i in $(seq 450); do mkdir d && cd d || exit 1; done; echo deep >file")
    web("Persist=/srv")
    clean.redd("apply").ok()
    assert clean.current() == 2 and read(clean) == "first"
    assert clean.inside("web", "sh", "-c", "cd /srv; for i in $(seq 450); do cd d; done; cat file") == "deep"


def test_of_a_disk_image(clean, place):
    """While it is the same one, what the machine has in it is taken along; another one's cannot be read."""
    def define(name, *lines):
        tree = clean.tree("base", files={"srv/of": name, "opt/of": name})
        path = "%s/%s.raw" % (place, name)
        if not os.path.exists(path):
            disks.table(path, [(disks.ROOT, disks.filesystem(path + ".ext4", "ext4", tree))])
        clean.define("web", "raw:" + path, "Root=copy", *lines)
    define("one")
    clean.redd("apply").ok()
    write(clean, "first")
    define("one", "Persist=/srv")
    assert "what is there now is taken along" in clean.redd("plan").failed(code=2).out
    clean.redd("apply").ok()
    assert read(clean) == "first"
    define("two", "Persist=/srv /opt")
    assert "begins as the image has it: what is there now is hidden" in clean.redd("plan").failed(code=2).out
    clean.redd("apply").ok()
    assert read(clean) == "first" and clean.inside("web", "cat", "/opt/of") == "two"


def with_a_range(host, name, tree, ownership, *lines):
    """Its ids are those of a range that is picked."""
    host.define(name, "dir:" + tree, *lines, "[Files] PrivateUsersOwnership=" + ownership)
    path = "%s/%s.nspawn" % (DEFINITIONS, name)
    with open(path) as file:
        text = file.read().replace("PrivateUsers=no", "PrivateUsers=pick")
    with open(path, "w") as file:
        file.write(text)


def owners(host):
    return host.inside("web", "stat", "-c", "%u:%g", "/srv", "/srv/of", "/srv/data").split()


def test_of_a_tree_that_was_given_to_the_machines_range(clean):
    tree = clean.tree("one", files={"srv/of": "one"})
    os.chown(tree + "/srv/of", 33, 34)
    with_a_range(clean, "web", tree, "chown", "Root=copy")
    clean.redd("apply").ok()
    write(clean, "first")
    with_a_range(clean, "web", tree, "chown", "Root=copy", "Persist=/srv")
    clean.redd("apply").ok()
    assert read(clean) == "first" and owners(clean) == ["0:0", "33:34", "0:0"]
    write(clean, "second")
    assert os.stat(ROOM + "/srv/of").st_uid == 33


def test_of_a_tree_of_the_foreign_range(clean):
    foreign, tree = 0x7FFE0000, clean.tree("one", files={"srv/of": "one", "srv/data": "image"})
    for at, _, files in os.walk(tree):
        for path in [at] + [os.path.join(at, name) for name in files]:
            os.lchown(path, foreign, foreign)
    os.chown(tree + "/srv/of", foreign + 33, foreign + 34)
    with_a_range(clean, "web", tree, "auto", "Root=copy", "Persist=/srv")
    clean.redd("apply").ok()
    assert owners(clean) == ["0:0", "33:34", "0:0"]
    write(clean, "second")


def test_a_start_that_is_killed_while_it_takes(clean, web):
    """Another one does the rest, with what was kept before in its own place."""
    kills, log = 0, clean.root + "/calls"
    room = ["-P", ROOM, "-P", ROOM + "/srv", "-P", ROOM + "/.taken.srv"]
    for call in ("mkdirat", "syncfs", "unlinkat", "renameat", "renameat2", "fsync"):
        step, killed = 0, True
        while killed:
            step += 1
            clean.clear()
            web("Persist=/srv")
            clean.redd("apply").ok()
            write(clean, "before")
            web(install=False)
            clean.redd("apply").ok()
            write(clean, "since")
            clean.machinectl("stop", "web").ok()
            web("Persist=/srv", install=False)
            clean.redd("apply").ok()
            clean.run("systemd-nspawn", "-q", "-M", "web", "--console=pipe", "--as-pid2", "true",
                      prefix=["strace", "-qq", "-o", log, "-e", "trace=" + call, *room, "--inject=%s:signal=KILL:when=%d" % (call, step)])
            with open(log) as file:
                killed = "SIGKILL" in file.read()
            clean.machinectl("start", "web").ok()
            assert read(clean) == "since" and sorted(os.listdir(ROOM)) == ["srv", "srv~1"] and kept("srv~1") == "before", (call, step)
        kills += step - 1
    assert kills >= 6
