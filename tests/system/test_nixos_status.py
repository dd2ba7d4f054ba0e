"""Where Redd's own supervisor starts NixOS containers: when one is up, and how long a start may take."""
import json
import os
import shutil
import socket
import subprocess

import pytest

from support import declared, machines, nix, runner
from support.nixhost import host, machines_host, tool  # noqa: F401

# a guest that says so itself, with the host's interpreter, when it is told to
GUEST = """import os, signal, socket
signal.signal(signal.SIGRTMIN + 3, lambda *_: os._exit(0))
open("/here", "w").close()
open("/go").read()
one = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
one.connect(os.environ["NOTIFY_SOCKET"])
one.send(b"READY=1")
while True:
    signal.pause()
"""


def word(tool):
    row, = json.loads(tool.run("status", "web", "--json").ok().out)
    assert tool.run("status", "web").ok().out == row["status"] + "\n"
    return row["status"]


def test_up_is_what_has_said_so(tool, host):
    tool.run("create", "web", "--system-path", host.system("ready", init="exec /usr/bin/python3 /ready.py"), "--use-host-network",
             "--extra-flags=--bind-ro=/usr --bind-ro=/usr/lib:/lib --bind-ro=/usr/lib64:/lib64").ok()
    root = os.path.join(nix.STATE, "web")
    os.makedirs(root)
    with open(os.path.join(root, "ready.py"), "w") as file:
        file.write(GUEST)
    go = os.path.join(root, "go")
    os.mkfifo(go)
    for verb in ("start", "restart"):
        start = tool.start(verb, "web")
        runner.until(lambda: os.path.exists(os.path.join(root, "here")))
        assert tool.run("run", "web", "--", "true").code == 0
        assert word(tool) == "down"
        with open(go, "w"):
            pass
        assert start.wait(timeout=30) == 0, start.communicate()
        start.communicate()
        assert word(tool) == "up"
        os.unlink(os.path.join(root, "here"))
    tool.run("stop", "web").ok()
    assert word(tool) == "down"


def slow_flake(host, place):
    """Its system is built when the file PLACE/go is there."""
    flake = shutil.copytree(host.flake(container="slow"), os.path.join(place, "flake"))
    with open(os.path.join(flake, "sys.nix"), "w") as file:
        file.write(nix.EXPRESSION.replace("mkdir -p $out/etc", "touch %s/building; while [ ! -e %s/go ]; do usleep 10000; done; mkdir -p $out/etc"
                                          % (place, place)))
    return flake


def conf(**keys):
    with open(os.path.join(nix.CONF, "web.conf"), "w") as file:
        file.write("".join("%s=%s\n" % pair for pair in keys.items()))


def test_a_first_build_may_take_longer_than_a_start(redd, tool, host, machines_host, place):
    """The start's limit is for what comes after it."""
    conf(FLAKE=slow_flake(host, place), EXTRA_NSPAWN_FLAGS="--notify-ready=no")
    with open(os.path.join(declared.DEFINITIONS, "web.nspawn"), "w") as file:
        file.write("[X-Service]\nTimeoutStartSec=1s\n")
    control = machines.tool(redd, "machinectl")
    control.always, control.env = [], tool.env
    start = control.start("start", "web")
    runner.until(lambda: os.path.exists(os.path.join(place, "building")))
    with pytest.raises(subprocess.TimeoutExpired):
        start.wait(timeout=1.5)
    assert word(tool) == "down"
    open(os.path.join(place, "go"), "w").close()
    assert start.wait(timeout=60) == 0, start.communicate()
    start.communicate()
    assert word(tool) == "up"
    assert system(tool) == "slow"


def test_a_service_manager_is_told_how_long_a_first_build_may_take(redd, tool, host, machines_host, place):
    """Before nix begins; and afterwards what the settings say of the start."""
    conf(FLAKE=slow_flake(host, place), EXTRA_NSPAWN_FLAGS="--notify-ready=no")
    with open(os.path.join(declared.DEFINITIONS, "web.nspawn"), "w") as file:
        file.write("[X-Service]\nTimeoutStartSec=5min\n")
    address = os.path.join(place, "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(60)
        unit = runner.Redd(os.path.join(os.path.dirname(redd.path), "redd-nixos"), env=dict(tool.env, NOTIFY_SOCKET=address))
        unit.always = []
        process = unit.start("start", "web")
        assert b"EXTEND_TIMEOUT_USEC=3600000000\n" in manager.recv(4096)
        runner.until(lambda: os.path.exists(os.path.join(place, "building")))
        open(os.path.join(place, "go"), "w").close()
        assert manager.recv(4096) == b"EXTEND_TIMEOUT_USEC=300000000"
        while b"READY=1" not in manager.recv(4096):
            pass
    assert system(tool) == "slow"
    tool.run("terminate", "web").ok()
    process.communicate(timeout=30)


# ---- N12: in place, or not


READY = {"EXTRA_NSPAWN_FLAGS": "--notify-ready=no"}
# an init that ends when it is asked to, as systemd is
POLITE = "trap 'exit 0' 37; while :; do busybox usleep 10000; done"


def started_at(tool):
    return tool.run("run", "web", "--", "cat", "/proc/1/stat").ok().out.rsplit(")", 1)[1].split()[19]


def system(tool):
    """Its init says so first of all, but does not tell that it has."""
    runner.until(lambda: tool.run("run", "web", "--", "test", "-e", "/run/current-system").code == 0)
    return tool.run("run", "web", "--", "cat", "/run/current-system/nixos-version").ok().out


def test_what_a_start_is_for_is_not_switched_in_place(redd, tool, host):
    """Another system, another flake and another wish for the boot are no reason for a restart; all else is."""
    one, two, three = (host.system(version, init=POLITE) for version in "123")
    conf(SYSTEM_PATH=one, **READY)
    tool.run("start", "web").ok()
    began = started_at(tool)
    conf(SYSTEM_PATH=two, AUTO_START=1, FLAKE="/x", NEW_KEY="x", **READY)
    assert "switched 2 test" in tool.run("reload", "web").ok().out
    assert started_at(tool) == began and system(tool) == "2"
    conf(SYSTEM_PATH=two, PRIVATE_NETWORK=1, **READY)
    units = machines.tool(redd, "redd-nixos")
    units.always = []
    assert "PRIVATE_NETWORK=" in units.run("reload", "web").failed("restart it").err
    assert started_at(tool) == began
    assert "switched 2 test" in tool.run("reload", "web", "--strategy=reload").ok().out
    assert tool.run("reload", "web", "--strategy=none").ok().out == "" and started_at(tool) == began
    done = tool.run("switch", "web", three).ok()
    assert "PRIVATE_NETWORK=" in done.err and "switched" not in done.out
    assert started_at(tool) != began and system(tool) == "3"
    # it has been started with that
    began = started_at(tool)
    assert tool.run("switch", "web", two).ok().out == "switched 2 test\n" and started_at(tool) == began
    assert units.run("reload", "web").ok().out == "switched 2 test\n"


def companion(*lines):
    with open(os.path.join(declared.DEFINITIONS, "web.nspawn"), "w") as file:
        file.write("".join(line + "\n" for line in lines))


def test_what_the_settings_file_says_counts_as_of_a_declared_machine(redd, tool, host):
    """A reload takes what costs nothing, and restarts for all else; a service manager's refuses."""
    conf(SYSTEM_PATH=host.system("1", init=POLITE), **READY)
    companion("[Exec]", "# a word", "Environment=A=1")
    tool.run("start", "web").ok()
    began = started_at(tool)
    units = machines.tool(redd, "redd-nixos")
    units.always = []
    # other words for the same, comments, and what is looked up when it is needed
    companion("# another word", "[Exec]", "Environment=A=1", "[X-Service]", "TimeoutStartSec=30", "[X-Install]", "WantedBy=machines.target")
    for one in (units, tool):
        assert "switched 1 test" in one.run("reload", "web").ok().out and started_at(tool) == began
    cases = [(["[Exec]", "Environment=A=2"], "[Exec] Environment="),
             (["[Exec]", "Environment=A=2", "[X-Service]", "TasksMax=500"], "[X-Service] TasksMax="),
             ([], "[Exec] Environment=")]
    for lines, key in cases:
        began = started_at(tool)
        companion(*lines)
        refused = units.run("reload", "web").failed("restart it").err
        assert key in refused and os.path.join(declared.DEFINITIONS, "web.nspawn") in refused and started_at(tool) == began
        done = tool.run("reload", "web").ok()
        assert key in done.err and "switched" not in done.out and started_at(tool) != began
        assert "switched 1 test" in units.run("reload", "web").ok().out
    began = started_at(tool)
    companion("[Exec]", "Environment=A=3", "[X-Reload]", "Strategy=none")
    assert "switched 1 test" in tool.run("reload", "web").ok().out and started_at(tool) == began
    os.unlink(os.path.join(declared.DEFINITIONS, "web.nspawn"))
    assert "switched 1 test" in tool.run("reload", "web").ok().out and started_at(tool) == began
    tool.run("terminate", "web").ok()


def test_a_strategy_may_be_asked_for(tool, host):
    conf(**READY)
    tool.run("switch", "web", host.system("1", init=POLITE)).ok()
    tool.run("start", "web").ok()
    began = started_at(tool)
    assert tool.run("switch", "web", host.system("2", init=POLITE), "--strategy=none").ok().out == ""
    assert (started_at(tool), system(tool)) == (began, "1")
    assert tool.run("rollback", "web", "--strategy=restart").ok().out == ""
    assert (started_at(tool) != began, system(tool)) == (True, "1")
    began = started_at(tool)
    tool.run("update", "web", "--flake", host.flake(container="3"), "--strategy", "auto").ok()
    assert (started_at(tool), system(tool)) == (began, "3")
    tool.run("reload", "web", "--strategy=restart").ok()
    assert started_at(tool) != began
    tool.run("reload", "web", "--strategy=later").failed("--strategy", "restart")
