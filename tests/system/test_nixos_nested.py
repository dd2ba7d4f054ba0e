"""N19: a NixOS container in a NixOS container, with a network of its own, that starts with the outer one."""
import os

import pytest

from support import nix, runner
from support.nix import container, host  # noqa: F401

# What boots in there starts what shall start at boot, as the boot service of a host does.
BOOT = """export PATH=/redd:$PATH
machinectl start --all >/said 2>&1; echo $? >/ended"""
POLITE = "trap 'exit 0' 37; while :; do busybox usleep 10000; done"
INNER = dict(PRIVATE_NETWORK=1, HOST_ADDRESS="10.234.1.1", LOCAL_ADDRESS="10.234.1.2", AUTO_START=1, EXTRA_NSPAWN_FLAGS="--notify-ready=no")


@pytest.mark.parametrize("users", ["no", "pick"])
def test_a_container_in_a_container(redd, container, host, users):
    """Also where neither has ids of its own: the outer one's device filter is asked about both."""
    inner = host.system("polite", init=POLITE)
    programs = "--bind-ro=%s:/redd --bind-ro=/usr --bind-ro=/usr/lib:/lib --bind-ro=/usr/lib64:/lib64" % os.path.dirname(redd.path)
    outer = container("outer", SYSTEM_PATH=host.system("outer", init=BOOT), PRIVATE_NETWORK=1, HOST_ADDRESS="10.233.1.1",
                      LOCAL_ADDRESS="10.233.1.2", PRIVATE_USERS=users, EXTRA_NSPAWN_FLAGS=programs)
    os.makedirs(outer.root + nix.CONF)
    with open(outer.root + nix.CONF + "/inner.conf", "w") as file:
        file.write("".join("%s=%s\n" % pair for pair in dict(INNER, SYSTEM_PATH=inner).items()))
    outer.start()

    def said(name):
        path = os.path.join(outer.root, name)
        runner.until(lambda: os.path.exists(path))
        with open(path) as file:
            return file.read()
    assert said("ended") == "0\n", said("said")

    def tool(*words):
        return outer.control.run("exec", "outer", "--", "/redd/nixos-container", *words)
    assert tool("list").ok().out == "inner\n" and tool("status", "inner").ok().out == "up\n"
    assert runner.until(lambda: tool("run", "inner", "--", "readlink", "/run/current-system").out.strip()) == inner
    # each has its network: the inner one a link to the outer one, of which the host sees nothing
    assert "10.234.1.2" in tool("run", "inner", "--", "ip", "address", "show", "eth0").ok().out
    for address in ("10.234.1.2", "10.233.1.1"):
        outer.inside("ping", "-c1", "-W5", address).ok()
    assert tool("run", "inner", "--", "ping", "-c1", "-W5", "10.234.1.1").code == 0
    done = tool("run", "inner", "--", "sh", "-c", "mknod /node b 60 0 && cat /node")
    assert done.code != 0 and "not permitted" in done.err, done
    assert outer.control.run("list", "--no-legend").ok().out.split()[0] == "outer"
    assert len(outer.control.run("list", "--no-legend").ok().lines) == 1
    assert tool("restart", "inner").ok().out == "" and tool("status", "inner").ok().out == "up\n"
    tool("stop", "inner").ok()
    assert tool("status", "inner").ok().out == "down\n"
    tool("start", "inner").ok()
    outer.stop()
