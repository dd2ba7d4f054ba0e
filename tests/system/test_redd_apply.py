"""redd apply, generations, rollback, drift and gc where no service manager runs."""
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

from support import console, declared, dns, network, oci, runner, sandbox
from support.declared import DEFINITIONS, RUNTIME, STATE, clean, host  # noqa: F401



def has(controller):
    """Where cgroup v1 holds it, a limit is a warning."""
    with open(sandbox.cgroup_root() + "/cgroup.controllers") as file:
        return controller in file.read().split()


def test_three_definitions_run_and_there_is_nothing_left_to_do(clean):
    tree = clean.tree("base", files={"etc/version": "1\n"})
    for name in ("db", "web", "dns"):
        clean.define(name, "dir:" + tree, *(["[X-Unit] After=db.nspawn", "[X-Unit] Requires=db.nspawn"] if name == "web" else []))
    assert clean.redd("plan").code == 2
    done = clean.redd("apply").ok()
    assert clean.running() == ["db", "dns", "web"], done
    assert clean.current() == 1 and done.err.count("Nothing here runs services at boot") <= 1
    assert clean.inside("web", "cat", "/etc/version") == "1"
    done = clean.redd("plan").ok()
    assert done.out == "Nothing to do.\n"
    leaders = {name: clean.leader(name) for name in clean.running()}
    done = clean.redd("apply").ok()
    assert done.out == "" and done.err == "Nothing to do.\n" and clean.redd("apply", "--quiet").ok().err == ""
    assert clean.current() == 1 and leaders == {name: clean.leader(name) for name in clean.running()}
    assert sorted(os.listdir("/etc/redd/enabled")) == ["db", "dns", "web"]


def test_apply_says_of_what_changes_what_is_not_honoured(clean):
    tree = clean.tree("base")
    said = "not honoured on this host: %s [X-Service] ExecStartPre (no systemd)"
    clean.define("web", "dir:" + tree, "[X-Service] ExecStartPre=/bin/true")
    assert said % "web" in clean.redd("apply").ok().lines
    clean.define("db", "dir:" + tree, "[X-Service] ExecStartPre=/bin/true")
    assert set(clean.redd("plan").lines) >= {said % "db", said % "web"}
    lines = clean.redd("apply").ok().lines
    assert said % "db" in lines and said % "web" not in lines


def test_what_changes_costs_what_was_said(clean):
    """Nothing, a live change, a restart, another root: as the plan says, and nothing more."""
    one, two = clean.tree("one", files={"etc/version": "1\n"}), clean.tree("two", files={"etc/version": "2\n"})
    lines = ["Persist=/var/log"]
    clean.define("web", "dir:" + one, *lines)
    clean.redd("apply").ok()
    leader = clean.leader("web")
    clean.inside("web", "sh", "-c", "echo kept >/var/log/note; echo lost >/root/note")
    if has("memory"):
        lines.append("[X-Service] MemoryMax=64M")
        clean.define("web", "dir:" + one, *lines)
        assert "live" in clean.redd("plan").out
        clean.redd("apply").ok()
        assert clean.cgroup_file("web", "memory.max") == str(64 << 20) and clean.leader("web") == leader
        lines.pop()
        clean.define("web", "dir:" + one, *lines)
        clean.redd("apply").ok()
        assert clean.cgroup_file("web", "memory.max") == "max" and clean.leader("web") == leader
    os.makedirs(clean.root + "/share", exist_ok=True)
    with open(clean.root + "/share/file", "w") as file:
        file.write("shared\n")
    lines.append("[Files] Bind=%s/share:/srv/share" % clean.root)
    clean.define("web", "dir:" + one, *lines)
    assert "live" in clean.redd("plan").out
    clean.redd("apply").ok()
    assert clean.inside("web", "cat", "/srv/share/file") == "shared" and clean.leader("web") == leader
    # One that only the runner can make is not called live either.
    clean.define("web", "dir:" + one, *lines, "[Files] Bind=%s/share:/srv/one:norbind" % clean.root)
    done = clean.redd("plan")
    assert "restart" in done.out and "live" not in done.out, done
    clean.define("web", "dir:" + one, *lines, exec_=["Hostname=other"])
    assert "restart" in clean.redd("plan").out
    clean.redd("apply").ok()
    assert clean.inside("web", "hostname") == "other" and clean.leader("web") != leader
    assert clean.inside("web", "cat", "/root/note", "/srv/share/file") == "lost\nshared"
    clean.define("web", "dir:" + two, *lines, exec_=["Hostname=other"])
    assert "recreate" in clean.redd("plan").out
    clean.redd("apply").ok()
    assert clean.inside("web", "cat", "/etc/version", "/var/log/note") == "2\nkept"
    assert clean.machinectl("exec", "web", "--", "test", "-e", "/root/note").code == 1
    clean.redd("plan").ok()


@pytest.mark.parametrize("users", ["no", "pick"])
def test_a_reload_command_makes_the_machine_follow(clean, users):
    """Also where who enters has to be run once more, as the guest shares the host's ids."""
    tree = clean.tree("base")

    def define(command, tasks):
        clean.define("web", "dir:" + tree, "[X-Reload] Strategy=reload", "[X-Reload] Command=" + command, "[X-Service] TasksMax=%d" % tasks,
                     exec_=["PrivateUsers=" + users])

    define("/bin/sh -c 'echo reloaded >>/root/note'", 500)
    clean.redd("apply").ok()
    leader = clean.leader("web")
    define("/bin/sh -c 'echo reloaded >>/root/note'", 600)
    assert re.search("web +reload", clean.redd("plan").out)
    clean.redd("apply").ok()
    assert clean.inside("web", "cat", "/root/note") == "reloaded" and clean.leader("web") == leader
    define("/bin/sh -c 'exit 3'", 700)
    clean.redd("apply").failed("cannot reload machine 'web'", "generation 2 is current again", code=3)
    assert clean.running() == ["web"]


def lines_of(plan):
    return [(line["machine"], line["act"], line["key"], line["old"], line["new"]) for line in plan["changes"]]


def test_plan_tells_images_by_their_digests_before_anything_is_made(clean, place):
    """And rollback, diff and apply the same."""
    trees = [clean.tree("tree%d" % number, files={"etc/version": "%d\n" % number}) for number in range(2)]
    subprocess.run(["tar", "-C", trees[1], "-cf", place + "/two.tar", "."], check=True)
    clean.define("web", "dir:" + trees[0], "Update=digest")
    clean.define("db", "dir:" + trees[0])
    clean.redd("apply").ok()
    first = clean.state()["web"][2][1]
    with open(trees[0] + "/etc/version", "w") as file:
        file.write("1\n")
    plan = json.loads(clean.redd("plan", "--json=short").failed(code=2).out)
    (machine, act, key, old, second), = lines_of(plan)
    assert (machine, act, key, old) == ("web", "recreate", "Digest", first) and second not in (None, first)
    with open(place + "/two.tar", "rb") as file:
        sum_ = "sha256:" + hashlib.sha256(file.read()).hexdigest()
    clean.define("web", "tar:%s/two.tar" % place)
    assert ("web", "recreate", "Digest", first, sum_) in lines_of(json.loads(clean.redd("plan", "--json=short").failed(code=2).out))
    clean.define("web", "dir:" + trees[0], "Update=digest")
    done = clean.redd("apply").ok()
    assert "image digest  %s → %s" % (first, second) in done.out and clean.state()["web"][2][1] == second
    assert clean.redd("plan").ok().out == "Nothing to do.\n"
    assert ("web", "recreate", "Digest", first, second) in lines_of(json.loads(clean.redd("diff", "--json=short").failed(code=2).out))
    assert "image digest  %s → %s" % (second, first) in clean.redd("rollback").ok().out
    assert clean.redd("apply", "--quiet").ok().out == ""


STATUS = "Package: %s\nStatus: install ok installed\nVersion: %s\nDescription: x\n\n"
INSTALLED = "C:Q1\nP:%s\nV:%s\n\n"


def test_diff_counts_files_and_packages(clean, place):
    """Of directories, and of layers; the rest of the image is the same, with other times."""
    before = {"etc/a": "1\n", "etc/b": "1\n", "etc/gone/c": "1\n", "var/lib/dpkg/status": STATUS % ("one", "1") + STATUS % ("two", "1"),
              "lib/apk/db/installed": INSTALLED % ("musl", "1")}
    after = {"etc/a": "2\n", "etc/b": "1\n", "etc/new": "1\n", "var/lib/dpkg/status": STATUS % ("one", "2") + STATUS % ("three", "1"),
             "lib/apk/db/installed": INSTALLED % ("musl", "1")}
    trees = [clean.tree("tree%d" % number, files=files) for number, files in enumerate((before, after))]
    # etc/a and the list of packages; a directory with a file; a file
    said = "files: 1 added, 2 removed, 2 changed; packages: 1 added, 1 removed, 1 changed"

    def note():
        notes = [line["note"] for line in json.loads(clean.redd("diff", "--json=short").failed(code=2).out)["changes"] if line["key"] == "Digest"]
        return notes[0]

    for tree in trees:
        clean.define("web", "dir:" + tree)
        clean.redd("apply").ok()
    assert note() == said
    for number, tree in enumerate(trees):
        archive = subprocess.run(["tar", "-c", "-C", tree, "."], check=True, capture_output=True).stdout
        clean.define("web", "oci-layout:" + oci.Image([archive]).layout("%s/layout%d" % (place, number)), exec_=["Boot=yes"])
        clean.redd("apply").ok()
    assert note() == said
    # the second one has a layer more than the first
    more = oci.Image([archive, oci.tar({"etc/": None, "etc/.wh.b": b"", "etc/more": b"1"})]).layout("%s/more" % place)
    clean.define("web", "oci-layout:" + more, exec_=["Boot=yes"])
    clean.redd("apply").ok()
    assert note() == "files: 1 added, 1 removed"
    clean.redd("rollback").ok()
    assert note() == "files: 1 added, 1 removed"
    clean.redd("rollback", "3").ok()
    assert note() == "files: 2 added, 1 removed, 2 changed; packages: 1 added, 1 removed, 1 changed"


def test_what_is_kept_of_a_machine_that_goes_is_said_before(clean):
    tree = clean.tree("base")
    clean.define("web", "dir:" + tree, "Persist=/var/log")
    clean.redd("apply").ok()
    clean.undefine("web")
    assert re.search("web +remove +is stopped, keeps /var/log in the trash", clean.redd("plan").failed(code=2).out)


def test_plan_tells_of_what_was_interrupted_and_of_what_waits(clean):
    tree = clean.tree("base")
    clean.define("web", "dir:" + tree, "[X-Reload] Strategy=none", exec_=["Hostname=one"])
    clean.define("db", "dir:" + tree, exec_=["Hostname=one"])
    clean.redd("apply").ok()
    leader = clean.leader("web")
    clean.define("web", "dir:" + tree, "[X-Reload] Strategy=none", exec_=["Hostname=two"])
    clean.redd("apply").ok()
    assert clean.leader("web") == leader
    done = clean.redd("plan").ok()
    assert done.lines == ["pending: web runs as generation 1 says, until it is started again (Strategy=none)", "Nothing to do."]
    plan = json.loads(clean.redd("plan", "--json=short").ok().out)
    assert plan["pending"] == [{"machine": "web", "generation": 1, "act": "defer"}] and plan["unfinished"] == 0
    clean.machinectl("stop", "web").ok()
    clean.redd("apply").ok()
    assert clean.redd("plan").ok().out == "Nothing to do.\n" and clean.inside("web", "hostname") == "two"
    clean.define("db", "dir:" + tree, exec_=["Hostname=two"])
    clean.redd("apply").ok()
    interrupted(3)
    assert clean.redd("plan").failed(code=2).out == "Generation 3 was not finished: apply goes on with it.\n"
    assert json.loads(clean.redd("plan", "--json=short").failed(code=2).out)["unfinished"] == 3
    clean.redd("apply").ok()
    clean.redd("plan").ok()


def asked(clean, *words):
    return console.Console([os.path.join(clean.programs, "redd"), *words], env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TERM": "xterm"})


def answered(one, answer, code):
    one.send(answer + "\n")
    assert one.wait() == code, one.text()
    one.close()


@pytest.mark.parametrize("answer", ["n", "y"])
def test_on_a_terminal_the_plan_is_shown_before_somebody_is_asked(clean, answer):
    """And before anything is fetched, where that would tell no more."""
    clean.define("web", "dir:" + clean.tree("base"))
    one = asked(clean, "apply")
    one.expect(r"(?s)web +create +image +dir:.*Apply 1 machine as .*\[y/N\] ")
    assert clean.current() == 0 and clean.running() == [] and not os.path.exists(STATE + "/trees")
    answered(one, answer, 0 if answer == "y" else 1)
    assert ("Nothing was changed" in one.text()) == (answer == "n") and "gc" not in one.text()
    assert clean.running() == (["web"] if answer == "y" else []) and clean.current() == (answer == "y")


def test_where_nothing_was_applied_there_is_no_way_back_to_ask_about(clean):
    one = asked(clean, "rollback", "5")
    assert one.wait() == 1 and one.text() == "cannot go back: nothing was applied yet\n" and not os.path.exists(STATE + "/generations")
    one.close()


def test_somebody_is_asked_once_if_what_was_shown_is_what_happens(clean, place):
    """Of all kinds of lines; and what they are about may be of other words in files than in generations."""
    old, new = (clean.tree("tree%d" % number, files={"etc/version": "%d\n" % number}) for number in range(2))
    clean.define("web", "dir:" + old, "Persist=/var/log", "[Files] Bind=%s:/data" % place)
    clean.define("db", "dir:" + old, "Update=digest", "[X-Unit] Description=of %i")
    clean.define("old", "dir:" + old)
    clean.redd("apply").ok()
    clean.undefine("old")
    with open(old + "/etc/version", "w") as file:
        file.write("2\n")
    clean.define("new", "dir:" + new)
    clean.define("web", "dir:" + new, "Persist=/var/log /root", "[Exec] Environment=NAME=%i", "[X-Service] CPUWeight=50")
    one = asked(clean, "apply")
    one.expect(r"(?s)db +recreate +image digest +sha256:.*Apply 3 machines as the generation after 1\? \[y/N\] ")
    answered(one, "y", 0)
    assert "[y/N]" not in one.text() and clean.running() == ["db", "new", "web"] and clean.inside("web", "cat", "/etc/version") == "1"
    one = asked(clean, "apply")
    assert one.wait() == 0 and "[y/N]" not in one.text()
    one.close()
    one = asked(clean, "rollback")
    one.expect(r"(?s)old +create.*\[y/N\] ")
    answered(one, "y", 0)
    assert "[y/N]" not in one.text() and clean.running() == ["db", "old", "web"] and clean.inside("web", "cat", "/etc/version") == "0"


def test_while_somebody_is_asked_nobody_is_kept_out(clean):
    """What they said yes to is done only if it is still what would happen."""
    tree = clean.tree("base")
    clean.define("web", "dir:" + tree)
    one = asked(clean, "apply")
    one.expect(r"\[y/N\] ")
    assert "Waiting" not in clean.redd("gc").ok().err
    clean.define("db", "dir:" + tree)
    one.send("y\n")
    one.expect(r"(?s)What would happen has changed meanwhile.*db +create.*web +create.*Apply 2 machines.*\[y/N\] ")
    assert clean.current() == 0
    clean.redd("apply", "--yes", "--only=db").ok()
    one.send("y\n")
    one.expect(r"(?s)meanwhile.*web +create.*Apply 2 machines as the generation after 1\? \[y/N\] ")
    clean.redd("apply", "--yes").ok()
    leaders = [clean.leader(name) for name in ("db", "web")]
    answered(one, "y", 0)
    assert clean.current() == 2 and leaders == [clean.leader(name) for name in ("db", "web")]


def test_what_happens_to_data_is_a_part_of_what_somebody_said_yes_to(clean):
    """But not how much it is, which a machine makes more all the time."""
    old, new = (clean.tree(name, files={"srv/of": name}) for name in ("one", "two"))
    clean.define("web", "dir:" + old)
    clean.redd("apply").ok()
    clean.inside("web", "touch", "/root/first")
    clean.define("web", "dir:" + new, "Persist=/srv")
    one = asked(clean, "apply")
    one.expect(r"(?s)drops \d+ files .*what is there now is taken along.*\[y/N\] ")
    os.makedirs(STATE + "/persist/web/srv")
    one.send("y\n")
    one.expect(r"(?s)changed meanwhile.*drops \d+ files .*is as it was kept before.*\[y/N\] ")
    assert clean.current() == 1
    clean.inside("web", "touch", "/root/second")
    answered(one, "y", 0)
    assert "[y/N]" not in one.text() and clean.current() == 2 and os.listdir(STATE + "/persist/web/srv") == []


def test_who_has_to_wait_is_told_for_whom(clean):
    clean.redd("gc").ok()
    with open(STATE + "/generations/.lock", "r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        other = clean.begin("redd", "gc")
        assert other.stderr.readline() == "Waiting for process %d to let go of '%s'.\n" % (os.getpid(), STATE)
    out, errors = other.communicate(timeout=60)
    assert other.returncode == 0 and "Waiting" not in errors, (out, errors)
    # Who has nobody to wait for says nothing.
    assert "Waiting" not in clean.redd("gc").ok().err


def test_what_only_fetching_can_tell_is_fetched_before_somebody_is_asked(clean):
    tree = clean.tree("base")
    shutil.copytree(clean.tree("two", files={"etc/version": "2\n"}), "/var/lib/machines/two", symlinks=True)
    clean.define("web", "dir:" + tree)
    clean.redd("apply").ok()
    before = os.listdir(STATE + "/trees")
    clean.define("web", "snapshot:two")
    one = asked(clean, "apply")
    one.expect(r"(?s)recreate +image digest +sha256:.*\[y/N\] ")
    answered(one, "n", 1)
    assert "Nothing was changed. What was fetched is kept for the next apply ('redd gc' removes it)." in one.text().replace("\n", " ")
    assert clean.current() == 1 and len(os.listdir(STATE + "/trees")) == len(before) + 1
    clean.redd("gc").ok()
    assert os.listdir(STATE + "/trees") == before
    shutil.rmtree("/var/lib/machines/two")


def test_rollback_brings_definition_and_image_back_together(clean):
    """N22: and what Persist= keeps is not touched by it."""
    one, two = clean.tree("one", files={"etc/version": "1\n"}), clean.tree("two", files={"etc/version": "2\n"})
    clean.define("web", "dir:" + one, "Persist=/var/log", exec_=["Hostname=first"])
    clean.define("db", "dir:" + one)
    clean.redd("apply").ok()
    first = clean.state()
    clean.inside("web", "sh", "-c", "echo before >/root/note; echo 1 >/var/log/note")
    clean.define("web", "dir:" + two, "Persist=/var/log", exec_=["Hostname=second"])
    clean.redd("apply").ok()
    clean.inside("web", "sh", "-c", "echo 2 >>/var/log/note")
    db = clean.leader("db")
    clean.redd("rollback").ok()
    assert clean.current() == 3 and clean.state() == first
    assert clean.inside("web", "cat", "/etc/version", "/root/note", "/var/log/note") == "1\nbefore\n1\n2"
    assert clean.inside("web", "hostname") == "first" and clean.leader("db") == db
    clean.redd("rollback", "2").ok()
    assert clean.inside("web", "cat", "/etc/version", "/var/log/note") == "2\n1\n2" and clean.inside("web", "hostname") == "second"
    clean.redd("rollback", "7").failed("cannot find generation 7")
    clean.redd("rollback", "x").failed("no number of a generation")
    listed = json.loads(clean.redd("generations", "--json=short").ok().out)
    assert [(row["generation"], row["reason"], row["result"], row["current"]) for row in listed] == [
        (1, "apply", "done", False), (2, "apply", "done", False), (3, "rollback to 1", "done", False), (4, "rollback to 2", "done", True)]
    listed = json.loads(clean.redd("generations", "db", "--json=short").ok().out)
    assert [row["generation"] for row in listed] == [1]
    # One machine alone.
    clean.redd("rollback", "1", "--only=web").ok()
    assert clean.inside("web", "cat", "/etc/version") == "1" and clean.leader("db") == db


def test_what_is_defined_no_more_stops_and_nothing_else(clean):
    tree = clean.tree("base")
    for name in ("db", "web", "own"):
        clean.define(name, "dir:" + tree)
    clean.redd("apply", "--only=db,web").ok()
    assert clean.running() == ["db", "web"]
    clean.undefine("db")
    clean.redd("apply", "--only=own").ok()
    assert clean.running() == ["db", "own", "web"]
    clean.redd("apply").ok()
    assert clean.running() == ["own", "web"] and sorted(os.listdir("/etc/redd/enabled")) == ["own", "web"]
    clean.redd("apply", DEFINITIONS + "/web.nspawn").ok()
    assert clean.running() == ["own", "web"]
    clean.redd("apply", "--only=none").failed("cannot find a definition of machine 'none'")


def test_what_is_shown_of_some_is_what_happens(clean):
    """As plan has it, whatever the order in which kept and new ones come together."""
    tree = clean.tree("base")
    for name in ("a", "b", "c"):
        clean.define(name, "dir:" + tree)
    clean.redd("apply").ok()
    clean.define("a", "dir:" + tree, "[X-Service] Restart=no")
    planned = clean.redd("plan", "--only=a").out
    assert planned.startswith("a ") and len(planned.splitlines()) == 1 and "remove" not in planned
    assert clean.redd("apply", "--only=a").ok().out == planned
    back = clean.redd("rollback", "--only=a").ok().out
    assert len(back.splitlines()) == 1 and back.startswith("a ") and "remove" not in back and "create" not in back
    assert clean.redd("apply", DEFINITIONS + "/a.nspawn").ok().out == planned


MIXED = [
    ("requires what goes", {"web": ["[X-Unit] Requires=db.nspawn"], "db": []}, {"web": ["[X-Unit] Requires=db.nspawn"]}, None,
     "requires 'db.nspawn', which is not defined"),
    ("what is kept requires it", {"web": ["[X-Unit] Requires=db.nspawn"], "db": []}, {"web": []}, "db",
     "requires 'db.nspawn', which is not defined"),
    ("a circle with what is kept", {"a": [], "b": ["[X-Unit] After=a.nspawn"]}, {"a": ["[X-Unit] After=b.nspawn"], "b": []}, "a",
     "cannot start machines in a circle"),
    ("the port of what is kept", {"db": ["[Network] Port=tcp:18080:80"], "web": ["[Network] Port=tcp:18081:80"]},
     {"db": ["[Network] Port=tcp:18081:80"], "web": ["[Network] Port=tcp:18080:80"]}, "web", "the port tcp:18080:80 is also claimed by"),
    ("the address of what is kept", {"db": ["[X-Network] Address=10.77.0.2/24"], "web": []},
     {"db": [], "web": ["[X-Network] Address=10.77.0.2/24"]}, "web", "the address 10.77.0.2 is also claimed by"),
]


@pytest.mark.parametrize("before, after, only, said", [case[1:] for case in MIXED], ids=[case[0] for case in MIXED])
def test_what_would_be_current_is_checked_as_a_whole(clean, before, after, only, said):
    tree = clean.tree("base")
    network = "[Network] VirtualEthernet=yes"
    for name, lines in before.items():
        clean.define(name, "dir:" + tree, network, *lines, install=False)
    clean.redd("apply").ok()
    for name in before:
        clean.undefine(name)
    for name, lines in after.items():
        clean.define(name, "dir:" + tree, network, *lines, install=False)
    words = ["--only=" + only] if only else []
    for verb in ("plan", "apply"):
        clean.redd(verb, *words).failed(said)
    assert clean.current() == 1
    if "port" in said:
        clean.redd("apply").ok()
        clean.redd("rollback", "1", "--only=" + only).failed("the port tcp:18081:80 is also claimed by")
        assert clean.current() == 2


def test_without_wanted_by_it_is_there_but_does_not_run(clean):
    clean.define("web", "dir:" + clean.tree("base", files={"etc/version": "1\n"}), install=False)
    clean.redd("apply").ok()
    assert clean.running() == [] and clean.redd("plan").code == 0
    assert "web" in clean.machinectl("list-images").ok().out
    clean.machinectl("start", "web").ok()
    assert clean.inside("web", "cat", "/etc/version") == "1"
    clean.machinectl("remove", "web").failed("it is the root of a declared machine")
    clean.machinectl("clean", "--all").ok()
    clean.machinectl("stop", "web").ok()
    clean.machinectl("start", "web").ok()


def test_on_any_mistake_nothing_happens(clean):
    tree = clean.tree("base")
    clean.define("web", "dir:" + tree)
    clean.redd("apply").ok()
    clean.define("db", "dir:" + tree)
    clean.define("bad", "dir:/nowhere")
    clean.redd("apply").failed("bad", "/nowhere")
    clean.define("bad", "dir:" + tree, "[X-Image] Digest=sha256:" + "0" * 64)
    clean.redd("apply").failed("as Digest= says")
    clean.define("bad", "tar:" + tree)
    clean.redd("apply").failed("bad")
    assert clean.current() == 1 and clean.running() == ["web"]
    clean.undefine("bad")
    clean.redd("apply").ok()
    assert clean.running() == ["db", "web"]


def test_an_image_of_the_name_is_not_hidden(clean):
    """Unless it is what the machine is started from, or an applied machine's own."""
    tree = "/var/lib/machines/web"
    shutil.copytree(clean.tree("base"), tree, symlinks=True)
    try:
        clean.define("web", "dir:" + clean.tree("other"))
        for verb in ("plan", "apply"):
            clean.redd(verb).failed("cannot declare machine 'web'", "an image of this name, '%s'" % tree, code=1)
        assert clean.current() == 0
        clean.define("web", "dir:" + tree, "Root=direct")
        clean.redd("apply").ok()
        clean.define("web", "dir:" + tree, "Root=direct", exec_=["Hostname=two"])
        clean.redd("apply").ok()
        assert clean.inside("web", "hostname") == "two"
        clean.machinectl("stop", "web").ok()
    finally:
        shutil.rmtree(tree)


@pytest.mark.parametrize("source, more, said", [
    ("oci:localhost:1/web:1", [], "has a signature"), ("oci-layout:/layout", [], "has a signature"), ("tar:/file.tar", [], "has a signature"),
    ("raw:/file.raw", [], "has a signature"), ("tar:https://localhost:1/file.tar", ["Digest=sha256:" + "0" * 64], "takes its place")])
def test_a_signature_that_nobody_would_look_at_is_refused(clean, source, more, said):
    clean.define("web", source, "Verify=signature", *more)
    clean.redd("apply").failed("cannot use 'Verify=signature' of machine 'web'", said)
    assert clean.current() == 0 and not os.path.exists(STATE + "/generations/1")


@pytest.mark.parametrize("root", ["overlay", "copy", "ephemeral", "direct"])
def test_roots(clean, root):
    tree = clean.tree("base", files={"etc/version": "1\n"})
    clean.define("web", "dir:" + tree, "Root=" + root)
    clean.redd("apply").ok()
    clean.inside("web", "sh", "-c", "echo mine >/etc/version")
    clean.redd("plan").ok()
    clean.machinectl("stop", "web").ok()
    with open(tree + "/etc/version") as file:
        assert file.read() == ("mine\n" if root == "direct" else "1\n")
    clean.redd("apply").ok()
    assert clean.inside("web", "cat", "/etc/version") == ("1" if root == "ephemeral" else "mine")


def test_images_of_other_kinds(clean, place):
    tree = clean.tree("base", files={"etc/version": "1\n"})
    subprocess.run(["tar", "-C", tree, "-cf", place + "/base.tar", "."], check=True)
    sum_ = subprocess.run(["sha256sum", place + "/base.tar"], check=True, capture_output=True, text=True).stdout.split()[0]
    clean.define("tar", "tar:%s/base.tar" % place, "Digest=sha256:" + sum_)
    clean.redd("apply").ok()
    assert clean.running() == ["tar"]
    clean.define("copy", "snapshot:tar")
    clean.redd("apply").ok()
    for name in clean.running():
        assert clean.inside(name, "cat", "/etc/version") == "1"
    # The archive is not looked at again until somebody wants that.
    os.unlink(place + "/base.tar")
    clean.redd("apply").ok()
    with open(STATE + "/current/images.lock") as lock:
        digests = {line.split("\t")[0]: line.split("\t")[2] for line in lock}
    assert digests["tar"] == "sha256:" + sum_


@pytest.mark.parametrize("kind", ["tar", "raw", "packed"])
def test_what_is_imported_is_what_was_summed(clean, place, kind):
    """The file changes after it was read for its digest: what comes then is not taken for what it was."""
    path = place + "/base"

    def archive(text):
        tree = clean.tree("base", files={"etc/version": text})
        return subprocess.run(["tar", "-C", tree, "-c", "."] + (["-z"] if kind == "packed" else []), check=True, capture_output=True).stdout

    data, other = [text.encode() + bytes(300000) if kind == "raw" else archive(text) for text in ("one", "two")]
    with open(path, "wb") as file:
        file.write(data)
    sum_ = "sha256:" + hashlib.sha256(data).hexdigest()
    clean.define("web", "%s:%s" % ("raw" if kind == "raw" else "tar", path), "Digest=" + sum_, install=False)
    reads = -(-len(data) // (128 * 1024)) + 1
    one = subprocess.Popen(["strace", "-qq", "-o", place + "/log", "-P", path, "-e", "trace=read", "-e", "inject=read:signal=STOP:when=%d" % reads,
                            os.path.join(clean.programs, "redd"), "apply"], stderr=subprocess.PIPE, text=True)
    runner.until(lambda: os.path.exists(place + "/log") and "stopped by SIGSTOP" in open(place + "/log").read())
    with open("/proc/%d/task/%d/children" % (one.pid, one.pid)) as file:
        pid = int(file.read())
    with open(path, "wb") as file:
        file.write(other)
    os.kill(pid, signal.SIGCONT)
    said = one.communicate(timeout=60)[1]
    assert one.returncode == 1 and "and not '%s'" % sum_ in said and "'importctl' failed" in said, said
    assert clean.current() == 0 and [name for name in os.listdir(STATE + "/trees") if not name.startswith(("growing", "."))] == []
    with open(path, "wb") as file:
        file.write(data)
    clean.redd("apply").ok()
    assert clean.state()["web"][2][1] == sum_


def test_what_an_attribute_says_is_no_file(clean):
    """Two trees that are the same words one after the other have two digests."""
    trees = [clean.tree("one"), clean.tree("two")]
    for tree in trees:
        os.makedirs(tree + "/d")
        os.utime(tree + "/d", (1, 1))
    with open(trees[0] + "/d/user.a", "w") as file:
        file.write("hello")
    os.chmod(trees[0] + "/d/user.a", 0o644)
    os.setxattr(trees[1] + "/d", "user.a", b"100644 0 0 5\0hello")
    for name, tree in zip(("one", "two"), trees):
        clean.define(name, "dir:" + tree, install=False)
    clean.redd("apply").ok()
    assert clean.state()["one"][2][1] != clean.state()["two"][2][1]
    assert os.path.exists(STATE + "/current/images/one.mstack/layer@0/d/user.a")
    assert not os.path.exists(STATE + "/current/images/two.mstack/layer@0/d/user.a")


def test_an_oci_layout_is_what_its_digest_says(clean, place):
    layers = [subprocess.run(["tar", "-c", "-C", clean.tree("tree%d" % number, files={"etc/version": "%d\n" % number}), "."],
                             check=True, capture_output=True).stdout for number in range(2)]
    digests = []
    for number, layer in enumerate(layers):
        with open(oci.Image([layer]).layout("%s/layout%d" % (place, number)) + "/index.json") as file:
            digests.append(json.load(file)["manifests"][0]["digest"])
    os.rename(place + "/layout0", place + "/layout")
    source = "oci-layout:%s/layout" % place
    clean.define("web", source, "Digest=" + digests[1])
    clean.redd("apply").failed(digests[0], "and not '%s'" % digests[1])
    clean.define("web", source, "Digest=" + digests[0])
    clean.redd("apply").ok()
    assert clean.inside("web", "cat", "/etc/version") == "0"
    # Another digest is another image, also of a source that was not to be looked at again.
    shutil.rmtree(place + "/layout")
    os.rename(place + "/layout1", place + "/layout")
    clean.redd("apply").ok()
    assert clean.current() == 1
    clean.define("web", source, "Digest=" + digests[1])
    clean.redd("apply").ok()
    assert clean.inside("web", "cat", "/etc/version") == "1"


def test_drift_tells_three_things_apart(clean):
    """N25: a file that was edited, a container that was killed, a limit that was changed by hand."""
    tree = clean.tree("base")
    for name in ("edited", "ended", "limited"):
        clean.define(name, "dir:" + tree, "[X-Service] TasksMax=50", "[X-Service] Restart=no")
    clean.redd("apply").ok()
    clean.redd("drift").ok()
    clean.define("edited", "dir:" + tree, "[X-Service] TasksMax=60", "[X-Service] Restart=no")
    os.kill(int(clean.leader("ended")), signal.SIGKILL)
    runner.until(lambda: "ended" not in clean.running())
    if has("pids"):
        clean.machinectl("set-property", "limited", "TasksMax=70").ok()
    rows = clean.redd("drift", "--json=short")
    assert rows.code == 2
    rows = {row["machine"]: row for row in json.loads(rows.out)}
    assert [rows["edited"][key] for key in ("what", "desired", "applied", "running")] == ["[X-Service] TasksMax", "60", "50", "50"]
    assert [rows["ended"][key] for key in ("what", "desired", "applied", "running")] == ["state", "running", "running", "stopped"]
    if has("pids"):
        assert [rows["limited"][key] for key in ("what", "desired", "applied", "running")] == ["[X-Service] TasksMax", "50", "50", "70 (pids.max)"]
    # And one apply for all of them.
    clean.redd("apply").ok()
    assert "ended" in clean.running()


def test_no_secret_is_shown(clean):
    """Of a credential its name, and that it is another text."""
    tree = clean.tree("base")
    for text in ("hush-one", "hush-two"):
        clean.define("web", "dir:" + tree, "[X-Credential] Set=key:" + text)
        if text == "hush-one":
            clean.redd("apply").ok()
    for command in (["drift"], ["drift", "--json=short"], ["plan"], ["plan", "--json=short"], ["diff"]):
        done = clean.redd(*command)
        assert "web" in done.out and "hush" not in done.out + done.err, done
    row = json.loads(clean.redd("drift", "--json=short").out)[0]
    assert [row[key] for key in ("desired", "applied", "running")] == ["key (another text)", "key", "key"]


def test_a_machine_that_fails_takes_all_back(clean):
    good, bad = clean.tree("good", files={"etc/version": "1\n"}), clean.tree("bad", files={"etc/version": "2\n"})
    os.unlink(bad + "/usr/sbin/init")
    clean.define("db", "dir:" + good, exec_=["Hostname=one"])
    clean.define("web", "dir:" + good)
    clean.redd("apply").ok()
    clean.define("db", "dir:" + good, exec_=["Hostname=two"])
    clean.define("web", "dir:" + bad, "[X-Unit] After=db.nspawn")
    clean.define("new", "dir:" + good)
    done = clean.redd("apply").failed("Generation 2 failed: generation 1 is current again.", code=3)
    assert clean.current() == 1 and clean.running() == ["db", "web"], done
    assert clean.inside("db", "hostname") == "one" and clean.inside("web", "cat", "/etc/version") == "1"
    assert sorted(os.listdir("/etc/redd/enabled")) == ["db", "web"]
    # Without going back the others go on.
    clean.redd("apply", "--keep-going").failed(code=1)
    assert clean.running() == ["db", "new"] and clean.inside("db", "hostname") == "two"
    clean.redd("rollback", "1").ok()
    assert clean.running() == ["db", "web"]


def test_the_first_apply_that_fails_leaves_nothing(clean):
    good, bad = clean.tree("good"), clean.tree("bad")
    os.unlink(bad + "/usr/sbin/init")
    clean.define("db", "dir:" + good)
    clean.define("web", "dir:" + bad, "[X-Unit] After=db.nspawn")
    clean.redd("apply").failed("cannot start machine 'web'", "Generation 1 failed: nothing is applied, as before it.", code=3)
    assert clean.current() == 0 and clean.running() == [] and os.listdir("/etc/redd/enabled") == []
    assert [row["result"] for row in json.loads(clean.redd("generations", "--json=short").ok().out)] == ["rolled back"]
    clean.define("web", "dir:" + good, "[X-Unit] After=db.nspawn")
    clean.redd("apply").ok()
    assert clean.current() == 2 and clean.running() == ["db", "web"]


def seen(place):
    return [name for name in os.listdir(place) if not name.startswith(".")]


def test_what_ends_again_and_again_becomes_what_its_new_definition_says(clean):
    """Between two starts it does not run, but its supervisor is there and waits."""
    tree, log = clean.tree("base"), "/var/log/redd/web.log"
    clean.define("web", "dir:" + tree, "[X-Service] RestartSec=1h", exec_=["Boot=no", "Parameters=false"])
    clean.redd("apply").ok()
    runner.until(lambda: "starting it again in" in open(log).read() and clean.running() == [])
    # The same again, by hand, starts nothing; an apply does.
    clean.machinectl("start", "web").failed("it has a supervisor already")
    clean.redd("apply").ok()
    runner.until(lambda: open(log).read().count("starting it again in") == 2 and clean.running() == [])
    clean.define("web", "dir:" + tree)
    done = clean.redd("apply").ok()
    assert clean.running() == ["web"] and clean.inside("web", "cat", "/proc/1/comm") == "init", done


def test_gc_keeps_what_is_needed(clean):
    trees = [clean.tree("tree%d" % number, files={"etc/version": "%d\n" % number}) for number in range(4)]
    for tree in trees:
        clean.define("web", "dir:" + tree)
        clean.redd("apply").ok()
    roots = STATE + "/roots/web"
    assert len(seen(roots)) == 4
    clean.redd("gc", "--keep=2").ok()
    assert sorted(os.listdir(STATE + "/generations")) == [".lock", "3", "4"]
    assert len(seen(roots)) == 2 and len(os.listdir(roots)) <= 4 and len(seen(STATE + "/trees")) == 2
    clean.redd("rollback", "3").ok()
    assert clean.inside("web", "cat", "/etc/version") == "2"
    for older in ("1h", "30500000w", "4294967295w"):
        clean.redd("gc", "--older=" + older).ok()
        assert len(os.listdir(STATE + "/generations")) == 4, older
    clean.redd("rollback", "1").failed("cannot find generation 1")


def trash():
    return sorted(os.listdir(STATE + "/trash")) if os.path.isdir(STATE + "/trash") else []


def date(name, when):
    """What machine NAME kept has been there since WHEN."""
    os.rename(STATE + "/trash/" + next(each for each in trash() if each.startswith(name + "@")), "%s/trash/%s@%s" % (STATE, name, when))


@pytest.fixture
def kept(clean):
    """Of two machines one is no more: db, and what it kept says so."""
    tree = clean.tree("base")
    clean.define("web", "dir:" + tree, "Persist=/var/log")
    clean.define("db", "dir:" + tree, "Persist=/var/log")
    clean.redd("apply").ok()
    clean.inside("db", "sh", "-c", "echo old > /var/log/words")
    with open(DEFINITIONS + "/db.nspawn") as file:
        clean.definition = file.read()
    clean.undefine("db")
    clean.redd("apply").ok()
    return clean


def declare_again(clean):
    with open(DEFINITIONS + "/db.nspawn", "w") as file:
        file.write(clean.definition)


def test_what_a_removed_machine_kept_is_in_the_trash_until_it_is_old(kept):
    assert os.listdir(STATE + "/persist") == ["web"]
    assert len(trash()) == 1 and re.fullmatch(r"db@\d{8}T\d{6}Z", trash()[0])
    place = STATE + "/trash/" + trash()[0]
    with open(place + "/var-log/words") as file:
        assert file.read() == "old\n"
    # one can still go back
    date("db", "20200101T000000Z")
    assert "trash" not in kept.redd("gc").ok().err and len(trash()) == 1
    date("db", os.path.basename(place)[3:])
    said = kept.redd("gc", "--keep=1").ok().err
    assert "No generation has machine 'db' any more: what it kept is in '%s'" % place in said and "web" not in said and len(trash()) == 1
    kept.redd("gc", "--trash=1h").ok()
    assert len(trash()) == 1
    date("db", time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() - 6 * 86400)))
    kept.redd("gc").ok()
    kept.redd("gc", "--trash=2w").ok()
    assert len(trash()) == 1
    date("db", time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() - 8 * 86400)))
    kept.redd("gc", "--trash=2w").ok()
    assert len(trash()) == 1
    assert "trash" not in kept.redd("gc").ok().err and trash() == []
    assert os.listdir(STATE + "/persist") == ["web"]
    kept.redd("plan").ok()


def test_what_was_kept_may_be_forgotten_at_once(kept):
    assert kept.redd("gc", "--forget").ok().err.count("trash") == 0 and len(trash()) == 1
    kept.redd("gc", "--keep=1", "--forget").ok()
    assert trash() == [] and os.listdir(STATE + "/persist") == ["web"]


def created(number, ahead):
    """Generation NUMBER was made while the clock was so many seconds AHEAD of what it is now: the time of that."""
    path = STATE + "/generations/%d/log" % number
    with open(path) as log:
        first, *rest = log.readlines()
    when = int(time.time()) + ahead
    with open(path, "w") as log:
        log.writelines(["%d000000 %s" % (when, first.split(" ", 1)[1]), *rest])
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(when))


def test_a_clock_that_was_not_set_yet_does_not_make_it_old(clean):
    tree = clean.tree("base")
    for name in ("web", "db"):
        clean.define(name, "dir:" + tree, "Persist=/var/log")
    clean.redd("apply").ok()
    when = created(1, 20 * 365 * 86400)
    clean.undefine("db")
    clean.redd("apply").ok()
    assert trash() == ["db@" + when]
    clean.redd("gc", "--keep=1").ok()
    assert trash() == ["db@" + when]
    clean.redd("gc", "--keep=1", "--forget").ok()
    assert trash() == [] and os.listdir(STATE + "/persist") == ["web"]


def test_what_was_kept_last_comes_back_whatever_the_clock_was(kept):
    date("db", "20991231T235959Z")
    os.makedirs(STATE + "/persist/db/var-log")
    with open(STATE + "/persist/db/var-log/words", "w") as file:
        file.write("last\n")
    kept.redd("apply").ok()
    assert trash() == ["db@20991231T235959Z", "db@21000101T000000Z"]
    declare_again(kept)
    kept.redd("apply").ok()
    assert kept.inside("db", "cat", "/var/log/words") == "last" and trash() == ["db@20991231T235959Z"]


@pytest.mark.parametrize("back", ["apply", "rollback", "rollback --only=db"])
def test_what_was_kept_comes_back_with_its_machine(kept, back):
    os.makedirs(STATE + "/trash/db@20200101T000000Z/var-log")
    os.makedirs(STATE + "/trash/note")
    if back == "apply":
        declare_again(kept)
    assert "What machine 'db' kept is back" in kept.redd(*back.split(), *([] if "only" not in back else ["1"])).ok().err
    assert kept.inside("db", "cat", "/var/log/words") == "old"
    assert trash() == ["db@20200101T000000Z", "note"] and sorted(os.listdir(STATE + "/persist")) == ["db", "web"]


def test_what_was_kept_comes_back_if_what_removed_its_machine_fails(clean):
    """Also if it was interrupted after that, and somebody called gc."""
    tree, bad = clean.tree("base"), clean.tree("bad")
    os.unlink(bad + "/usr/sbin/init")
    clean.define("db", "dir:" + tree, "Persist=/var/log")
    clean.redd("apply").ok()
    clean.inside("db", "sh", "-c", "echo old > /var/log/words")
    clean.undefine("db")
    clean.define("web", "dir:" + bad)
    clean.redd("apply").failed("generation 1 is current again", code=3)
    assert clean.inside("db", "cat", "/var/log/words") == "old" and trash() == []


def test_gc_leaves_what_an_interrupted_apply_may_have_to_bring_back(kept):
    declare_again(kept)
    kept.redd("apply").ok()
    kept.undefine("db")
    kept.redd("apply").ok()
    [name] = trash()
    interrupted(4)
    os.rename(STATE + "/trash/" + name, STATE + "/persist/db")
    kept.redd("gc", "--keep=1").ok()
    assert trash() == [] and sorted(os.listdir(STATE + "/persist")) == ["db", "web"]
    kept.redd("apply").ok()
    assert len(trash()) == 1 and os.listdir(STATE + "/persist") == ["web"]


def forget(clean, *names):
    """They were declared once, and kept nothing."""
    for name in names:
        clean.define(name, "dir:" + clean.tree("base"), install=False)
    clean.redd("apply").ok()
    for name in names:
        clean.undefine(name)
    clean.redd("apply").ok()


def test_what_is_of_no_machine_that_was_declared_stays(kept):
    """Somebody may start one from a file of his, or has put a copy back."""
    for name in ("hand", "db"):
        os.makedirs(STATE + "/persist/%s/srv" % name)
    date("db", time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() - 3600)))
    kept.redd("gc", "--keep=1").ok()
    assert sorted(os.listdir(STATE + "/persist")) == ["hand", "web"] and [name.split("@")[0] for name in trash()] == ["db", "db"]
    os.mkdir(STATE + "/persist/db")
    declare_again(kept)
    kept.redd("apply").ok()
    kept.redd("gc").ok()
    assert os.path.isdir(STATE + "/persist/hand/srv")


def test_what_is_on_a_disk_of_its_own_stays_there(clean):
    clean.define("web", "dir:" + clean.tree("base"), "Persist=/var/log")
    forget(clean, "lost", "mounted", "part")
    disks = [STATE + "/persist/" + name for name in ("mounted", "part/var-lib/db")]
    for path in (STATE + "/persist/lost", *disks):
        os.makedirs(path)
    for path in disks:
        sandbox.mount("tmpfs", path, "tmpfs", 0, "mode=0700")
    try:
        said = clean.redd("gc").ok().err
        assert "What machine 'mounted' kept stays" in said and "What machine 'part' kept stays" in said
        assert sorted(os.listdir(STATE + "/persist")) == ["mounted", "part", "web"] and [name.split("@")[0] for name in trash()] == ["lost"]
        assert os.path.ismount(disks[0]) and os.path.ismount(disks[1])
    finally:
        for path in disks:
            sandbox.umount(path)
    clean.redd("apply").ok()
    assert [name.split("@")[0] for name in trash()] == ["lost", "mounted", "part"]


def test_what_cannot_be_removed_does_not_keep_gc_from_the_rest(kept):
    place = STATE + "/trash/a@20200101T000000Z"
    for path in (place + "/srv", place.replace("a@", "b@")):
        os.makedirs(path)
    sandbox.mount("tmpfs", place + "/srv", "tmpfs", 0, "mode=0700")
    with open(place + "/srv/data", "w"):
        pass
    try:
        assert "cannot remove '%s'" % place in kept.redd("gc").ok().err
        assert os.listdir(place + "/srv") == ["data"] and [name.split("@")[0] for name in trash()] == ["a", "db"]
    finally:
        sandbox.umount(place + "/srv")
    kept.redd("gc").ok()
    assert [name.split("@")[0] for name in trash()] == ["db"]


def test_nothing_goes_that_runs(kept):
    """Somebody has started it by hand."""
    declare_again(kept)
    forget(kept, "lost")
    kept.undefine("db")
    # what is declared no more stops, but not this one
    shutil.copytree(kept.tree("hand"), "/var/lib/machines/lost")
    os.makedirs(STATE + "/persist/lost/srv")
    kept.machinectl("start", "lost").ok()
    try:
        kept.redd("apply").ok()
        assert sorted(os.listdir(STATE + "/persist")) == ["lost", "web"] and [name.split("@")[0] for name in trash()] == ["db"]
    finally:
        kept.machinectl("stop", "lost").ok()
        shutil.rmtree("/var/lib/machines/lost")
    kept.redd("gc").ok()
    assert os.listdir(STATE + "/persist") == ["web"] and [name.split("@")[0] for name in trash()] == ["db", "lost"]


def test_plan_says_how_much_another_root_drops(clean):
    one, two = clean.tree("one", files={"etc/version": "1\n"}), clean.tree("two", files={"etc/version": "2\n"})
    clean.define("web", "dir:" + one, "Persist=/var/log")
    clean.redd("apply").ok()
    clean.define("web", "dir:" + two, "Persist=/var/log")
    assert "keeps /var/log" in clean.redd("plan").out
    clean.inside("web", "sh", "-c", "rm /etc/version; head -c 65536 /dev/urandom >/root/state; echo kept >/var/log/kept")
    plan = clean.redd("plan").out
    found = re.search(r"keeps /var/log, drops (\d+) files \((\S+)K\)", plan)
    assert int(found.group(1)) >= 2 and 64 <= float(found.group(2)) < 200
    assert found.group(0) in json.loads(clean.redd("plan", "--json=short").out)["changes"][0]["note"]
    # and so do those that do it, whether they ask or not
    assert clean.redd("apply").ok().out == plan
    assert clean.inside("web", "cat", "/etc/version", "/var/log/kept") == "2\nkept"
    clean.inside("web", "sh", "-c", "rm /etc/version; echo more >/root/state")
    one = asked(clean, "rollback")
    one.expect(r"(?s)keeps /var/log, drops \d+ files \(.*\[y/N\] ")
    answered(one, "n", 1)
    assert "drops" not in clean.redd("diff", "1", "2").out
    assert re.search(r"keeps /var/log, drops \d+ files \(", clean.redd("rollback").ok().out)


def test_a_snapshot_of_what_is_declared_comes_after_it(clean):
    clean.define("a", "dir:" + clean.tree("base"))
    clean.define("b", "snapshot:a")
    clean.redd("apply").failed("cannot find the image 'a'", "try 'redd apply --only=a'")
    clean.redd("apply", "--only=a").ok()
    clean.inside("a", "touch", "/etc/mine")
    clean.redd("apply").ok()
    assert clean.running() == ["a", "b"] and clean.inside("b", "ls", "/etc/mine") == "/etc/mine"


@pytest.mark.parametrize("root", ["overlay", "copy"])
def test_what_is_kept_later_is_what_the_machine_has_by_then(clean, root):
    """Up to its end, also where the image becomes another one at the same time; and nothing is taken twice."""
    last = "trap 'echo last >/var/lib/db/last; exit 0' TERM INT USR1 USR2 37"
    one, two = (clean.tree(name, last + "\nwhile :; do sleep 100000 & wait $!; done", files={"var/lib/db/of": name, "srv/of": name}) for name in ("one", "two"))
    clean.define("web", "dir:" + one, "Root=" + root)
    clean.redd("apply").ok()
    clean.inside("web", "sh", "-c", "echo precious >/var/lib/db/data; rm /var/lib/db/of; echo more >/srv/data")
    clean.define("web", "dir:" + one, "Root=" + root, "Persist=/var/lib/db")
    assert "what is there now is taken along" in clean.redd("plan").out
    clean.redd("apply").ok()
    assert clean.inside("web", "sh", "-c", "cd /var/lib/db; echo *; cat data") == "data last\nprecious"
    clean.inside("web", "sh", "-c", "echo newer >/var/lib/db/data")
    clean.define("web", "dir:" + two, "Root=" + root, "Persist=/var/lib/db /srv")
    clean.redd("apply").ok()
    assert clean.inside("web", "cat", "/var/lib/db/data", "/srv/data", "/srv/of") == "newer\nmore\none"
    clean.machinectl("stop", "web").ok()
    clean.define("web", "dir:" + two, "Root=" + root, "Persist=/var/lib/db /srv /root")
    with open(STATE + "/persist/web/srv/data", "w") as file:
        file.write("by hand\n")
    clean.redd("apply").ok()
    assert clean.inside("web", "cat", "/srv/data") == "by hand"
    assert sorted(os.listdir(STATE + "/persist/web")) == ["root", "srv", "var-lib-db"]


def test_what_is_kept_later_of_a_machine_that_does_not_run(clean):
    tree = clean.tree("base", files={"srv/of": "image"})
    clean.define("web", "dir:" + tree, install=False)
    clean.redd("apply").ok()
    clean.machinectl("start", "web").ok()
    clean.inside("web", "sh", "-c", "echo precious >/srv/data")
    clean.machinectl("stop", "web").ok()
    clean.define("web", "dir:" + tree, "Persist=/srv", install=False)
    clean.redd("apply").ok()
    assert clean.running() == []
    clean.machinectl("start", "web").ok()
    assert clean.inside("web", "cat", "/srv/data") == "precious"
    # What was kept once is not mixed with what came later, which counts.
    clean.define("web", "dir:" + tree, install=False)
    clean.redd("apply").ok()
    clean.inside("web", "sh", "-c", "echo later >/srv/data")
    clean.define("web", "dir:" + tree, "Persist=/srv", install=False)
    assert "'/srv' of machine 'web' is taken along" in clean.redd("apply").ok().err
    assert clean.inside("web", "cat", "/srv/data") == "later"
    with open(STATE + "/persist/web/srv~1/data") as file:
        assert file.read() == "precious\n"


def test_what_is_kept_later_is_taken_by_the_next_one_if_one_is_killed(clean):
    """Whatever of it was prepared by then."""
    tree = clean.tree("base", files={"srv/of": "image"})
    room, kills = STATE + "/persist/web", 0
    for call in ("symlinkat", "mkdirat", "syncfs", "renameat2"):
        step, killed = 0, True
        while killed:
            step += 1
            clean.clear()
            clean.define("web", "dir:" + tree)
            clean.redd("apply").ok()
            clean.inside("web", "sh", "-c", "echo precious >/srv/data")
            clean.define("web", "dir:" + tree, "Persist=/srv")
            killed = clean.redd("apply", prefix=["strace", "-qq", "-o", "/dev/null", "--inject=%s:signal=KILL:when=%d" % (call, step)]).code != 0
            clean.redd("apply").ok()
            assert clean.running() == ["web"] and clean.inside("web", "cat", "/srv/data") == "precious", (call, step)
            assert os.listdir(room) == ["srv"]
        kills += step - 1
    assert kills > 3


def test_it_does_not_go_back_beside_what_is_still_being_done(clean, place):
    """Who cannot ask which of them has ended waits for one after the other."""
    tree, log = clean.tree("base"), place + "/log"

    def apply(hostname, *faults):
        for name in ("db", "web"):
            clean.define(name, "dir:" + tree, exec_=["Hostname=" + hostname])
        done = clean.redd("apply", prefix=["strace", "-qq", "-o", log, "-e", "trace=poll", *faults])
        with open(log) as file:
            return done, [line for line in file if line.startswith("poll(")]
    apply("one")[0].ok()
    _, polls = apply("two")
    # That of both, which restart together.
    when = 1 + next(i for i, line in enumerate(polls) if "], 2, -1)" in line)
    done, polls = apply("three", "-e", "inject=poll:error=ENOMEM:when=%d" % when)
    assert "], 2, -1)" in polls[when - 1] and "INJECTED" in polls[when - 1], polls
    done.ok()
    assert clean.running() == ["db", "web"] and [clean.inside(name, "hostname") for name in ("db", "web")] == ["three"] * 2
    assert clean.redd("plan").ok().out.endswith("Nothing to do.\n")


def test_a_note_that_cannot_be_read_may_say_that_it_has_to_start(clean):
    owed = "/run/redd/restarting"
    clean.define("web", "dir:" + clean.tree("base"), install=False)
    clean.redd("apply").ok()
    os.makedirs(owed, exist_ok=True)
    open(owed + "/web", "w").close()
    blind = ["strace", "-qq", "-o", "/dev/null", "-P", owed, "-e", "inject=faccessat,faccessat2:error=EIO"]
    clean.redd("apply", prefix=blind).failed("cannot learn whether machine 'web' has to start again", code=1)
    assert clean.running() == []
    clean.redd("apply").ok()
    assert clean.running() == ["web"]


def test_a_note_that_cannot_be_read_may_say_what_it_runs_from(clean):
    """An apply died in the middle of a live change. Nobody takes what runs for what it was started as, whatever the note says."""
    marks = RUNTIME + "/applied"
    clean.define("web", "dir:" + clean.tree("base"), "[X-Service] TasksMax=100")
    clean.redd("apply").ok()
    clean.define("web", "dir:" + clean.tree("base"), "[X-Service] TasksMax=200")
    clean.redd("apply").ok()
    leader = clean.leader("web")
    blind = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", marks, "-e", "inject=openat:error=EIO"]
    assert os.path.exists(marks + "/web")
    for words in (["apply"], ["drift"], ["gc", "--keep=1"]):
        clean.redd(*words, prefix=blind).failed("cannot read in '%s' what machine 'web' is" % marks)
    done = clean.redd("plan", prefix=blind)
    assert done.code == 1 and "Nothing to do" not in done.out, done
    assert "cannot read in '%s' what machine 'web' is" % marks in done.err
    assert clean.leader("web") == leader and sorted(os.listdir(STATE + "/generations"))[-2:] == ["1", "2"]
    clean.redd("plan").ok()


def test_plan_tells_what_it_can_without_an_image_that_is_gone(clean):
    tree = clean.tree("base")
    clean.define("web", "dir:" + tree, "Update=digest")
    clean.redd("apply").ok()
    os.rename(tree, tree + ".away")
    done = clean.redd("plan").failed("cannot look at the image of machine 'web'")
    assert done.out == ""
    clean.define("web", "dir:/nowhere", "Update=digest")
    done = clean.redd("plan").failed("cannot look at the image of machine 'web'", code=2)
    assert re.match("web +recreate +image ", done.out)
    shutil.rmtree(tree + ".away")


def test_a_generation_that_cannot_be_read_stops_nothing(clean):
    """It is what machines should be: as good as none, all would have to stop."""
    tree, log = clean.tree("base"), clean.root + "/log"

    def reads(*faults):
        clean.clear()
        clean.define("web", "dir:" + tree)
        clean.redd("apply").ok()
        leader = clean.leader("web")
        clean.redd("apply", prefix=["strace", "-qq", "-o", log, "-P", STATE + "/generations/1", "-e", "trace=openat", *faults])
        assert clean.running() == ["web"] and clean.leader("web") == leader and sorted(os.listdir(STATE + "/generations")) == [".lock", "1"], faults
        with open(log) as file:
            return sum("openat(" in line for line in file)
    count = reads()
    assert count > 4
    for number in range(1, count + 1):
        reads("-e", "inject=openat:error=EMFILE:when=%d" % number)


def test_what_is_kept_later_is_not_lost_where_its_mark_cannot_be_read(clean):
    tree = clean.tree("base", files={"srv/of": "image"})
    clean.define("web", "dir:" + tree)
    clean.redd("apply").ok()
    clean.inside("web", "sh", "-c", "echo precious >/srv/data")
    clean.machinectl("stop", "web").ok()
    clean.define("web", "dir:" + tree, "Persist=/srv")
    room = STATE + "/persist/web"
    blind = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", room, "-e", "inject=readlinkat:error=EIO"]
    clean.redd("apply", prefix=blind).failed("Input/output error", code=1)
    assert clean.current() == 1
    clean.redd("apply", "--no-start").ok()
    assert os.path.islink(room + "/.from.srv")
    # Of the start alone: the mark was made.
    clean.run("machinectl", "start", "web", prefix=blind).failed("Input/output error")
    assert os.path.islink(room + "/.from.srv")
    clean.redd("gc", prefix=blind).failed("Input/output error")
    clean.machinectl("start", "web").ok()
    assert clean.inside("web", "cat", "/srv/data") == "precious"


def test_what_is_kept_later_of_a_root_that_is_forgotten(clean):
    tree = clean.tree("base", files={"srv/of": "image"})
    clean.define("web", "dir:" + tree, "Root=ephemeral")
    clean.redd("apply").ok()
    clean.define("web", "dir:" + tree, "Root=ephemeral", "Persist=/srv")
    assert "begins as the image has it" in clean.redd("plan").out
    clean.redd("apply").ok()
    assert clean.inside("web", "ls", "/srv") == "of"


def test_a_machine_that_is_not_healthy_takes_all_back(clean):
    """N23."""
    good, ill = clean.tree("good", files={"etc/works": "", "etc/version": "1\n"}), clean.tree("ill", files={"etc/version": "2\n"})
    health = ["[X-Health] Command=/bin/test -e /etc/works", "[X-Health] Interval=100ms", "[X-Health] Retries=2", "[X-Health] Timeout=5s"]
    clean.define("web", "dir:" + good, *health)
    clean.redd("apply").ok()
    clean.define("web", "dir:" + ill, *health)
    clean.redd("apply").failed("it is not healthy", "generation 1 is current again", code=3)
    assert clean.current() == 1 and clean.inside("web", "cat", "/etc/version") == "1"
    clean.redd("generations", "--json=short").ok()


def test_what_works_stays_if_its_end_cannot_be_noted(clean):
    tree = clean.tree("base")
    clean.define("web", "dir:" + tree, exec_=["Hostname=one"])
    clean.redd("apply").ok()
    clean.define("web", "dir:" + tree, exec_=["Hostname=two"])
    full = ["strace", "-qq", "-o", "/dev/null", "-P", STATE + "/generations/2/log", "--inject=write:error=ENOSPC"]
    done = clean.redd("apply", prefix=full).ok()
    assert "No space left" in done.err and clean.current() == 2 and clean.inside("web", "hostname") == "two"
    assert "open" in clean.redd("generations").ok().out
    clean.redd("apply").ok()
    assert clean.current() == 2 and clean.redd("generations").ok().out.count("done") == 2


def test_what_makes_it_healthy_is_what_was_applied_last(clean):
    tree = clean.tree("base")
    clean.define("web", "dir:" + tree)
    clean.redd("apply").ok()
    health = ["[X-Health] Command=/bin/test -e /etc/works", "[X-Health] Interval=100ms", "[X-Health] Retries=1"]
    clean.define("web", "dir:" + tree, *health, "[X-Reload] Strategy=none")
    clean.redd("apply").ok()
    assert "pending: web" in clean.redd("plan").out and "[X-Health] Command" in clean.redd("drift").out
    clean.define("web", "dir:" + tree, *health)
    clean.redd("apply").failed("it is not healthy", code=3)
    clean.define("web", "dir:" + tree, "[X-Health] Command=true", "[X-Health] Interval=100ms")
    clean.redd("apply").ok()
    assert clean.machinectl("show", "web", "--property=Health", "--value").ok().out == "healthy\n"


def test_whether_it_is_started_again_is_what_was_applied_last(clean):
    tree = clean.tree("base")
    for policy in ("no", "always"):
        clean.define("web", "dir:" + tree, "[X-Service] Restart=" + policy, "[X-Service] RestartSec=10ms")
        clean.redd("apply").ok()
    leader = clean.leader("web")
    os.kill(int(leader), signal.SIGKILL)
    runner.until(lambda: clean.running() == ["web"] and clean.machinectl("show", "web", "--property=Leader", "--value").out.strip() not in ("", "0", leader))
    clean.define("web", "dir:" + tree, "[X-Service] Restart=no")
    assert "none" in clean.redd("plan").out
    clean.redd("apply").ok()
    os.kill(int(clean.leader("web")), signal.SIGKILL)
    runner.until(lambda: not os.path.exists(RUNTIME + "/detached/web"))
    assert clean.running() == []


def test_at_boot_who_needs_a_machine_waits_until_it_works(clean):
    """With OnFailure=stop, one that never works is a start that failed, and so is that of whoever needs it."""
    tree = clean.tree("base")
    check = ["[X-Health] Command=/bin/sh -c 'echo >>/var/log/tries; test -e /var/log/works'", "[X-Health] Interval=100ms", "[X-Health] StartPeriod=1min"]
    clean.define("db", "dir:" + tree, "Persist=/var/log", *check)
    clean.define("web", "dir:" + tree, "[X-Unit] Requires=db.nspawn", "[X-Unit] After=db.nspawn")
    clean.redd("apply", "--no-start").ok()
    tries = STATE + "/persist/db/var-log/tries"

    def start(works, *more):
        boot = clean.begin("machinectl", "-q", "start", "--all")
        runner.until(lambda: os.path.exists(tries) and len(open(tries).readlines()) >= 3)
        assert clean.running() == ["db"] and clean.machinectl("show", "db", "--property=Health", "--value").ok().out == "starting\n"
        assert boot.poll() is None
        if works:
            clean.inside("db", "touch", "/var/log/works")
        boot.communicate(timeout=60)
        return boot.returncode
    assert start(True) == 0 and clean.running() == ["db", "web"]
    clean.machinectl("stop", "db", "web").ok()
    for name in ("tries", "works"):
        os.unlink(os.path.join(os.path.dirname(tries), name))
    clean.define("db", "dir:" + tree, "Persist=/var/log", *check[:2], "[X-Health] StartPeriod=6s", "[X-Health] Retries=1", "[X-Health] OnFailure=stop")
    clean.redd("apply", "--no-start").ok()
    assert start(False) == 1 and clean.running() == []


def test_what_ran_without_wanted_by_runs_again_after_what_failed(clean):
    good, bad = clean.tree("good"), clean.tree("bad")
    os.unlink(bad + "/usr/sbin/init")
    for name in ("changed", "removed", "off"):
        clean.define(name, "dir:" + good, install=False, exec_=["Hostname=one"])
    clean.redd("apply").ok()
    clean.machinectl("start", "changed", "removed").ok()
    clean.undefine("removed")
    clean.define("changed", "dir:" + bad, install=False, exec_=["Hostname=two"])
    clean.redd("apply").failed("generation 1 is current again", code=3)
    assert clean.running() == ["changed", "removed"] and clean.inside("changed", "hostname") == "one"
    # And what is stopped in between is started by the next one that can.
    clean.redd("apply", "--keep-going").failed(code=1)
    assert clean.running() == []
    clean.define("changed", "dir:" + good, install=False, exec_=["Hostname=three"])
    clean.redd("apply").ok()
    assert clean.running() == ["changed"] and clean.inside("changed", "hostname") == "three"
    clean.machinectl("stop", "changed").ok()
    clean.redd("apply").ok()
    assert clean.running() == []


@pytest.mark.parametrize("how", ["stopped", "removed"])
def test_what_could_not_start_again_is_not_owed_for_ever(clean, how):
    """Somebody has said since that it is not to run."""
    good, bad = clean.tree("good"), clean.tree("bad")
    os.unlink(bad + "/usr/sbin/init")
    clean.define("web", "dir:" + good)
    clean.redd("apply").ok()
    clean.define("web", "dir:" + bad)
    clean.redd("apply", "--keep-going").failed(code=1)
    assert clean.running() == []
    if how == "stopped":
        clean.machinectl("stop", "web")
    else:
        clean.undefine("web")
        clean.redd("apply").ok()
    clean.define("web", "dir:" + good)
    clean.redd("apply", "--no-start").ok()
    assert clean.running() == []
    clean.redd("apply").ok()
    assert clean.running() == ["web"]


@pytest.mark.parametrize("back", [False, True])
def test_two_machines_exchange_what_only_one_can_have(clean, back):
    """Addresses, and ports of the host: both stop before one takes what the other one had, also where one waits for the other."""
    tree, bad = clean.tree("base"), clean.tree("bad")
    os.unlink(bad + "/usr/sbin/init")
    have = [("10.233.7.2", "10.233.7.1", "8081"), ("10.233.7.6", "10.233.7.5", "8082")]

    def define(name, address, gateway, port, source=tree):
        clean.define(name, "dir:" + source, "[Network] VirtualEthernet=yes", "[Network] Port=tcp:%s:80" % port,
                     "[X-Network] Address=" + address, "[X-Network] HostAddress=" + gateway,
                     *(["[X-Unit] After=a.nspawn"] if name == "b" else []))

    def found():
        for name in "ab":
            with open("/var/log/redd/%s.log" % name) as log:
                assert "going on without" not in log.read()
        return [re.search(r"inet (10\.[0-9.]+)", clean.inside(name, "ip", "-4", "address", "show", "host0")).group(1) for name in "ab"]
    first, second = have[0][0], have[1][0]
    define("a", *have[0])
    define("b", *have[1])
    clean.redd("apply").ok()
    assert found() == [first, second]
    define("a", *have[1])
    define("b", *have[0], bad if back else tree)
    if back:
        clean.redd("apply").failed("generation 1 is current again", code=3)
    else:
        clean.redd("apply").ok()
        assert found() == [second, first]
        clean.redd("rollback").ok()
    assert found() == [first, second]


def test_names_change_while_it_runs(clean):
    """Also from one machine to another, and back; nobody restarts for that."""
    tree = clean.tree("base")

    def define(name, *names):
        clean.define(name, "dir:" + tree, "[Network] Zone=names", *["[X-Network] Names=" + each for each in names])

    def claims():
        place = os.path.join(RUNTIME, "hosts")
        return {name[1:]: os.readlink(os.path.join(place, name)).split("/")[1] for name in os.listdir(place) if name.startswith("=")}

    def address(name):
        return re.search(r"inet (10\.[0-9.]+)", clean.inside(name, "ip", "-4", "address", "show", "host0")).group(1)

    def found(name):
        inside = network.Net("/proc/%s/ns/net" % clean.leader("db"))
        try:
            gateway = inside.ip("-4", "route", "show", "default").split()[2]
            return dns.ask(inside, gateway, name).addresses
        finally:
            inside.close()

    define("web", "www")
    define("db")
    clean.redd("apply").ok()
    assert claims() == {"www": "web"} and found("www") == [address("web")]
    leaders = [clean.leader(name) for name in ("web", "db")]
    define("web", "shop")
    define("db", "www", "mail")
    assert [line.split()[:3] for line in clean.redd("plan").failed("", code=2).lines if "names" in line][0] == ["db", "live", "names"]
    clean.redd("apply").ok()
    assert claims() == {"shop": "web", "www": "db", "mail": "db"}
    assert found("www") == [address("db")] and found("shop.machine") == [address("web")]
    clean.redd("plan").ok()
    clean.redd("rollback").ok()
    assert claims() == {"www": "web"} and found("www") == [address("web")]
    assert leaders == [clean.leader(name) for name in ("web", "db")]
    clean.machinectl("stop", "web").ok()
    assert claims() == {}


def test_a_condition_that_is_not_met_is_no_failure(clean):
    tree, flag = clean.tree("base"), clean.root + "/flag"
    clean.define("web", "dir:" + tree, "[X-Unit] ConditionPathExists=" + flag)
    clean.define("db", "dir:" + tree)
    done = clean.redd("apply").ok()
    assert "web: skipped" in done.err and flag in done.err
    assert clean.current() == 1 and clean.running() == ["db"]
    rows = [row for row in json.loads(clean.redd("drift", "--json=short").out) if row["what"] == "state"]
    assert [(row["machine"], row["running"]) for row in rows] == [("web", "stopped")]
    with open(flag, "w"):
        pass
    clean.redd("apply").ok()
    assert clean.running() == ["db", "web"]
    clean.redd("drift").ok()


def interrupted(number):
    """As if it had been killed after the switch, whatever it did."""
    path = STATE + "/generations/%d/log" % number
    with open(path) as log:
        first = log.readline()
    with open(path, "w") as log:
        log.write(first)


def results(host):
    return {row["generation"]: row["result"] for row in json.loads(host.redd("generations", "--json=short").ok().out)}


def needs(host, tree, name, version):
    """It starts while there is a directory of this name."""
    os.makedirs(host.root + "/needed", exist_ok=True)
    host.define(name, "dir:" + tree, "[Files] Bind=%s/needed:/srv/needed" % host.root, exec_=["Hostname=" + version])
    return host.root + "/needed"


def test_what_was_interrupted_is_done_when_all_of_it_is(clean):
    """Somebody goes on with one machine alone: of the others there is still a way back."""
    tree = clean.tree("base")
    for number in ("one", "two"):
        clean.define("web", "dir:" + tree, exec_=["Hostname=" + number])
        share = needs(clean, tree, "db", number)
        clean.define("off", "dir:" + tree, "[X-Service] Restart=no")
        clean.redd("apply", *(["--no-start"] if number == "two" else [])).ok()
        if number == "one":
            clean.machinectl("stop", "web", "db", "off").ok()
    interrupted(2)
    clean.redd("apply", "--only=web").ok()
    assert clean.running() == ["web"] and results(clean) == {1: "done", 2: "open"}
    os.rmdir(share)
    clean.redd("apply").failed("cannot find", code=4)
    os.mkdir(share)
    clean.redd("apply").ok()
    interrupted(3)
    # of what was not changed by it somebody may think otherwise
    clean.machinectl("stop", "off").ok()
    clean.redd("apply", "--only=web").ok()
    assert results(clean)[3] == "done"


def test_what_was_done_is_never_rolled_back(clean):
    """Neither an apply that starts what ended, nor one that cannot, makes it an interrupted one."""
    tree = clean.tree("base")
    needs(clean, tree, "web", "one")
    clean.redd("apply").ok()
    share = needs(clean, tree, "web", "two")
    clean.redd("apply").ok()
    clean.machinectl("stop", "web").ok()
    clean.redd("apply").ok()
    assert clean.running() == ["web"] and results(clean) == {1: "done", 2: "done"}
    clean.machinectl("stop", "web").ok()
    os.rmdir(share)
    clean.redd("apply").failed(code=1)
    assert clean.current() == 2 and clean.running() == [] and results(clean)[2] == "failed"
    os.mkdir(share)
    clean.redd("apply").ok()
    assert clean.inside("web", "hostname") == "two" and results(clean) == {1: "done", 2: "done"}


def test_without_the_one_before_there_is_no_way_back_but_what_is_current_stays(clean):
    tree = clean.tree("base")
    needs(clean, tree, "web", "one")
    clean.redd("apply").ok()
    share = needs(clean, tree, "web", "two")
    clean.redd("apply").ok()
    clean.machinectl("stop", "web").ok()
    interrupted(2)
    clean.redd("gc", "--keep=1").ok()
    assert sorted(results(clean)) == [1, 2]
    with open(STATE + "/generations/1/images.lock", "a") as lock:
        lock.write("nonsense\n")
    clean.redd("apply").failed("cannot read 'images.lock' of generation 1", "'redd gc' removes it", code=1)
    assert clean.current() == 2 and clean.running() == []
    clean.redd("gc").ok()
    assert sorted(results(clean)) == [2]
    os.rmdir(share)
    clean.redd("apply").failed(code=1)
    assert clean.current() == 2 and results(clean) == {2: "failed"}
    os.mkdir(share)
    clean.redd("apply").ok()
    assert clean.running() == ["web"] and results(clean) == {2: "done"}


def test_what_starts_at_boot_is_right_after_an_interrupted_one(clean):
    tree = clean.tree("base")
    for name in ("db", "goes"):
        clean.define(name, "dir:" + tree)
    clean.redd("apply").ok()
    clean.undefine("goes")
    clean.define("web", "dir:" + tree)
    clean.redd("apply").ok()
    interrupted(2)
    os.unlink("/etc/redd/enabled/web")
    with open("/etc/redd/enabled/goes", "w"):
        pass
    clean.define("db", "dir:" + tree, exec_=["Hostname=other"])
    clean.redd("apply").ok()
    assert clean.current() == 3 and sorted(os.listdir("/etc/redd/enabled")) == ["db", "web"]
    # What somebody wants by hand stays.
    clean.machinectl("disable", "db").ok()
    clean.redd("apply").ok()
    assert os.listdir("/etc/redd/enabled") == ["web"]


@pytest.mark.parametrize("how", ["link", "lock", "gone"])
def test_what_is_current_is_damaged_and_one_goes_back_to_another(clean, how):
    tree = clean.tree("base")
    for host in ("one", "two"):
        clean.define("web", "dir:" + tree, exec_=["Hostname=" + host])
        clean.redd("apply").ok()
    if how == "link":
        os.unlink(STATE + "/current")
        os.symlink("elsewhere", STATE + "/current")
    elif how == "lock":
        with open(STATE + "/generations/2/images.lock", "w") as lock:
            lock.write("nonsense\n")
    else:
        subprocess.run(["rm", "-r", STATE + "/generations/2"], check=True)
    clean.redd("rollback").failed("cannot", "'redd apply' makes the next one")
    clean.redd("gc").failed("cannot", "'redd apply' makes the next one")
    assert results(clean)[1] == "done" and results(clean).get(2) == {"link": "done", "lock": "damaged", "gone": None}[how]
    clean.redd("rollback", "1", "--only=web").failed("what the others are is not known")
    clean.redd("apply", "--only=web").failed("what the others are is not known")
    clean.redd("rollback", "1").ok()
    assert clean.current() > 1 and clean.inside("web", "hostname") == "one"
    clean.define("web", "dir:" + tree, exec_=["Hostname=one"])
    clean.redd("apply").ok()
    assert results(clean)[clean.current()] == "done"


@pytest.mark.parametrize("part", ["images.lock", "log", "files"])
def test_the_only_generation_is_damaged_and_the_next_one_is_whole(clean, part):
    clean.define("web", "dir:" + clean.tree("base"))
    clean.redd("apply").ok()
    leader = clean.leader("web")
    path = os.path.join(STATE, "generations/1", part)
    if part == "files":
        subprocess.run(["rm", "-r", path], check=True)
    else:
        with open(path, "w") as file:
            file.write("nonsense\n")
    planned = clean.redd("plan").failed(code=2)
    assert "Generation 1 is damaged: apply makes the next one." in planned.out and "Nothing to do" not in planned.out
    assert json.loads(clean.redd("plan", "--json=short").failed(code=2).out)["damaged"] == 1
    assert results(clean) == {1: "damaged"}
    clean.redd("apply").ok()
    assert clean.current() == 2 and clean.running() == ["web"] and results(clean) == {1: "damaged", 2: "done"}
    clean.redd("plan").ok()
    # Nobody goes back to it; what runs from it is left alone.
    done = clean.redd("gc").ok()
    assert "of generation 1" in done.err and results(clean).get(1) == ("damaged" if clean.leader("web") == leader else None)


def test_gc_removes_what_is_damaged_and_not_current(clean):
    tree = clean.tree("base")
    for host in ("one", "two"):
        clean.define("web", "dir:" + tree, exec_=["Hostname=" + host])
        clean.redd("apply").ok()
    with open(STATE + "/generations/1/images.lock", "w") as file:
        file.write("nonsense\n")
    # it might have had that
    os.makedirs(STATE + "/persist/hand/srv")
    assert "of generation 1" in clean.redd("gc").ok().err
    assert results(clean) == {2: "done"} and clean.running() == ["web"]


def test_the_demo_of_the_readme(clean, place):
    tree = clean.tree("base")
    quickstart = "/var/cache/redd-quickstart/bookworm"
    made = [path for path in (quickstart, os.path.dirname(quickstart)) if not os.path.exists(path)]
    os.makedirs(quickstart, exist_ok=True)
    sandbox.mount(tree, quickstart, None, sandbox.MS_BIND)
    said = {}
    try:
        for command in declared.demo():
            done = subprocess.run(["/bin/sh", "-ec", command], cwd=place, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                                  env={"PATH": clean.programs + ":/usr/sbin:/usr/bin:/sbin:/bin"}, timeout=120)
            name = command.split("#")[0].strip()
            assert done.returncode == declared.DEMO_STATUS.get(name, 0), (command, done)
            if name == "redd apply --yes demo":
                said[name + str(name in said)] = clean.leader("db"), clean.leader("web"), clean.inside("web", "hostname")
            said.setdefault(name, done.stdout)
        first, second = said["redd apply --yes demoFalse"], said["redd apply --yes demoTrue"]
        assert second[0] == first[0] and second[1] != first[1] and second[2] == "shop"
        assert re.search("restart +hostname", said["redd plan demo"]) and re.search("live +tasks max", said["redd plan demo"])
        assert clean.current() == 3 and clean.running() == ["db", "dns", "web"] and clean.inside("web", "hostname") == "web"
        assert clean.leader("db") == first[0]
    finally:
        clean.machinectl("-q", "stop", "--all")
        sandbox.umount(quickstart)
        for path in made:
            os.rmdir(path)
