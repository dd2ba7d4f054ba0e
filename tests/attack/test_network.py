"""S53 and S54: what a machine's root, who may send any frame, says in others' names; and who calls loopback addresses.

Every attack is made twice: as Redd sets things up, where it must not get through, and on a host whose filter was taken away,
where it must, so that an attack that does nothing is noticed.
"""
import contextlib
import ipaddress
import time

import pytest

from support import frames
from support.network import Network

MARK = b"redd-attack-mark"
NOBODY4, NOBODY6 = "10.213.255.77", "fd00:bad::77"


class World:
    """Two zones and a machine with a link of its own on one host, and a neighbour."""

    def __init__(self, network, redd, tree, weak):
        # how long something may take to arrive; short where nothing is expected to
        self.weak, self.patience = weak, 2 if weak else 0.25
        self.host, self.other = network.host("host"), network.host("other")
        network.lan(self.host, self.other)
        host = self.host
        # a host that lets pass all that the kernel would by itself
        for name in ("all", "default", "eth0"):
            host.sysctl("ipv4/conf/%s/rp_filter" % name, 0)
        make = lambda name, *options: host.machine(redd, name, tree, "-x", *options)
        self.evil, self.victim = make("evil", "--network-zone=z"), make("victim", "--network-zone=z")
        self.elsewhere, self.alone = make("elsewhere", "--network-zone=y"), make("alone", "-n", "--port=udp:8080:80")
        self.gateway4, self.gateway6 = host.addresses("vz-z")
        self.gateway_mac = host.links()["vz-z"]["address"]
        self.macs = {each: each.links()["host0"]["address"] for each in host.machines}
        self.addresses = {each: each.addresses("host0") for each in host.machines}
        self.neighbour4 = str(ipaddress.ip_interface(self.gateway4 + "/24").network[200])
        for name in ("ve-alone", "vz-z"):
            assert host.sysctl("ipv6/conf/%s/accept_ra" % name) == "0"
        if weak:
            for family in ("inet", "bridge"):
                host.run("nft", "delete", "table", family, "redd")
            for family in ("-4", "-6"):
                # but for the first, the table of the host's own addresses, and the common ones
                for line in host.ip(family, "rule", "show").splitlines():
                    number = line.split(":")[0]
                    if number not in ("0", "32766", "32767"):
                        host.ip(family, "rule", "delete", "preference", number)
            for name in ("eth0", "ve-alone", "vz-z", "all"):
                host.sysctl("ipv4/conf/%s/route_localnet" % name, 1)
            host.sysctl("ipv4/ip_forward", 1)
            host.sysctl("ipv6/conf/all/forwarding", 1)
            host.dirty = True
        # what only the filter keeps out: the switches are looked at above
        for name in ("ve-alone", "vz-z"):
            host.sysctl("ipv6/conf/%s/accept_ra" % name, 2)

    def v4(self, machine):
        return self.addresses[machine][0]

    def v6(self, machine):
        return self.addresses[machine][1]

    # ---- where it would arrive ----

    def comes(self, question):
        """Whether QUESTION is answered in time."""
        end = time.monotonic() + self.patience
        while not question() and time.monotonic() < end:
            time.sleep(0.01)
        return bool(question())

    def heard(self, net, link, needle, frame, sender, to=frames.BROADCAST, source=None, sending="host0"):
        with frames.Listener(net, link, needle) as listener:
            frames.send(sender, sending, frame, to, source, times=2)
            return listener.heard(self.patience)

    def at_victim(self, frame, to=None, source=None):
        """From `evil` over the zone's bridge."""
        return self.heard(self.victim, "host0", needle(frame), frame, self.evil, to or self.macs[self.victim], source)

    def at_bridge(self, frame, to=None, source=None):
        return self.heard(self.host, "vz-z", needle(frame), frame, self.evil, to or self.gateway_mac, source)

    def at_host(self, sender, address, make, to, sending="host0"):
        """A datagram that a server of the host's gets."""
        server = self.host.server("udp", address, 0)
        try:
            frames.send(sender, sending, make(server.port), to, times=2)
            return self.comes(lambda: server.seen)
        finally:
            server.close()
            self.host.servers.remove(server)


@pytest.fixture(scope="module", params=["held", "control"])
def world(request, redd, tree):
    network = Network()
    try:
        yield World(network, redd, tree, request.param == "control")
    finally:
        network.close()


def needle(frame):
    """VLAN's clothes do not arrive."""
    return MARK if MARK in frame[1] else frame[1]


def datagram(source, to, port=7, from_port=7):
    return frames.ip(source, to, frames.udp(from_port, port, MARK))


# ---- what must work ----

def test_the_frames_are_good(world, monkeypatch):
    """In one's own name all of them arrive."""
    monkeypatch.setattr(world, "patience", 5)
    evil, victim = world.evil, world.victim
    assert world.at_victim(datagram(world.v4(evil), world.v4(victim)))
    assert world.at_victim(datagram(world.v6(evil), world.v6(victim)))
    assert world.at_victim(frames.arp(world.macs[evil], world.v4(evil), world.v4(victim)))
    assert world.at_victim(frames.advertisement(world.v6(evil), world.v6(victim), world.v6(evil), world.macs[evil]))
    assert world.at_host(evil, world.gateway4, lambda port: datagram(world.v4(evil), world.gateway4, port), world.gateway_mac)
    mac = world.host.links()["ve-alone"]["address"]
    gateway4, gateway6 = world.host.addresses("ve-alone")
    for source, to in ((world.v4(world.alone), gateway4), (world.v6(world.alone), gateway6)):
        assert world.at_host(world.alone, to, lambda port: datagram(source, to, port), mac)
    if not world.weak:
        assert world.heard(world.other, "eth0", MARK, datagram(world.v4(world.alone), "192.0.2.2"), world.alone, mac)


# ---- in a zone: to a sibling, and to the host ----

def sources(world):
    evil, victim = world.evil, world.victim
    return {
        "IPv4 address of nobody": datagram(world.neighbour4, world.v4(victim)),
        "IPv4 address of the gateway": datagram(world.gateway4, world.v4(victim)),
        "IPv4 address of another zone": datagram(world.v4(world.elsewhere), world.v4(victim)),
        "IPv4 address of nowhere": datagram("0.0.0.0", world.v4(victim)),
        "IPv4 address of localhost": datagram("127.0.0.1", world.v4(victim)),
        "IPv6 address of the same net": datagram(world.gateway6 + "77", world.v6(victim)),
        "IPv6 address of the gateway": datagram(world.gateway6, world.v6(victim)),
        "IPv6 address of nobody": datagram(NOBODY6, world.v6(victim)),
        "link-local address of the gateway": datagram(link_local(world.gateway_mac), world.v6(victim)),
        "link-local address of the sibling": datagram(link_local(world.macs[victim]), world.v6(victim)),
        "IPv6 address behind a header": frames.ip(world.gateway6, world.v6(victim), frames.udp(7, 7, MARK), extension=60),
        "in a VLAN's clothes": frames.tagged(datagram(world.gateway4, world.v4(victim))),
        "in two VLANs' clothes": frames.tagged(frames.tagged(datagram(world.gateway4, world.v4(victim)))),
        "of no known kind": (0x88b5, MARK * 4),
        "a bridge's": (38, b"\x42\x42\x03" + MARK * 3),
        "ARP answer for the gateway": frames.arp(world.macs[evil], world.gateway4, world.v4(victim)),
        "ARP question for the gateway": frames.arp(world.macs[evil], world.gateway4, world.v4(victim), reply=False),
        "ARP answer with another's hardware address": frames.arp(world.gateway_mac, world.v4(evil), world.v4(victim)),
        "ND advertisement for the gateway": frames.advertisement(world.v6(evil), world.v6(victim), world.gateway6, world.macs[evil]),
        "ND advertisement in the gateway's name": frames.advertisement(world.gateway6, world.v6(victim), world.gateway6, world.macs[evil]),
        "ND advertisement for the gateway's link-local address":
            frames.advertisement(world.v6(evil), world.v6(victim), link_local(world.gateway_mac), world.macs[evil]),
        "router advertisement": frames.router(link_local(world.macs[evil]), "fd00:bad::", world.macs[evil]),
        "ICMP redirect": frames.ip(world.v4(evil), world.v4(victim), frames.icmp(5, 1, b"\x0a\0\0\1" + MARK * 2)),
        "ICMPv6 redirect": frames.ip(link_local(world.macs[evil]), world.v6(victim), frames.icmp(137, 0, MARK * 3, six=True), hops=255),
        "DHCP offer": datagram(world.v4(evil), "255.255.255.255", 68, 67),
        "DHCPv6 answer": datagram(link_local(world.macs[evil]), world.v6(victim), 546, 547),
    }


def link_local(mac):
    part = bytearray(frames.mac(mac))
    part[0] ^= 2
    return str(ipaddress.ip_address(b"\xfe\x80" + bytes(6) + bytes(part[:3]) + b"\xff\xfe" + bytes(part[3:])))


NAMES = ["IPv4 address of nobody", "IPv4 address of the gateway", "IPv4 address of another zone", "IPv4 address of nowhere",
         "IPv4 address of localhost", "IPv6 address of the same net", "IPv6 address of the gateway", "IPv6 address of nobody",
         "link-local address of the gateway", "link-local address of the sibling", "IPv6 address behind a header", "in a VLAN's clothes", "in two VLANs' clothes", "of no known kind",
         "a bridge's", "ARP answer for the gateway", "ARP question for the gateway", "ARP answer with another's hardware address",
         "ND advertisement for the gateway", "ND advertisement in the gateway's name", "ND advertisement for the gateway's link-local address", "router advertisement", "ICMP redirect",
         "ICMPv6 redirect", "DHCP offer", "DHCPv6 answer"]


@pytest.mark.parametrize("to", ["one", "all"])
@pytest.mark.parametrize("what", NAMES)
def test_s54_a_sibling_does_not_hear(world, what, to):
    assert list(sources(world)) == NAMES
    frame = sources(world)[what]
    assert world.at_victim(frame, frames.BROADCAST if to == "all" else None) == world.weak


@pytest.mark.parametrize("what", [name for name in NAMES if name not in ("IPv4 address of nowhere",)])
def test_s54_the_host_does_not_hear(world, what):
    assert world.at_bridge(sources(world)[what]) == world.weak


@pytest.mark.parametrize("kind", ["4", "6", "arp"])
def test_s54_nobody_hears_another_hardware_address(world, kind):
    evil, victim = world.evil, world.victim
    frame = {"4": datagram(world.v4(evil), world.v4(victim)), "6": datagram(world.v6(evil), world.v6(victim)),
             "arp": frames.arp(world.macs[evil], world.v4(evil), world.v4(victim))}[kind]
    for source in ("02:00:00:00:00:66", world.gateway_mac):
        assert world.at_victim(frame, source=source) == world.weak


def test_s54_the_bridge_learns_no_others_address(world):
    """Frames for the victim still go to the victim."""
    evil, victim = world.evil, world.victim
    with contextlib.suppress(OSError):
        victim.ask("udp", world.gateway4, 7, timeout=0.1)
    frames.send(evil, "host0", datagram(world.v4(victim), world.gateway4), world.gateway_mac, world.macs[victim], times=3)
    line = [each for each in world.host.run("bridge", "fdb", "show", "br", "vz-z").lines if each.startswith(world.macs[victim])]
    assert [each.split()[2] for each in line] == ["vb-evil" if world.weak else "vb-victim"]
    # so that what follows finds its way
    frames.send(victim, "host0", datagram(world.v4(victim), world.gateway4), world.gateway_mac)


def forget(world):
    """What the victim believes."""
    for address in (world.gateway4, world.gateway6):
        world.victim.ip("neighbour", "flush", "to", address)


def test_s54_neighbours_are_whom_they_were(world):
    """The whole attack, as those would make it who want to read along."""
    evil, victim = world.evil, world.victim
    server = world.host.server("tcp", None, 0)
    forget(world)
    assert victim.ask("tcp", world.gateway4, server.port) == world.v4(victim)
    assert victim.ask("tcp", world.gateway6, server.port) == world.v6(victim)
    time.sleep(1.1)  # the kernel believes nobody who contradicts so soon
    frames.send(evil, "host0", frames.arp(world.macs[evil], world.gateway4, world.v4(victim)), world.macs[victim], times=3)
    frames.send(evil, "host0", frames.advertisement(world.gateway6, world.v6(victim), world.gateway6, world.macs[evil]), world.macs[victim], times=3)
    known = victim.ip("neighbour", "show") + victim.ip("-6", "neighbour", "show")
    for address in (world.gateway4, world.gateway6):
        line = [each for each in known.splitlines() if each.startswith(address + " ")][0]
        assert (world.macs[evil] in line) == world.weak, line
    forget(world)


def test_s54_a_sibling_takes_no_router_for_one(world):
    victim = world.victim
    frames.send(world.evil, "host0", sources(world)["router advertisement"], frames.multicast("ff02::1"), times=2)
    assert world.comes(lambda: [each for each in victim.addresses("host0") if each.startswith("fd00:bad:")]) == world.weak


# ---- with a link of its own: to the host, and through it ----

@pytest.mark.parametrize("source, family", [(NOBODY4, 4), ("192.0.2.2", 4), ("0.0.0.0", 4), (NOBODY6, 6), ("2001:db8::2", 6)])
def test_s54_the_host_hears_nobody_in_others_names(world, source, family):
    gateway = world.host.addresses("ve-alone")[family == 6]
    mac = world.host.links()["ve-alone"]["address"]
    got = world.at_host(world.alone, gateway, lambda port: datagram(source, gateway, port), mac)
    # not even the kernel alone takes 0.0.0.0 for a sender
    assert got == (world.weak and source != "0.0.0.0")


@pytest.mark.parametrize("source, to", [(NOBODY4, "192.0.2.2"), ("192.0.2.1", "192.0.2.2"), (NOBODY6, "2001:db8::2"), ("fd00:bad::1", "2001:db8::2")])
def test_s54_the_neighbourhood_hears_nobody_in_others_names(world, source, to):
    mac = world.host.links()["ve-alone"]["address"]
    # its own address as a source is what no kernel forwards
    assert world.heard(world.other, "eth0", MARK, datagram(source, to), world.alone, mac) == (world.weak and source != "192.0.2.1")


@pytest.mark.parametrize("family", [4, 6])
def test_s54_another_zone_hears_nobody_in_its_own_names(world, family):
    """A machine elsewhere says that it is a sibling."""
    mac = world.host.links()["ve-alone"]["address"]
    source, to = world.addresses[world.evil][family == 6], world.addresses[world.victim][family == 6]
    assert world.heard(world.victim, "host0", MARK, datagram(source, to), world.alone, mac) == world.weak


def test_s54_a_machine_is_no_router_for_the_host(world):
    """By the filter; that the host would not even listen is looked at in World."""
    mac = world.macs[world.alone]
    frames.send(world.alone, "host0", frames.router(link_local(mac), "fd00:bad:1::", mac), frames.multicast("ff02::1"), times=2)
    assert world.comes(lambda: [each for each in world.host.addresses("ve-alone") if each.startswith("fd00:bad:1:")]) == world.weak


# ---- S53: loopback addresses ----

def test_s53_nothing_of_the_kernels_protection_was_switched_off(world):
    if world.weak:
        pytest.skip("it was, by the test")
    with world.host.inside():
        import glob
        values = {path: open(path).read().strip() for path in glob.glob("/proc/sys/net/ipv4/conf/*/route_localnet")}
    assert values and set(values.values()) == {"0"}


@pytest.mark.parametrize("who", ["other", "alone", "evil"])
def test_s53_services_of_the_hosts_loopback_are_not_reached(world, who):
    sender = getattr(world, who)
    link = {"other": "eth0", "alone": "ve-alone", "evil": "vz-z"}[who]
    source = "192.0.2.2" if who == "other" else world.v4(sender)
    mac = world.host.links()[link]["address"]
    got = world.at_host(sender, "127.0.0.1", lambda port: datagram(source, "127.0.0.1", port), mac, "eth0" if who == "other" else "host0")
    assert got == world.weak


@pytest.mark.parametrize("who", ["other", "alone", "evil"])
def test_s53_nor_by_ipv6_which_no_switch_opens(world, who):
    sender = getattr(world, who)
    link = {"other": "eth0", "alone": "ve-alone", "evil": "vz-z"}[who]
    source = "2001:db8::2" if who == "other" else world.v6(sender)
    mac = world.host.links()[link]["address"]
    assert not world.at_host(sender, "::1", lambda port: datagram(source, "::1", port), mac, "eth0" if who == "other" else "host0")


def test_s53_a_published_port_at_localhost_is_for_the_host_alone(world):
    """What listens there for the machine is no way in for neighbours."""
    if world.weak:
        pytest.skip("nothing is published any more")
    server = world.alone.server("udp", None, 80)
    mac = world.host.links()["eth0"]["address"]
    for address, source in (("127.0.0.1", "192.0.2.2"), ("::1", "2001:db8::2")):
        frames.send(world.other, "eth0", datagram(source, address, 8080), mac, times=2)
    assert world.other.ask("udp", "192.0.2.1", 8080) == "192.0.2.2"
    assert world.host.ask("udp", "127.0.0.1", 8080) == world.host.addresses("ve-alone")[0]
    assert server.seen == ["192.0.2.2", world.host.addresses("ve-alone")[0]]


def test_s53_a_machine_never_sees_localhost_as_a_caller(world):
    """Programs trust it."""
    if world.weak:
        pytest.skip("nothing is published any more")
    listener = frames.Listener(world.alone, "host0", MARK)
    mac = world.host.links()["eth0"]["address"]
    with listener:
        for source, to in (("127.0.0.1", "192.0.2.1"), ("::1", "2001:db8::1")):
            frames.send(world.other, "eth0", datagram(source, to, 8080), mac, times=2)
        assert not listener.heard(0.25)
        for source, to in (("192.0.2.99", "192.0.2.1"), ("2001:db8::99", "2001:db8::1")):
            frames.send(world.other, "eth0", datagram(source, to, 8080), mac)
            assert listener.heard(5)
