"""A machine that may reach only what was listed tries to reach more (--network-egress=).

Every way out is tried by a restricted machine, where it must be closed, and by one that may reach everything, where it must be
open, so that a way that leads nowhere is noticed.
"""
import ipaddress
import socket
import struct
import subprocess
import time

import pytest

from support import dns, frames
from support.network import Net, Network

MARK = b"redd-egress-mark"
EGRESS = ("tcp:allowed.example.org:443 *.wild.example.org:443 short.example.org:443 inside.example.org meta.example.org loop.example.org "
          "six.example.org mapped.example.org tcp:alias.example.org:443 both.example.org tcp:11.0.0.90:80 tcp:[2a00:9::90]:80")
NAMES = {
    "allowed.example.org": [("A", 300, "11.0.0.80"), ("AAAA", 300, "2a00:9::80")],
    "a.wild.example.org": [("A", 300, "11.0.0.82")],
    "short.example.org": [("A", 1, "11.0.0.83"), ("AAAA", 1, "2a00:9::83")],
    "evil.example.org": [("A", 300, "11.0.0.81"), ("AAAA", 300, "2a00:9::81")],
    "inside.example.org": [("A", 300, "10.9.9.9")],
    "meta.example.org": [("CNAME", 300, "meta.evil.example.org")], "meta.evil.example.org": [("A", 300, "169.254.169.254")],
    "loop.example.org": [("CNAME", 300, "loop.evil.example.org")], "loop.evil.example.org": [("A", 300, "127.0.0.1"), ("AAAA", 300, "::1")],
    "six.example.org": [("AAAA", 300, "fd00:9::9")],
    "mapped.example.org": [("AAAA", 300, "64:ff9b::a09:909")],
    "alias.example.org": [("CNAME", 300, "allowed.example.org")],
    "both.example.org": [("A", 300, "10.9.9.9"), ("A", 300, "11.0.0.84")],
}
FAR4 = ["11.0.0.80", "11.0.0.81", "11.0.0.82", "11.0.0.83", "11.0.0.84", "11.0.0.90", "8.8.8.8", "1.1.1.1", "10.9.9.9",
        "172.16.9.9", "192.168.9.9"]
FAR6 = ["2a00:9::80", "2a00:9::81", "2a00:9::83", "2a00:9::90", "2001:4860:4860::8888", "fd00:9::9"]
MODES = {"link": ["-n"], "zone": ["--network-zone=z"], "user": ["--network-zone=z"]}


class World:
    def __init__(self, redd, tree, mode, free, user=None):
        self.free, self.user = free, user
        self.redd, self.tree = redd, tree
        self.network = network = Network()
        self.host, self.other = network.host("host"), network.host("other")
        network.lan(self.host, self.other)
        for address in FAR4 + FAR6:
            six = ":" in address
            self.other.ip("address", "add", "%s/%d" % (address, 128 if six else 32), "dev", "lo")
            self.host.ip("route", "add", address, "via", "2001:db8::2" if six else "192.0.2.2")
        self.host.ip("route", "add", "11.0.0.0/24", "via", "192.0.2.2")
        if user:
            self.host.ip("route", "add", "default", "via", "192.0.2.2")
            self.host.ip("-6", "route", "add", "default", "via", "2001:db8::2")
            self.host.run("install", "-d", "-m", "700", "-o", user.uid, "-g", user.gid, "/run/user/%d" % user.uid)
            self.host.before = self.host.picture()
        self.host.file("/etc/resolv.conf", "nameserver 192.0.2.2\n")
        self.names = dns.Server(self.other, "192.0.2.2", NAMES)
        self.others = [dns.Server(self.other, address, NAMES) for address in ("8.8.8.8", "2001:4860:4860::8888")]
        for protocol in ("tcp", "udp"):
            for port in (7, 80, 443, 853):
                self.other.server(protocol, None, port)
            self.host.server(protocol, None, 22)
        egress = [] if free else ["--network-egress=" + EGRESS]
        self.machine = self.host.machine(redd, "guarded", tree, "-x", *MODES[mode], *egress)
        self.neighbour = self.host.machine(redd, "neighbour", tree, "-x", *MODES[mode])
        self.link = "ve-guarded" if mode == "link" else "vz-z"
        self.own = self.machine.addresses("host0")
        # a user's machines have the namespace in the middle for the host
        self.middle = Net("/proc/%d/ns/net" % self.machine.process.pid) if user else self.host
        self.gateways = self.middle.addresses(self.link)
        self.mac = self.middle.links()[self.link]["address"]

    def close(self):
        if self.user:
            self.middle.close()
        self.network.close()

    def reaches(self, address, port=443, protocol="tcp", expected=True):
        """No answer is soon believed where none is EXPECTED."""
        answer = self.machine.ask(protocol, address, port, timeout=5 if expected else 0.5)
        return answer not in ("timeout", "unreachable", "refused")

    def resolve(self, name, kind="A", **more):
        return dns.ask(self.machine, self.gateways[0], name, kind, **more)

    def sends(self, frame):
        """Something of it comes out of the host."""
        with frames.Listener(self.other, "eth0", MARK) as listener:
            frames.send(self.machine, "host0", frame, self.mac, times=2)
            return listener.heard(2 if self.free else 0.25)


@pytest.fixture(scope="module", params=["link", "zone", "control", "user"])
def world(request, redd, tree):
    free = request.param == "control"
    if request.param == "user":
        user, mine = request.getfixturevalue("user"), request.getfixturevalue("mine_module")
        made = World(mine, mine.tree, "user", False, user)
    else:
        made = World(redd, tree, "link" if free else request.param, free)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def guarded(world):
    if world.free:
        pytest.skip("is about a list")
    return world


# ---- what was listed ----

def test_what_was_listed_is_reached(world):
    assert world.reaches("11.0.0.90", 80) and world.reaches("2a00:9::90", 80)
    for name, kind, address in (("allowed.example.org", "A", "11.0.0.80"), ("allowed.example.org", "AAAA", "2a00:9::80"),
                                ("a.wild.example.org", "A", "11.0.0.82"), ("ALLOWED.example.ORG", "A", "11.0.0.80")):
        assert world.resolve(name, kind).addresses == [address]
        assert world.reaches(address)
    assert world.resolve("alias.example.org").addresses == ["11.0.0.80"]


# ---- addresses ----

@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("address", ["11.0.0.81", "2a00:9::81", "8.8.8.8", "1.1.1.1", "2001:4860:4860::8888", "10.9.9.9", "172.16.9.9",
                                     "192.168.9.9", "fd00:9::9", "192.0.2.2", "2001:db8::2"])
def test_no_other_address_by_its_number(world, address, protocol):
    for port in (443, 80):
        assert world.reaches(address, port, protocol, expected=world.free) == world.free


@pytest.mark.parametrize("port", [7, 443, 853])
def test_a_listed_address_by_no_other_port(world, port):
    for address in ("11.0.0.90", "2a00:9::90"):
        assert world.reaches(address, port, expected=world.free) == world.free


def test_a_listed_address_by_no_other_protocol(world):
    """QUIC, say."""
    world.resolve("allowed.example.org")
    for address, port in (("11.0.0.90", 80), ("2a00:9::90", 80), ("11.0.0.80", 443)):
        assert world.reaches(address, port, "udp", expected=world.free) == world.free


def test_a_name_opens_its_own_port(world):
    assert world.resolve("allowed.example.org").addresses == ["11.0.0.80"]
    for port in (7, 80, 853):
        assert world.reaches("11.0.0.80", port, expected=world.free) == world.free


def test_an_address_that_nobody_asked_for_is_closed_though_its_name_is_listed(redd, tree, guarded):
    """The neighbour may know it, and the host."""
    assert dns.ask(guarded.neighbour, guarded.neighbour.ip("route", "show", "default").split()[2], "both.example.org").addresses
    assert not guarded.reaches("11.0.0.84", expected=False)


@pytest.mark.parametrize("address", ["gateway4", "gateway6", "192.0.2.1", "2001:db8::1"])
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_not_even_the_host(world, address, protocol):
    address = {"gateway4": world.gateways[0], "gateway6": world.gateways[1]}.get(address, address)
    assert world.reaches(address, 22, protocol, expected=world.free) == world.free


# ---- names ----

@pytest.mark.parametrize("server", ["8.8.8.8", "2001:4860:4860::8888", "192.0.2.2"])
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_no_other_resolver(world, server, protocol):
    answer = dns.ask(world.machine, server, "evil.example.org", protocol=protocol, timeout=0.5)
    assert isinstance(answer, dns.Answer) == world.free


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2001:4860:4860::8888"])
@pytest.mark.parametrize("port, protocol", [(443, "tcp"), (443, "udp"), (853, "tcp"), (853, "udp")])
def test_no_resolver_that_hides_what_it_is(world, address, port, protocol):
    assert world.reaches(address, port, protocol, expected=world.free) == world.free


@pytest.mark.parametrize("name", ["evil.example.org", "wild.example.org", "example.org", "allowed.example.org.evil.example.org",
                                  "notallowed.example.org", "secret-data.evil.example.org", "meta.evil.example.org"])
def test_other_names_are_not_asked_for(world, name):
    """Nor do they carry anything out."""
    del world.names.asked[:]
    for kind in ("A", "AAAA", "TXT"):
        answer = world.resolve(name, kind)
        assert (answer.code == "refused" and answer.records == []) != world.free
    assert bool(world.names.asked) == world.free


@pytest.mark.parametrize("name, kind, address", [
    ("inside.example.org", "A", "10.9.9.9"), ("meta.example.org", "A", "169.254.169.254"), ("loop.example.org", "A", "127.0.0.1"),
    ("loop.example.org", "AAAA", "::1"), ("six.example.org", "AAAA", "fd00:9::9"), ("mapped.example.org", "AAAA", "64:ff9b::a09:909")])
def test_a_listed_name_that_leads_inside_leads_nowhere(world, name, kind, address):
    assert (address in world.resolve(name, kind).addresses) == world.free
    if address in FAR4 + FAR6:
        assert world.reaches(address, expected=world.free) == world.free


def test_of_several_addresses_those_inside_are_left_out(guarded):
    assert guarded.resolve("both.example.org").addresses == ["11.0.0.84"]
    assert guarded.reaches("11.0.0.84", 80) and not guarded.reaches("10.9.9.9", 80, expected=False)
    # a name without a port opens all of them but those of resolvers
    assert not guarded.reaches("11.0.0.84", 853, expected=False)


@pytest.mark.slow
def test_an_answer_that_is_no_longer_good_closes_what_it_opened(world):
    for kind, address in (("A", "11.0.0.83"), ("AAAA", "2a00:9::83")):
        assert world.resolve("short.example.org", kind).addresses == [address]
        assert world.reaches(address)
    time.sleep(1 + 2 + 1.5)
    for address in ("11.0.0.83", "2a00:9::83"):
        assert world.reaches(address, expected=world.free) == world.free
    assert world.resolve("short.example.org").addresses == ["11.0.0.83"] and world.reaches("11.0.0.83")


# ---- packets that no kernel would send ----

def test_no_packet_by_a_packet_socket(world):
    for source, to in ((world.own[0], "11.0.0.81"), (world.own[1], "2a00:9::81")):
        for payload in (frames.udp(7, 443, MARK), frames.tcp(7, 443, MARK)):
            assert world.sends(frames.ip(source, to, payload)) == world.free


@pytest.mark.parametrize("extension", [0, 43, 60])
def test_none_behind_an_extension_header(world, extension):
    frame = frames.ip(world.own[1], "2a00:9::81", frames.udp(7, 443, MARK), extension=extension)
    through = world.sends(frame)
    # 43 with nothing left to visit is as good as none
    assert through == world.free
    if not world.free:
        assert not world.sends(frames.ip(world.own[1], "2a00:9::90", frames.udp(7, 443, MARK), extension=extension))


@pytest.mark.parametrize("offset", [0, 8])
def test_none_in_pieces(world, offset):
    """First and later pieces, of which the later have no ports."""
    kind, packet = frames.ip(world.own[0], "11.0.0.81", frames.udp(7, 443, MARK))
    piece = bytearray(packet)
    piece[6:8] = struct.pack(">H", (0x2000 if offset == 0 else 0) | offset)
    piece[10:12] = b"\0\0"
    piece[10:12] = struct.pack(">H", frames.checksum(bytes(piece[:20])))
    # alone it is waited for the others, by everybody
    assert not world.sends((kind, bytes(piece)))


def test_none_in_pieces_that_fit_together(world):
    """The whole, in two."""
    payload = frames.udp(7, 443, MARK * 4)
    data = payload.bytes(ipaddress.ip_address(world.own[0]), ipaddress.ip_address("11.0.0.81"))
    out = []
    for at, end, more in ((0, 24, True), (24, len(data), False)):
        header = bytearray(struct.pack(">BBHHHBBH", 0x45, 0, 20 + end - at, 77, (0x2000 if more else 0) | at // 8, 64, 17, 0))
        header += socket.inet_aton(world.own[0]) + socket.inet_aton("11.0.0.81")
        header[10:12] = struct.pack(">H", frames.checksum(bytes(header)))
        out.append((frames.IP, bytes(header) + data[at:end]))
    with frames.Listener(world.other, "eth0", MARK) as listener:
        for frame in out:
            frames.send(world.machine, "host0", frame, world.mac)
        assert listener.heard(2 if world.free else 0.25) == world.free


@pytest.mark.parametrize("number", [1, 4, 41, 47, 50, 253])
def test_none_of_another_protocol(world, number):
    """Tunnels, and what carries data in its echo."""
    data = struct.pack(">BBHHH", 8, 0, 0, 1, 1) + MARK
    payload = frames.Payload(frames.ICMP, data, 2) if number == 1 else frames.Payload(number, bytes(8) + MARK, 2)
    payload.protocol = number
    kind, packet = frames.ip(world.own[0], "11.0.0.81", payload)
    if number == 1:
        packet = frames.ip(world.own[0], "11.0.0.81", frames.icmp(8, 0, struct.pack(">HH", 1, 1) + MARK))[1]
    assert world.sends((kind, packet)) == world.free
    assert world.sends(frames.ip(world.own[0], "11.0.0.90", frames.icmp(8, 0, struct.pack(">HH", 1, 1) + MARK))) == world.free


def test_none_in_anothers_name(world):
    """The neighbour may reach everything; that it can is the control."""
    for source in (world.neighbour.addresses("host0")[0], "192.0.2.1", "203.0.113.9"):
        assert not world.sends(frames.ip(source, "11.0.0.81", frames.udp(7, 443, MARK)))
    assert world.neighbour.ask("udp", "11.0.0.81", 443) == "192.0.2.1"


def test_none_from_another_address_of_its_own_net(guarded):
    """A restricted machine has the one that it was given."""
    guarded.machine.ip("address", "add", guarded.own[1].rsplit(":", 4)[0] + "::77/64", "dev", "host0", "nodad")
    source = [each for each in guarded.machine.addresses("host0") if each.endswith(":77")][0]
    assert not guarded.sends(frames.ip(source, "2a00:9::81", frames.udp(7, 443, MARK)))
    assert not guarded.sends(frames.ip(source, "2a00:9::90", frames.udp(7, 80, MARK)))
    guarded.machine.ip("address", "delete", source + "/64", "dev", "host0")


def test_the_machines_own_rules_have_no_say(guarded):
    """Its root may flush what is there, and route as it likes."""
    guarded.machine.ip("route", "add", "11.0.0.81", "via", guarded.gateways[0])
    with guarded.machine.inside():
        subprocess.run(["nft", "flush", "ruleset"], check=True)
    assert not guarded.reaches("11.0.0.81", expected=False)


def test_a_list_without_entries_opens_nothing(guarded):
    machine = guarded.host.machine(guarded.redd, "empty", guarded.tree, "-x", "-n", "--network-egress=")
    gateway = guarded.middle.addresses("ve-empty")[0]
    for address in ("11.0.0.80", "11.0.0.90", "8.8.8.8"):
        assert machine.ask("tcp", address, 443, timeout=0.3) in ("timeout", "unreachable")
    assert dns.ask(machine, gateway, "allowed.example.org").code == "refused"
    assert dns.ask(machine, gateway, "_host").addresses == [gateway]
    machine.stop()
    guarded.host.machines.remove(machine)


def test_a_machine_in_a_zone_reaches_its_siblings(guarded):
    if guarded.link != "vz-z":
        pytest.skip("has no sibling")
    port = guarded.neighbour.server("tcp", None, 0).port
    for address, seen in zip(guarded.neighbour.addresses("host0"), guarded.own):
        assert guarded.machine.ask("tcp", address, port) == seen
