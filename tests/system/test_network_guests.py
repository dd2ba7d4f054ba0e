"""Guests that configure their network themselves get the very same addresses, and those that cannot have them anyway.

All of them reach a sibling by name.
"""
import ipaddress
import os
import re
import shutil

import pytest

from support import network as support, runner

SIBLING = "sibling"


@pytest.fixture
def host(network):
    return network.host("host")


@pytest.fixture
def sibling(host, redd, tree):
    """In the zone, with a server at port 80: it answers with the caller's address."""
    machine = host.machine(redd, SIBLING, tree, "-x", "--network-zone=z")
    machine.server("tcp", None, 80)
    return machine


def enable(tree, link="host0"):
    """systemd-networkd, with the file that systemd brings for containers."""
    for wants, unit in (("multi-user.target.wants", "systemd-networkd.service"), ("sockets.target.wants", "systemd-networkd.socket")):
        os.makedirs(tree + "/etc/systemd/system/" + wants, exist_ok=True)
        os.symlink("/lib/systemd/system/" + unit, "%s/etc/systemd/system/%s/%s" % (tree, wants, unit))
    if link != "host0":
        os.makedirs(tree + "/etc/systemd/network", exist_ok=True)
        with open(tree + "/etc/systemd/network/50-%s.network" % link, "w") as file:
            file.write("[Match]\nName=%s\n[Network]\nDHCP=yes\n" % link)


class Booted(support.Net):
    """A Debian tree whose systemd-networkd has configured its link."""

    def __init__(self, host, redd, tree, *options, link="host0"):
        self.link, self.host, self.redd = link, host, redd
        self.before = self.look(tree, *options)
        self.console = host.program(redd).console("-b", "-M", "guest", "-D", tree, *options)
        runner.until(lambda: self.run("true").code == 0, 20)
        support.Net.__init__(self, "/proc/%d/ns/net" % runner.leader(self.console.pid))
        runner.until(lambda: self.is_configured(), 60)

    def run(self, *argv):
        return self.host.machinectl(self.redd, "exec", "guest", "--", *argv)

    def look(self, tree, *options):
        """The addresses that a program has which leaves them as they are: IPv4 and IPv6."""
        done = self.host.redd(self.redd, "-q", "--pipe", "-M", "guest", "-D", tree, *options, "ip", "-br", "address", "show", self.link).ok()
        return [each for each in done.out.split()[2:] if not each.startswith("fe80")]

    def is_configured(self):
        self.console.read(0.05)
        assert self.console.poll() is None, self.console.text()
        return [line for line in self.run("networkctl", "--no-legend", "list", self.link).lines if "configured" in line.split()]

    def call(self, name):
        return self.run("bash", "-c", "exec 3<>/dev/tcp/%s/80; cat <&3" % name).out

    def close(self):
        support.Net.close(self)
        self.console.close()


@pytest.fixture
def boot(host, redd):
    made = []

    def boot(tree, *options, **more):
        host.used = True
        made.append(Booted(host, redd, tree, *options, **more))
        return made[-1]
    yield boot
    for machine in made:
        machine.close()


def by_dhcp(machine):
    """The address that networkctl says to be from DHCP."""
    # the guest may have its addresses before its bus
    told = runner.until(lambda: machine.run("networkctl", "--no-pager", "status", machine.link).out)
    found = re.search(r"(\S+) \(DHCPv?4", told)
    assert found, told
    return found.group(1)


@pytest.mark.slow
@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_systemd_networkd_gets_the_addresses_that_are_there(host, sibling, boot, fresh, suite):
    tree = fresh(suite)
    enable(tree)
    machine = boot(tree, "--network-zone=z")
    v4, v6 = (ipaddress.ip_interface(each) for each in machine.before)
    assert by_dhcp(machine) == str(v4.ip)
    found = runner.until(lambda: [each for each in machine.links()["host0"]["addr_info"] if each["local"] == str(v6.ip)])
    assert found[0]["prefixlen"] in (64, 128)
    # neither another one nor another net
    assert [each for each in machine.links()["host0"]["addresses"] if not each.startswith("fe80")] == machine.before
    assert "default via %s" % (v4.network.network_address + 1) in machine.ip("route")
    assert machine.call(SIBLING) in (str(v4.ip), str(v6.ip))
    assert machine.run("getent", "ahostsv4", SIBLING).ok().out.split()[0] == sibling.addresses("host0")[0]


@pytest.mark.slow
def test_systemd_networkd_with_a_link_of_its_own_reaches_the_host(host, boot, fresh):
    tree = fresh("bookworm")
    enable(tree)
    host.server("tcp", None, 80)
    machine = boot(tree, "--network-veth")
    assert by_dhcp(machine) == machine.before[0].split("/")[0]
    assert machine.call("_host") in [each.split("/")[0] for each in machine.before]


@pytest.mark.slow
def test_systemd_networkd_with_given_addresses(host, boot, fresh):
    """DHCP has both of them: that of IPv6 is not one which the machine would make itself."""
    tree = fresh("bookworm")
    enable(tree, "eth0")
    host.server("tcp", None, 80)
    machine = boot(tree, "--network-zone=z", "--network-name=eth0", "--network-address=198.51.100.2/24", "--network-host-address=198.51.100.1/24",
                   "--network-address=2001:db8:7::2/64", "--network-host-address=2001:db8:7::1/64", link="eth0")
    assert by_dhcp(machine) == "198.51.100.2"
    runner.until(lambda: "2001:db8:7::2" in machine.addresses("eth0"), 20)
    assert machine.addresses("eth0") == ["198.51.100.2", "2001:db8:7::2"]
    assert machine.call("198.51.100.1") == "198.51.100.2"
    assert machine.call("_host") in ("198.51.100.2", "2001:db8:7::2")


UDHCPC = """#!/bin/sh
[ "$1" = bound ] || exit 0
ip address add "$ip/$mask" dev "$interface"
ip route add default via "$router"
echo "bound $ip/$mask $router dns=$dns host=$hostname domain=$domain"
"""


@pytest.fixture
def small(fresh):
    """A busybox tree with a DHCP client."""
    tree = fresh()
    with open(tree + "/usr/bin/bound", "w") as file:
        file.write(UDHCPC)
    os.chmod(tree + "/usr/bin/bound", 0o755)
    return tree


@pytest.mark.parametrize("mode", ["--network-veth", "--network-zone=z"])
def test_udhcpc_gets_the_address_that_was_there(host, sibling, redd, small, mode):
    machine = host.machine(redd, "small", small, mode)
    before, route = machine.ip("-4", "-o", "address"), machine.ip("-4", "route", "show", "default").split()[2]
    machine.ip("-4", "address", "flush", "dev", "host0")
    run = lambda *argv: host.machinectl(redd, "exec", "small", "--", *argv)
    said = run("busybox", "udhcpc", "-i", "host0", "-n", "-q", "-f", "-s", "/usr/bin/bound").ok().out
    address = [word for word in before.split() if word.startswith("10.213.")][0]
    assert "bound %s %s dns=%s host=small" % (address, route, route) in said, said
    assert run("nc", "_host", "1").code != 0  # it is found, and refuses
    if mode == "--network-zone=z":
        assert run("nc", SIBLING, "80").ok().out in machine.addresses("host0")
        assert run("nc", sibling.addresses("host0")[0], "80").ok().out == address.split("/")[0]
        assert "domain=z" in said


@pytest.mark.parametrize("gateway", ["198.51.100.9", "192.0.2.99", "no"])
def test_udhcpc_gets_the_router_that_is_named(host, redd, small, gateway):
    """Also one outside of the machine's net, or none."""
    machine = host.machine(redd, "small", small, "--network-zone=z", "--network-address=198.51.100.2/24",
                           "--network-host-address=198.51.100.1/24", "--network-gateway=" + gateway)
    if gateway == "no":
        assert not machine.ip("-4", "route", "show", "default")
    else:
        assert machine.ip("-4", "route", "show", "default").split()[2] == gateway
    with open(small + "/usr/bin/told", "w") as file:
        file.write("#!/bin/sh\necho \"$1 router=$router routes=$staticroutes\"\n")
    os.chmod(small + "/usr/bin/told", 0o755)
    said = host.machinectl(redd, "exec", "small", "--", "busybox", "udhcpc", "-i", "host0", "-n", "-q", "-f", "-s", "/usr/bin/told").ok().out
    expected = {"198.51.100.9": "bound router=198.51.100.9 routes=\n", "no": "bound router= routes=\n"}
    assert expected.get(gateway, "bound router=%s routes=%s/32 0.0.0.0 0.0.0.0/0 %s\n" % ((gateway,) * 3)) in said, said


def test_udhcpc_gets_no_other_address_though_it_asks_for_one(host, redd, small):
    machine = host.machine(redd, "small", small, "-n")
    before = machine.addresses("host0")[0]
    done = host.machinectl(redd, "exec", "small", "--", "busybox", "udhcpc", "-i", "host0", "-n", "-q", "-f", "-r", "10.213.1.1", "-s", "/usr/bin/bound")
    assert "bound %s/" % before in done.ok().out


def test_a_guest_that_takes_the_same_address_for_static_is_right(host, sibling, redd, small):
    machine = host.machine(redd, "small", small, "--network-zone=z")
    address = [each for each in machine.links()["host0"]["addresses"] if each.startswith("10.")][0]
    gateway = machine.ip("-4", "route", "show", "default").split()[2]
    machine.ip("address", "flush", "dev", "host0")
    machine.ip("link", "set", "host0", "down")
    machine.ip("link", "set", "host0", "up")
    machine.ip("address", "add", address, "dev", "host0")
    machine.ip("route", "add", "default", "via", gateway)
    assert machine.ask("tcp", sibling.addresses("host0")[0], 80) == address.split("/")[0]


@pytest.fixture
def bare(place, probe):
    """A tree of one program."""
    tree = os.path.join(place, "bare")
    for directory in ("usr", "etc"):
        os.makedirs(os.path.join(tree, directory))
    shutil.copy(probe, tree + "/probe")
    with open(tree + "/etc/resolv.conf", "w"):
        pass
    return tree


@pytest.mark.parametrize("options", [[], ["--read-only"]], ids=["writable", "read-only"])
def test_a_guest_of_one_program_reaches_a_sibling_by_name(host, sibling, redd, bare, options):
    """The first thing that it does."""
    done = host.redd(redd, "-q", "--pipe", "-D", bare, "-M", "bare", "--network-zone=z", *options, "/probe", "call", SIBLING, "80").ok()
    word, answered, address = done.out.split()
    assert (word, answered) == ("call", "answered") and address.startswith("10.213.")
    assert sibling.servers[0].seen == [address]


def test_a_guest_without_ipv6_has_ipv4(host, sibling, redd, tree):
    machine = host.machine(redd, "small", tree, "-x", "--network-zone=z")
    machine.sysctl("ipv6/conf/all/disable_ipv6", 1)
    assert machine.ask("tcp", sibling.addresses("host0")[0], 80) == machine.addresses("host0")[0]
