"""nixos-container with a container that runs: entering it, its status and end, switching its system."""
import os
import shutil
import signal
import subprocess
import time

import pytest

from support import machines, nix, runner, sandbox, trees
from support.nix import host  # noqa: F401

# an init that ends when it is asked to, as systemd is
POLITE = "trap 'exit 0' 37; while :; do busybox usleep 10000; done"
READY = "trap 'exit 0' TERM 37; echo ready; while :; do sleep 100000 & wait $!; done"


@pytest.fixture(scope="module")
def tool(redd, host):
    one = runner.Redd(os.path.join(os.path.dirname(redd.path), "nixos-container"), env=host.env)
    one.always = []
    return one


class Running:
    """The container "web" in a tree of busybox, with the store and its profiles where NixOS has them."""

    def __init__(self, redd, tool, host, tree, *options):
        tool.run("create", "web", "--system-path", host.system()).ok()
        self.root = os.path.join(nix.STATE, "web")
        os.makedirs(self.root)
        sandbox.mount(tree, self.root, None, sandbox.MS_BIND)
        self.machine = machines.Machine(
            redd, "web", self.root, "--bind-ro=/nix/store", "--bind=%s/web:/nix/var/nix/profiles" % nix.PROFILES, *options, command=READY)
        self.leader = self.machine.leader


@pytest.fixture(scope="module")
def tree(work_root):
    path = os.path.join(work_root, "nixos-tree")
    trees.unpack("busybox", path)
    yield path
    shutil.rmtree(path)


def forget(tool):
    tool.run("destroy", "web").ok()
    shutil.rmtree("/run/redd/nixos-containers", ignore_errors=True)
    if os.path.exists("/run/lock/nixos-container"):
        os.unlink("/run/lock/nixos-container")


@pytest.fixture(params=["host users", "own users"])
def either(request, redd, tool, host, tree):
    options = ["--private-users=no"] if request.param == "host users" else ["--private-users=pick"]
    one = Running(redd, tool, host, tree, *options)
    yield one
    one.machine.stop()
    forget(tool)


@pytest.fixture
def web(redd, tool, host, tree):
    one = Running(redd, tool, host, tree, "--private-users=no")
    yield one
    one.machine.stop()
    forget(tool)


# ---- N08: run


def test_words_reach_the_command_as_they_are(tool, either):
    words = ["a b", "", "'single'", '"double"', "$HOME `id` \\", "line\nbreak", "*", "--flag", "-n", "--"]
    done = tool.run("run", "web", "--", "sh", "-c", 'for word; do printf "<%s>" "$word"; done', "sh", *words).ok()
    assert done.out == "".join("<%s>" % word for word in words)


def test_the_status_is_that_of_the_command(tool, either):
    assert tool.run("run", "web", "--", "true").code == 0
    assert tool.run("run", "web", "--", "sh", "-c", "exit 7").code == 7
    assert tool.run("run", "web", "--", "sh", "-c", "kill -9 $$").code == 137
    done = tool.run("run", "web", "--", "no-such-command")
    assert done.code not in (0, 7) and "no-such-command" in done.err


def test_options_behind_the_command_are_its_own(tool, web):
    assert tool.run("run", "web", "echo", "--ephemeral", "-n").ok().out == "--ephemeral -n\n"
    assert tool.run("run", "web", "--json", "echo", "x").ok().out == "x\n"
    tool.run("run", "web").failed("run NAME -- COMMAND")
    tool.run("run", "web", "--").failed("run NAME -- COMMAND")


def test_a_command_is_root_at_home_with_nothing_of_the_host(tool, either):
    done = tool.run("run", "web", "--", "sh", "-c", "id -u; pwd; env", env={"SECRET": "of the host"}).ok()
    lines = done.lines
    assert lines[:2] == ["0", "/root"]
    assert "SECRET" not in done.out and "HOME=/root" in lines
    path, = [line for line in lines if line.startswith("PATH=")]
    assert path.startswith("PATH=/run/wrappers/bin:") and "/run/current-system/sw/bin" in path and path.endswith("/usr/bin:/sbin:/bin")


def test_programs_of_the_system_are_found(tool, web, host):
    """Nothing of the tree is called like that, but the closure's own directory of programs has it."""
    assert "tac" in tool.run("run", "web", "--", "sh", "-c", "command -v tac").ok().out
    assert tool.run("run", "web", "--", "tac", input="1\n2\n").ok().out == "2\n1\n"


def test_a_script_on_standard_input(tool, either):
    assert tool.run("root-login", "web", input="echo $0; cd /; pwd\nexit 3\n").code == 3
    done = tool.run("run", "web", "--", "sh", input="echo a; echo b >&2")
    assert (done.out, done.err) == ("a\n", "b\n")
    assert tool.run("root-login", "web", input="tty; pwd\n").out == "not a tty\n/root\n"


def test_a_terminal_is_the_containers_own(tool, web):
    console = tool.console("run", "web", "--", "tty")
    console.expect("/dev/pts/")
    assert console.wait() == 0
    console.close()
    console = tool.console("root-login", "web")
    console.line("echo in-$((40 + 2))")
    console.expect("in-42")
    console.line("exit 4")
    assert console.wait() == 4
    console.close()


def test_what_runs_is_in_the_cgroup_and_ends_with_the_container(tool, web):
    with open("/proc/%d/cgroup" % web.leader) as file:
        leader = [line for line in file.read().splitlines() if line.startswith("0::")][0]
    inside = tool.start("run", "web", "--", "sh", "-c", "echo started; sleep 54321")
    assert inside.stdout.readline() == "started\n"
    sleepers = lambda: [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if is_of(pid, "sleep 54321", web.leader)]
    runner.until(sleepers)
    for pid in sleepers():
        with open("/proc/%d/cgroup" % pid) as file:
            assert [line for line in file.read().splitlines() if line.startswith("0::")][0].startswith(leader)
    tool.run("terminate", "web").ok()
    inside.communicate(timeout=10)
    assert inside.returncode == 137
    assert not any(is_of(pid, "sleep 54321", None) for pid in map(int, filter(str.isdigit, os.listdir("/proc"))))


def is_of(pid, command, leader):
    """Whether PID runs the command, in the pid namespace of LEADER."""
    try:
        with open("/proc/%d/cmdline" % pid) as file:
            said = file.read().replace("\0", " ").strip()
        return said == command and (leader is None or os.readlink("/proc/%d/ns/pid" % pid) == os.readlink("/proc/%d/ns/pid" % leader))
    except OSError:
        return False


def test_one_that_does_not_run(tool, host):
    os.makedirs(nix.CONF, exist_ok=True)
    open(os.path.join(nix.CONF, "web.conf"), "w").close()
    for words in (["run", "web", "--", "true"], ["root-login", "web"], ["terminate", "web"], ["reload", "web"]):
        tool.run(*words).failed("web")
    assert tool.run("stop", "web").ok().out == ""
    forget(tool)


# ---- N07: status and end


def test_up_and_down(tool, web):
    assert tool.run("status", "web").ok().out == "up\n"
    assert '"up"' in tool.run("status", "web", "--json").ok().out
    assert tool.run("list").ok().out == "web\n"
    tool.run("terminate", "web").ok()
    assert tool.run("status", "web").ok().out == "down\n"
    assert not os.path.exists("/proc/%d" % web.leader)
    assert not os.path.exists("/run/redd/machines/web")


def test_a_tree_that_another_machine_uses_stays(redd, tool, host, tree):
    """Its name says nothing: what counts is what runs from the tree."""
    tool.run("create", "two", "--system-path", host.system()).ok()
    root = os.path.join(nix.STATE, "two")
    subprocess.run(["cp", "-a", tree, root], check=True)
    other = machines.Machine(redd, "other", root, "--private-users=no", command=READY)
    try:
        tool.run("reset", "two").failed("in use")
        tool.run("destroy", "two").failed("in use")
        tool.run("destroy", "two", "--state-only").failed("in use")
        assert os.path.exists(os.path.join(root, "usr/bin")) and runner.leader(other.process.pid) == other.leader
    finally:
        other.stop()
    tool.run("reset", "two").ok()
    assert os.listdir(root) == ["etc"] and os.listdir(os.path.join(root, "etc")) == []
    tool.run("destroy", "two").ok()
    assert [name for name in os.listdir(nix.STATE) if "two" in name] == []
    forget(tool)


def test_a_machine_of_the_same_name_is_somebody_elses(redd, tool, host, tree):
    tool.run("create", "two", "--system-path", host.system()).ok()
    other = machines.Machine(redd, "two", tree, "--private-users=no", command=READY)
    try:
        assert tool.run("status", "two").ok().out == "down\n"
        for words in (["destroy", "two"], ["terminate", "two"], ["stop", "two"], ["start", "two"], ["reset", "two"],
                      ["run", "two", "--", "true"], ["switch", "two", host.system("2")], ["reload", "two"]):
            tool.run(*words).failed(tree)
        assert runner.leader(other.process.pid) == other.leader
    finally:
        other.stop()
    tool.run("destroy", "two").ok()
    forget(tool)


def test_destroy_ends_what_runs(tool, web, tree):
    tool.run("reset", "web").failed("running")
    tool.run("destroy", "web").ok()
    assert tool.run("status", "web").failed().out == "gone\n"
    assert not os.path.exists("/proc/%d" % web.leader)
    assert os.path.isdir(os.path.join(tree, "usr/bin"))


# ---- N12: switching


def test_a_running_container_switches(tool, web, host):
    """Its PID 1 stays; what switches is the closure's own program, in the container."""
    done = tool.run("switch", "web", host.system("2")).ok()
    assert "switched 2 test" in done.out
    assert tool.run("run", "web", "--", "readlink", "/run/current-system").ok().out == host.system("2") + "\n"
    assert tool.run("reload", "web").ok().out == "switched 2 test\n"
    done = tool.run("rollback", "web").ok()
    assert "switched 1 test" in done.out
    assert tool.run("update", "web", "--flake", host.flake(container="3")).ok().out.endswith("switched 3 test\n")
    assert runner.leader(web.machine.process.pid) == web.leader


def test_a_switch_that_fails_is_told(tool, web, host):
    broken = host.system("4", reload="exit 5")
    assert tool.run("switch", "web", broken).failed("switch-to-configuration failed").out == ""
    assert os.path.realpath(os.path.join(nix.PROFILES, "web/system")) == broken
    assert tool.run("reload", "web").code == 5
    tool.run("rollback", "web").ok()


# ---- started from its conf, on a host without a service manager


@pytest.fixture
def started(tool, host, work_root):
    """A container of which nothing but its conf tells: with its own logs and list of what starts at boot."""
    for place in ("/run/redd/detached", "/run/redd/machines"):
        os.makedirs(place, exist_ok=True)
    sandbox.mount("tmpfs", "/var/log", "tmpfs", 0, "mode=0755")
    tool.run("create", "web", "--system-path", host.system(), "--auto-start", "--extra-flags=--notify-ready=no").ok()
    yield "web"
    tool.run("terminate", "web")
    forget(tool)
    sandbox.umount("/var/log")


def current(tool, name):
    """The system that its init says first of all, without telling that it has."""
    runner.until(lambda: tool.run("run", name, "--", "test", "-e", "/run/current-system").code == 0)
    return tool.run("run", name, "--", "readlink", "/run/current-system").ok().out.strip()


def leader_of(tool, name):
    """When its PID 1 was started: another one has another time."""
    return tool.run("run", name, "--", "cat", "/proc/1/stat").ok().out.rsplit(")", 1)[1].split()[19]


def test_its_life(tool, host, started):
    one, two = host.system("1", init=POLITE), host.system("2", init=POLITE)
    tool.run("switch", "web", one).ok()
    assert os.path.exists("/etc/redd/enabled/web")
    assert tool.run("status", "web").ok().out == "down\n"
    tool.run("start", "web").ok()
    assert tool.run("status", "web").ok().out == "up\n"
    assert tool.run("start", "web").ok().out == ""
    assert current(tool, "web") == one
    assert "10.233.1.2" in tool.run("run", "web", "--", "ip", "address", "show", "eth0").ok().out
    tool.run("run", "web", "--", "touch", "/root/here").ok()
    before = leader_of(tool, "web")
    assert tool.run("switch", "web", two).ok().out.endswith("switched 2 test\n")
    assert leader_of(tool, "web") == before
    tool.run("restart", "web").ok()
    assert leader_of(tool, "web") != before
    assert current(tool, "web") == two
    tool.run("stop", "web").ok()
    assert tool.run("status", "web").ok().out == "down\n"
    assert os.path.exists(os.path.join(nix.STATE, "web/root/here"))
    tool.run("stop", "web").ok()
    tool.run("start", "web").ok()
    tool.run("terminate", "web").ok()
    tool.run("terminate", "web").failed("not running")
    tool.run("start", "web").ok()
    tool.run("destroy", "web").ok()
    assert tool.run("status", "web").failed().out == "gone\n"
    assert not os.path.exists("/etc/redd/enabled/web") and not os.path.exists(os.path.join(nix.STATE, "web"))


def await_another(tool, before):
    """PID 1 is another one that answers."""
    def is_another():
        done = tool.run("run", "web", "--", "cat", "/proc/1/stat")
        return done.code == 0 and done.out.rsplit(")", 1)[1].split()[19] != before
    runner.until(is_another)
    # who supervises it hears a little later that it is ready
    runner.until(lambda: tool.run("status", "web").ok().out == "up\n")
    return leader_of(tool, "web")


def test_reboot_and_a_crash_restart_and_poweroff_stays(redd, tool, host, started):
    """N13"""
    tool.run("start", "web").ok()
    before = leader_of(tool, "web")
    tool.run("run", "web", "--", "reboot", "-f")
    before = await_another(tool, before)
    leader = machines.machinectl(redd).run("show", "web", "-p", "Leader", "--value").ok().out
    os.kill(int(leader), signal.SIGKILL)
    await_another(tool, before)
    tool.run("run", "web", "--", "poweroff", "-f")
    runner.until(lambda: tool.run("status", "web").out == "down\n")
    # nobody is left who would start it again
    runner.until(lambda: os.listdir("/run/redd/detached") == [])
    assert not os.path.exists("/run/redd/machines/web")


def test_a_reboot_reads_the_conf_again(tool, host, started):
    """N13: as the unit of systemd does; an ephemeral one begins anew."""
    path = os.path.join(nix.CONF, "web.conf")
    with open(path, "a") as file:
        file.write("SYSTEM_PATH=%s\nEXTRA_NSPAWN_FLAGS=--notify-ready=no --ephemeral\n" % host.system())
    tool.run("start", "web").ok()
    tool.run("run", "web", "--", "touch", "/gone").ok()
    before = leader_of(tool, "web")
    with open(path, "a") as file:
        file.write("SYSTEM_PATH=%s\n" % host.system("2"))
    tool.run("run", "web", "--", "reboot", "-f")
    await_another(tool, before)
    assert current(tool, "web") == host.system("2")
    assert tool.run("run", "web", "--", "test", "-e", "/gone").code == 1
    tool.run("terminate", "web").ok()


def kill_runner(control):
    """So that there is nobody who supervises it."""
    leader = int(control.run("show", "web", "-p", "Leader", "--value").ok().out)
    with open("/proc/%d/stat" % leader) as file:
        os.kill(int(file.read().rsplit(")", 1)[1].split()[1]), signal.SIGKILL)
    runner.until(lambda: "abandoned" in control.run("show", "web", "-p", "State", "--value").out)


def test_it_lives_on_when_its_runner_is_killed(redd, tool, host, started):
    """N13: nothing of it is lost, and whoever enters, stops or starts it finds it; what does not stop is killed."""
    control = machines.machinectl(redd)
    # as systemd, it knows the one for halt and the one for power-off
    tool.run("switch", "web", host.system("both", init=POLITE.replace("37", "37 38"))).ok()
    tool.run("start", "web").ok()
    before = leader_of(tool, "web")
    kill_runner(control)
    assert tool.run("status", "web").ok().out == "up\n"
    assert leader_of(tool, "web") == before
    assert tool.run("start", "web").ok().out == "" and leader_of(tool, "web") == before
    tool.run("restart", "web").ok()
    assert leader_of(tool, "web") != before
    kill_runner(control)
    tool.run("stop", "web").ok()
    assert tool.run("status", "web").ok().out == "down\n"
    tool.run("switch", "web", host.system("deaf", init=POLITE.replace("exit 0", ":"))).ok()
    tool.run("start", "web").ok()
    kill_runner(control)
    os.makedirs(nix.COMPANIONS, exist_ok=True)
    with open(os.path.join(nix.COMPANIONS, "web.nspawn"), "w") as file:
        file.write("[X-Service]\nTimeoutStopSec=1\n")
    assert "killing it" in tool.run("stop", "web").ok().err
    assert tool.run("status", "web").ok().out == "down\n"
    os.unlink(file.name)


def test_who_has_no_descriptor_left_takes_nobody_for_dead(redd, tool, host, started):
    poor = tool.with_prefix("strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=pidfd_open:error=EMFILE")
    tool.run("start", "web").ok()
    before = leader_of(tool, "web")
    for abandoned in (False, True):
        if abandoned:
            kill_runner(machines.machinectl(redd))
        poor.run("stop", "web").failed("Too many open files")
        poor.run("restart", "web").failed("Too many open files")
        poor.run("reset", "web").failed("it is running")
        poor.run("start", "web").ok()
        assert poor.run("status", "web").ok().out == "up\n"
        assert leader_of(tool, "web") == before
    tool.run("destroy", "web").ok()


def test_a_start_that_hangs_is_ended_by_stop(tool, host, started):
    """N13: it is not ready, and will never be; nor does its PID 1 have an ear for signals yet."""
    init = "while :; do busybox usleep 10000; done"
    with open(os.path.join(nix.CONF, "two.conf"), "w") as file:
        file.write("SYSTEM_PATH=%s\n" % host.system("hangs", init="touch /early; " + init))
    start = tool.start("start", "two")
    runner.until(lambda: os.path.exists(os.path.join(nix.STATE, "two/early")))
    begin = time.monotonic()
    tool.run("stop", "two").ok()
    assert time.monotonic() - begin < 20
    assert start.wait(timeout=10) == 1 and "two" in start.communicate()[1]
    assert tool.run("status", "two").ok().out == "down\n"
    tool.run("destroy", "two").ok()


def test_a_flake_that_was_never_built_is_built_at_the_first_start(tool, host, started):
    flake = host.flake(container="6")
    with open(os.path.join(nix.CONF, "two.conf"), "w") as file:
        file.write("FLAKE=%s\nEXTRA_NSPAWN_FLAGS=--notify-ready=no\n" % flake)
    tool.run("start", "two").ok()
    assert current(tool, "two") == host.system("6")
    tool.run("destroy", "two").ok()


def test_one_that_cannot_start_says_why(tool, host, started):
    with open(os.path.join(nix.CONF, "two.conf"), "w") as file:
        file.write("HOST_ADDRESS=nowhere\n")
    tool.run("start", "two").failed("HOST_ADDRESS")
    with open(os.path.join(nix.CONF, "two.conf"), "w") as file:
        file.write("SYSTEM_PATH=/nix/store/nothing-here\n")
    tool.run("start", "two").failed("/nix/store/nothing-here")
    tool.run("destroy", "two").ok()
