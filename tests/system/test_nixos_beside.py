"""What stands beside the conf of a NixOS container: its settings file with drop-ins, and a declared machine of its name."""
import os
import shutil

import pytest

from support import machines, nix
from support.nixhost import host, machines_host, tool  # noqa: F401

RUNTIME_SETTINGS = "/run/systemd/nspawn"
UNIT = "container@web.service"
MADE = "/run/redd/nspawn/web.nspawn"


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)


def units(redd, place):
    """What systemd would be told, and what was said."""
    out = os.path.join(place, "units")
    shutil.rmtree(out, ignore_errors=True)
    os.mkdir(out)
    return out, machines.tool(redd, "redd-generator").run(out, out, out)


def test_drop_ins_count_and_so_does_the_directory_of_the_runtime(redd, tool, host, machines_host, place):
    """In all that reads them: the store, the runner, the unit, and what starts at boot."""
    system = host.system()
    tool.run("create", "web", "--system-path", system, "--extra-flags=--notify-ready=no").ok()
    write(RUNTIME_SETTINGS + "/web.nspawn", "[Files]\nBind=/srv:/data\nTemporaryFileSystem=/gone\n[X-Nix]\nStore=full\n"
                                           "[X-Service]\nMemoryMax=64M\n[X-Install]\nWantedBy=machines.target\n")
    write(RUNTIME_SETTINGS + "/web.nspawn.d/50.conf", "[X-Nix]\nStore=closure\n[Files]\nTemporaryFileSystem=\nTemporaryFileSystem=/scratch\n"
                                                      "[X-Service]\nCPUWeight=7\n[X-Unit]\nDescription=Told beside\n")
    out, said = units(redd, place)
    with open(os.path.join(out, UNIT)) as file:
        unit = file.read()
    assert "\nMemoryMax=64M\nCPUWeight=7\n" in unit and "\nDescription=Told beside\n" in unit.split("[Service]")[0], said
    assert os.path.islink(os.path.join(out, "machines.target.wants", UNIT))
    machines_host.machinectl("start", "--all").ok()
    closure = host.run("nix-store", "-qR", system).ok().lines
    inside = lambda *words: tool.run("run", "web", "--", *words).ok().out
    assert sorted(inside("ls", "/nix/store").split()) == sorted(os.path.basename(path) for path in closure)
    mounts = [line.split()[1] for line in inside("cat", "/proc/mounts").splitlines()]
    assert "/data" in mounts and "/scratch" in mounts and "/gone" not in mounts
    assert "# From %s/web.nspawn.d/50.conf.\n" % RUNTIME_SETTINGS in tool.run("export", "web").ok().out
    tool.run("terminate", "web").ok()
    write(RUNTIME_SETTINGS + "/web.nspawn.d/60.conf", "[X-Install]\nWantedBy=\n[X-Nix]\nStore=some\n")
    assert "50.conf" not in tool.run("start", "web").failed("60.conf line 4").err
    assert not os.path.exists(os.path.join(units(redd, place)[0], "machines.target.wants"))
    # what create makes for itself would hide these
    tool.run("destroy", "web").ok()
    tool.run("create", "web", "--system-path", system, "--ephemeral").failed(RUNTIME_SETTINGS + "/web.nspawn")
    assert not os.path.exists(nix.COMPANIONS + "/web.nspawn")


def test_a_declared_machine_and_a_container_have_not_one_name(redd, tool, host, machines_host, place):
    tree = machines_host.tree("declared-tree", files={"etc/whose": "declared\n"})
    tool.run("create", "web", "--system-path", host.system(), "--auto-start", "--extra-flags=--notify-ready=no").ok()
    machines_host.define("web", "dir:" + tree)
    for verb in ("plan", "apply"):
        machines_host.redd(verb).failed("web.nspawn", nix.CONF + "/web.conf", "nixos-container destroy web")
    assert machines_host.current() == 0 and machines_host.running() == []
    tool.run("destroy", "web").ok()
    machines_host.redd("apply").ok()
    assert machines_host.inside("web", "cat", "/etc/whose") == "declared"
    tool.run("create", "web", "--system-path", host.system()).failed("current/files/web.nspawn", "another name")
    assert tool.run("list").ok().out == ""
    # where the conf came afterwards, by another way, the declared one stays what it is
    write(nix.CONF + "/web.conf", "SYSTEM_PATH=%s\nAUTO_START=1\nEXTRA_NSPAWN_FLAGS=--notify-ready=no\n" % host.system())
    machines_host.redd("plan").failed("web.conf")
    machines_host.machinectl("stop", "web").ok()
    tool.run("start", "web").failed("current/files/web.nspawn", "comes first")
    machines.tool(redd, "redd-nixos").run("start", "web").failed("comes first")
    machines_host.machinectl("start", "web").ok()
    assert machines_host.inside("web", "cat", "/etc/whose") == "declared"
    machines_host.machinectl("stop", "web").ok()
    machines_host.machinectl("start", "--all").ok()
    assert machines_host.inside("web", "cat", "/etc/whose") == "declared"
    out, said = units(redd, place)
    assert not os.path.exists(os.path.join(out, UNIT))
    assert os.readlink(os.path.join(out, "machines.target.wants", UNIT)) == "../container@.service"
    assert "comes first" in said.err
    machines_host.undefine("web")
    os.unlink(nix.CONF + "/web.conf")
    machines_host.redd("apply", "--yes").ok()


# ---- what only the unit of a NixOS host says

START = """#!/bin/sh
if [[ "$PRIVATE_NETWORK" = 1 ]]; then
  extraFlags+=("--private-network")
fi
extraFlags+=(--network-veth-extra=lan0)
exec /nix/store/x-systemd/bin/systemd-nspawn --keep-unit -M "$INSTANCE" -D "$root" "${extraFlags[@]}" \\
  %s \\
  ${EXTRA_NSPAWN_FLAGS-} /nix/store/x-inside "${SYSTEM_PATH:-/nix/var/nix/profiles/system}/init"
"""
AFTER = """ip link set dev "ve-$INSTANCE" up
ip link set dev "lan0" up
ip addr add 10.7.0.1 dev "lan0"
ip route add 10.7.0.2 dev "lan0"
"""
INSIDE = "ip addr add 10.7.0.2 dev lan0\nip route add 10.7.0.1 dev lan0\n"


@pytest.fixture
def closure(tool, host):
    """A host's configuration in the store, as it is when it was copied here; its confs are linked."""
    etc = nix.STORE + "/x-etc/etc"

    def make(options, **keys):
        write(nix.STORE + "/x-web.conf", "".join("%s=%s\n" % pair for pair in keys.items()))
        write(nix.STORE + "/x-start", START % options)
        write(nix.STORE + "/x-after", AFTER)
        write(nix.STORE + "/x-inside", INSIDE)
        write(etc + "/systemd/system/" + UNIT, "[Service]\nExecStart=/nix/store/x-start\nExecStartPost=/nix/store/x-after\n"
                                               "DeviceAllow=/dev/fuse rwm\nTimeoutStartSec=3min\n")
        os.makedirs(etc + "/nixos-containers", exist_ok=True)
        for link, target in ((etc + "/nixos-containers/web.conf", nix.STORE + "/x-web.conf"),
                             (nix.CONF + "/web.conf", etc + "/nixos-containers/web.conf")):
            if not os.path.lexists(link):
                os.symlink(target, link)
    yield make
    tool.run("terminate", "web")
    os.unlink(nix.CONF + "/web.conf")
    shutil.rmtree(nix.STORE + "/x-etc")
    for name in ("x-web.conf", "x-start", "x-after", "x-inside"):
        os.unlink(os.path.join(nix.STORE, name))


def test_the_unit_of_a_nixos_host_is_read(redd, tool, host, machines_host, closure, place):
    keys = {"SYSTEM_PATH": host.system(), "PRIVATE_NETWORK": 1, "EXTRA_NSPAWN_FLAGS": "--notify-ready=no"}
    closure("--ephemeral --capability=CAP_SYS_TIME --tmpfs=/scratch", **keys)
    inside = lambda *words: tool.run("run", "web", "--", *words).ok().out
    said = tool.run("start", "web").ok()
    assert "cannot understand" not in said.err
    assert [line.split()[2] for line in inside("cat", "/proc/mounts").splitlines() if line.split()[1] == "/scratch"] == ["tmpfs"]
    assert "10.7.0.2" in inside("ip", "address", "show", "lan0") and "10.7.0.1" in host.run("ip", "address", "show", "lan0").ok().out
    assert int(inside("grep", "CapBnd", "/proc/1/status").split()[1], 16) & 1 << 25
    inside("touch", "/lost")
    with open(MADE) as file:
        made = file.read()
    assert made.startswith("# Made from %s/x-etc/etc/systemd/system/%s.\n" % (nix.STORE, UNIT)), made
    assert "DeviceAllow=/dev/fuse rwm\nTimeoutStartSec=3min\n" in made and made in tool.run("export", "web").ok().out
    with open(os.path.join(units(redd, place)[0], UNIT)) as file:
        assert "\nDeviceAllow=/dev/fuse rwm\nTimeoutStartSec=3min\n" in file.read()
    tool.run("terminate", "web").ok()
    assert not os.path.exists(nix.STATE + "/web/lost")
    # what is not understood is told, and nothing of it counts
    closure("--ephemeral --no-such-option", **keys)
    started = machines.tool(redd, "redd-nixos").start("start", "web", "--read-only", "--no-such-option")
    said = started.communicate(timeout=30)[1]
    assert "cannot understand '/nix/store/x-start' (line 7" in said and nix.COMPANIONS + "/web.nspawn" in said, said
    assert said.count("cannot understand '/nix/store/x-start'") == 1
    assert not os.path.exists(MADE)
    # the administrator's own file is all that counts then
    closure("--ephemeral --tmpfs=/scratch", **keys)
    write(RUNTIME_SETTINGS + "/web.nspawn", "[Files]\nTemporaryFileSystem=/other\n")
    tool.run("start", "web").ok()
    mounts = [line.split()[1] for line in inside("cat", "/proc/mounts").splitlines()]
    assert "/other" in mounts and "/scratch" not in mounts
    inside("touch", "/kept")
    tool.run("terminate", "web").ok()
    assert os.path.exists(nix.STATE + "/web/kept") and not os.path.exists(MADE)
