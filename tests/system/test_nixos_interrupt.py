"""nixos-container and redd-nixos while nix works: asked to end, killed, and what the next command finds."""
import os
import shutil
import signal

import pytest

from support import machines, nix, runner
from support.nixhost import host, machines_host, tool  # noqa: F401

PLACES = [os.path.join(nix.CONF, "web.conf"), os.path.join(nix.CONF, "web.nix"), os.path.join(nix.STATE, "web"), os.path.join(nix.PROFILES, "web"),
          os.path.join(nix.GCROOTS, "web"), os.path.join(nix.COMPANIONS, "web.nspawn"), os.path.join(nix.PROFILES, ".#web")]
CONF, CONFIGURATION, TREE, PROFILE, GCROOTS = PLACES[:5]


@pytest.fixture(autouse=True)
def nothing_of_before(tool):
    yield
    for path in PLACES:
        shutil.rmtree(path) if os.path.isdir(path) else os.path.lexists(path) and os.unlink(path)


def left():
    return [path for path in PLACES if os.path.lexists(path)] + [name for name in os.listdir(nix.STATE) if name.startswith(".#")]


def arguments(pid):
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as file:
            return file.read().decode(errors="replace").split("\0")
    except OSError:
        return []


def nix_processes():
    """Of nix, and of what it builds with."""
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
            if any(os.path.basename(word) in ("nix", "nix-env", "nix-build") for word in arguments(pid)[:1])
            or any("busybox-static" in word for word in arguments(pid))]


class Building:
    """A command whose nix builds a system until somebody ends it."""

    def __init__(self, tool, host, place, *words):
        flake = shutil.copytree(host.flake(container="never"), os.path.join(place, "flake"), dirs_exist_ok=True)
        with open(os.path.join(flake, "sys.nix"), "w") as file:
            file.write(nix.EXPRESSION.replace("mkdir -p $out/etc", "touch %s/building; sleep 100000; mkdir -p $out/etc" % place))
        mark = os.path.join(place, "building")
        if os.path.exists(mark):
            os.unlink(mark)
        # a session of its own: what it sends to its children is all that they get
        self.process = tool.start(*words, *(["--flake", flake] if words[0] != "start" else []), start_new_session=True)
        runner.until(lambda: os.path.exists(mark))

    def end(self, number):
        os.kill(self.process.pid, number)
        said = self.process.communicate(timeout=30)
        return self.process.returncode, said[1]


def there_before():
    """Files of somebody's, and a profile that a container of this name once had."""
    for path in (TREE, PROFILE, GCROOTS):
        os.makedirs(path)
        open(os.path.join(path, "precious"), "w").close()
    with open(CONFIGURATION, "w") as file:
        file.write("precious\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_create_that_is_asked_to_end_takes_nix_along(tool, host, place, number):
    code, said = Building(tool, host, place, "create", "web").end(number)
    assert code == 1 and "'nix' was ended, as somebody asked for that" in said
    runner.until(lambda: not nix_processes())
    assert left() == []
    assert tool.run("status", "web").failed().out == "gone\n"


@pytest.mark.parametrize("words, says", [(["create", "web"], None), (["start", "web"], "does not exist"), (["destroy", "web"], ""),
                                         (["update", "web"], "does not exist")])
def test_what_a_killed_create_left_is_gone_with_the_next_command(tool, host, place, words, says):
    assert Building(tool, host, place, "create", "web", "--capability=CAP_SYS_TIME").end(signal.SIGKILL)[0] == -signal.SIGKILL
    runner.until(lambda: not nix_processes())
    assert os.path.exists(CONF) and os.path.exists(PLACES[5])
    if says is None:
        done = tool.run(*words, "--system-path", host.system()).ok()
        assert os.path.exists(CONF) and not os.path.exists(PLACES[5])
        # nothing of the kind is said of one that was made
        assert "unfinished" in done.err and "unfinished" not in tool.run("destroy", "web").ok().err
    elif says:
        assert "unfinished 'create web'" in tool.run(*words).failed(says).err
    else:
        tool.run(*words).ok()
    assert left() == []


def test_a_note_that_cannot_be_read_may_say_that_a_create_was_interrupted(tool, host, place):
    Building(tool, host, place, "create", "web").end(signal.SIGKILL)
    runner.until(lambda: not nix_processes())
    locks = "/run/redd/nixos-containers/web"
    blind = tool.with_prefix("strace", "-f", "-qq", "-o", "/dev/null", "-P", locks, "-e", "inject=pread64:error=EIO")
    for words in (["start", "web"], ["create", "web", "--system-path", host.system()], ["destroy", "web"]):
        blind.run(*words).failed("cannot learn whether a 'create web' was interrupted")
        assert os.path.exists(CONF)
    tool.run("destroy", "web").ok()
    assert left() == []


def test_what_cannot_be_looked_at_is_not_taken_back(tool, host, place):
    there_before()
    faults = ["-f", "-qq", "-o", "/dev/null", "-e", "inject=access,faccessat,faccessat2:error=EIO"]
    for path in (TREE, PROFILE, GCROOTS):
        faults += ["-P", path]
    tool.with_prefix("strace", *faults).run("create", "web", "--system-path", "/nowhere").failed("/nowhere")
    for path in (TREE, PROFILE, GCROOTS):
        assert os.path.exists(os.path.join(path, "precious"))


def test_what_fails_is_no_container_that_is_gone(tool, host, place):
    """However it fails: destroy is silent about one that is not there, and about nothing else."""
    tool.run("create", "web", "--system-path", host.system()).ok()
    tool.with_prefix("strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=flock:error=ENOENT").run("destroy", "web").failed("cannot lock")
    assert os.path.exists(CONF)
    applied = "/var/lib/redd/current/files/web.nspawn"
    tool.with_prefix("strace", "-f", "-qq", "-o", "/dev/null", "-P", applied, "-e", "inject=access,faccessat,faccessat2:error=EIO").run(
        "start", "web").failed("cannot look at '%s'" % applied)


@pytest.mark.parametrize("number", [None, signal.SIGTERM, signal.SIGKILL])
def test_what_was_there_before_a_create_stays(tool, host, place, number):
    there_before()
    if number is None:
        tool.run("create", "web", "--system-path", "/nowhere").failed()
    else:
        Building(tool, host, place, "create", "web").end(number)
        runner.until(lambda: not nix_processes())
    tool.run("start", "web").failed("does not exist")
    assert left() == sorted([CONFIGURATION, TREE, PROFILE, GCROOTS], key=PLACES.index)
    for path in (TREE, PROFILE, GCROOTS):
        assert os.path.exists(os.path.join(path, "precious"))
    with open(CONFIGURATION) as file:
        assert file.read() == "precious\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_update_that_ends_early_changes_nothing(tool, host, place, number):
    tool.run("create", "web", "--system-path", host.system()).ok()
    Building(tool, host, place, "update", "web").end(number)
    runner.until(lambda: not nix_processes())
    assert os.path.realpath(os.path.join(PROFILE, "system")) == host.system()
    tool.run("switch", "web", host.system("2")).ok()
    assert os.path.realpath(os.path.join(PROFILE, "system")) == host.system("2")
    tool.run("destroy", "web").ok()
    assert left() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_first_build_ends_with_the_start(tool, host, place, number):
    """Whether the container's own command builds, or the one that services call."""
    os.makedirs(nix.CONF, exist_ok=True)
    with open(CONF, "w") as file:
        file.write("FLAKE=%s\n" % os.path.join(place, "flake"))
    for starter in (tool, machines.tool(tool, "redd-nixos")):
        starter.always = []
        Building(starter, host, place, "start", "web").end(number)
        runner.until(lambda: not nix_processes())
        assert tool.run("status", "web").ok().out == "down\n"
        tool.run("reset", "web").ok()
        assert not os.path.lexists(os.path.join(PROFILE, "system"))


def test_a_supervisor_that_is_told_to_stop_ends_the_build(redd, tool, host, machines_host, place):
    os.makedirs(nix.CONF, exist_ok=True)
    with open(CONF, "w") as file:
        file.write("FLAKE=%s\n" % os.path.join(place, "flake"))
    control = machines.tool(tool, "machinectl")
    control.always = []
    building = Building(control, host, place, "start", "web")
    control.run("stop", "web").ok()
    said = building.process.communicate(timeout=30)[1]
    assert building.process.returncode == 1, said
    runner.until(lambda: not nix_processes())
    assert not os.path.exists("/run/redd/detached/web")
