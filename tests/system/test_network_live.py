"""A running machine's network is changed: ports, and interfaces."""
import json

import pytest

from support import runner


@pytest.fixture
def host(network):
    return network.host("host")


def test_a_machine_with_a_link_of_its_own_talks_to_the_host(host, redd, tree):
    machine = host.machine(redd, "live", tree, "--network-veth")
    inside, outside = machine.addresses("host0"), host.addresses("ve-live")
    for guest, gateway in zip(sorted(inside, key=len), sorted(outside, key=len)):
        for protocol in ("tcp", "udp"):
            server = machine.server(protocol, None, 0)
            assert host.connect(protocol, guest, server.port) == gateway


def test_hosts_of_a_lan_reach_each_other(network):
    """The toolbox itself."""
    hosts = [network.host(name) for name in ("a", "b", "c")]
    network.lan(*hosts)
    server = hosts[0].server("tcp", None, 80)
    assert hosts[2].connect("tcp", "192.0.2.1", 80) == "192.0.2.3"
    assert hosts[1].connect("tcp", "2001:db8::1", 80) == "2001:db8::2"
    assert server.seen == ["192.0.2.3", "2001:db8::2"]
    hosts[0].server("udp", "192.0.2.1", 53)
    assert hosts[1].connect("udp", "192.0.2.1", 53) == "192.0.2.2"
    assert hosts[1].ask("tcp", "192.0.2.1", 81) == "refused" and hosts[1].ask("tcp", "203.0.113.1", 80) == "unreachable"
    assert hosts[1].run("ip", "-br", "address", "show", "eth0").out.split()[2] == "192.0.2.2/24"
    assert hosts[0].connect("tcp", "127.0.0.1", 80) == "127.0.0.1"


def show(host, redd, name):
    return dict(line.split("=", 1) for line in host.machinectl(redd, "show", name).ok().lines)


@pytest.mark.parametrize("option, link", [("--network-veth", "ve-seen"), ("--network-zone=web", "vz-web")])
def test_who_looks_at_a_machine_sees_the_interfaces_that_lead_there(host, redd, tree, option, link):
    machine = host.machine(redd, "seen", tree, option)
    index = str(host.links()[link]["ifindex"])
    assert show(host, redd, "seen")["NetworkInterfaces"] == index
    status = host.machinectl(redd, "status", "seen").ok().out
    assert "\t   Iface: %s\n" % link in status
    # of IPv6 with the way there, which is the only one
    assert "%s%%%s\n" % (machine.addresses("host0")[-1], index) in status
    told = json.loads(host.machinectl(redd, "status", "--json=short", "seen").ok().out)
    assert told["interfaces"] == [link] and machine.addresses("host0")[-1] in told["addresses"]
    state = runner.until(lambda: host.run("cat", "/run/systemd/machines/seen", check=False).out)
    assert "NETIF=%s\n" % index in state


def test_a_machine_without_links_shows_none(host, redd, tree):
    host.machine(redd, "seen", tree, "--private-network")
    assert "NetworkInterfaces" not in show(host, redd, "seen")
    assert "Iface" not in host.machinectl(redd, "status", "seen").ok().out
