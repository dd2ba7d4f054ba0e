"""What a restricted machine is refused: `machinectl events` tells of each packet, and of each name."""
import contextlib
import socket
import struct
import threading

import pytest

from support import machines, runner



class Names:
    """A name server: {"good.example": "203.0.113.7"}. All other names do not exist."""

    def __init__(self, host, address, known):
        self.known, self.asked = known, []
        self.socket, place = host.socket("udp", address, 53, listen=True)
        self.socket.bind(place)
        threading.Thread(target=self._serve, daemon=True).start()

    def _answer(self, query):
        end, labels = 12, []
        while query[end]:
            labels.append(query[end + 1:end + 1 + query[end]].decode().lower())
            end += 1 + query[end]
        kind, question = struct.unpack(">H", query[end + 1:end + 3])[0], query[12:end + 5]
        name = ".".join(labels)
        self.asked.append(name)
        address = self.known.get(name)
        answer = b""
        if address and kind == 1:
            answer = struct.pack(">HHHIH", 0xC00C, 1, 1, 30, 4) + socket.inet_aton(address)
        flags = 0x8180 if address else 0x8183
        return query[:2] + struct.pack(">HHHHH", flags, 1, 1 if answer else 0, 0, 0) + question + answer

    def _serve(self):
        while True:
            try:
                query, peer = self.socket.recvfrom(2048)
            except OSError:
                return
            if not query:  # shut down
                return
            self.socket.sendto(self._answer(query), peer)

    def close(self):
        with contextlib.suppress(OSError):  # it wakes who waits all the same
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def resolve(machine, name, kind=1):
    """The machine's question to its gateway: (code, address or None). Asked again like a libc does: a datagram may be lost."""
    one, place = machine.socket("udp", gateway(machine), 53)
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    with one:
        one.settimeout(3)
        for left in range(9, -1, -1):
            one.sendto(struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", kind, 1), place)
            try:
                answer = one.recv(2048)
                break
            except TimeoutError:
                if left == 0:
                    raise
    count = struct.unpack(">H", answer[6:8])[0]
    return answer[3] & 15, socket.inet_ntoa(answer[-4:]) if count and kind == 1 else None


def send(machine, protocol, address, port):
    """One packet."""
    one, place = machine.socket(protocol, address, port)
    with one:
        one.setblocking(False)
        with contextlib.suppress(OSError):  # what comes back is others' matter
            one.connect(place)
            one.send(b"x")


def gateway(machine):
    return machine.ip("route", "show", "default").split()[2]


@pytest.fixture(scope="module")
def host(network_module):
    """With everything else behind eth0, and a name server there."""
    host, other = network_module.host("host"), network_module.host("other")
    network_module.lan(host, other)
    host.ip("route", "add", "default", "via", "192.0.2.2")
    host.ip("-6", "route", "add", "default", "via", "2001:db8::2")
    host.file("/etc/resolv.conf", "nameserver 192.0.2.2\n")
    for address in ("203.0.113.7/32", "11.0.0.7/32", "198.51.100.1/32", "2001:db8:1::1/128"):
        other.ip("address", "add", address, "dev", "lo")
    other.ip("link", "set", "lo", "up")
    host.other = other
    other.names = Names(other, "192.0.2.2", {"good.example": "11.0.0.7", "rebind.example": "10.1.2.3",
                                             "metadata.example": "169.254.169.254"})
    other.server("tcp", None, 443)
    yield host
    other.names.close()


@pytest.fixture
def watch(host, redd):
    """watch("NAME"): its events, from its beginning on."""
    started = []

    def begin(machine):
        events = machines.Events(host.control(redd), machine.name)
        started.append(events)
        assert [event["event"] for event in events.upto("running")] == ["running"]
        return events
    yield begin
    for each in started:
        runner.terminate(each.process)
    host.stop()
    assert not host.left()


def refusal(events):
    """The next one, which says what it is and nothing else."""
    event = events.next()
    assert (event.pop("event"), event.pop("machine")) == ("refused", "guarded")
    assert event.pop("time") > 1e15
    return event


def quiet(events, machine):
    """Nothing more was refused: the next event is of something that is refused now."""
    assert resolve(machine, "quiet.example")[0] == 5
    assert refusal(events) == {"name": "quiet.example"}


def test_packets(host, redd, tree, watch):
    machine = host.machine(redd, "guarded", tree, "--network-veth", "--network-egress=tcp:203.0.113.7:443 tcp:[2001:db8:1::1]:443")
    events = watch(machine)
    # what may be reached is reached, and no event
    assert machine.connect("tcp", "203.0.113.7", 443) == "192.0.2.1"
    assert machine.connect("tcp", "2001:db8:1::1", 443) == "2001:db8::1"
    for protocol, address, port in [
            ("tcp", "198.51.100.1", 443), ("tcp", "203.0.113.7", 444), ("udp", "203.0.113.7", 443),  # QUIC
            ("udp", "8.8.8.8", 53), ("tcp", "1.1.1.1", 853), ("tcp", "169.254.169.254", 80),
            ("tcp", "2001:db8::2", 443), ("udp", "2001:db8:1::1", 443),
            # the host itself
            ("tcp", "192.0.2.1", 22), ("tcp", gateway(machine), 22)]:
        send(machine, protocol, address, port)
        assert refusal(events) == {"protocol": protocol, "address": address, "port": port}
    quiet(events, machine)


def test_packets_without_ports(host, redd, tree, watch):
    machine = host.machine(redd, "guarded", tree, "--network-veth", "--network-egress=")
    events = watch(machine)
    with machine.inside():
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        tunnel = socket.socket(socket.AF_INET, socket.SOCK_RAW, 47)
    with raw, tunnel:
        raw.sendto(struct.pack(">BBHHH", 8, 0, 0xf7fd, 1, 1), ("198.51.100.1", 0))
        assert refusal(events) == {"protocol": "icmp", "address": "198.51.100.1"}
        tunnel.sendto(b"\0\0\x08\0", ("198.51.100.1", 0))
        assert refusal(events) == {"protocol": 47, "address": "198.51.100.1"}
    quiet(events, machine)


def test_names(host, redd, tree, watch):
    machine = host.machine(redd, "guarded", tree, "--network-veth", "--network-egress=good.example:443 *.wild.example rebind.example "
                           "metadata.example")
    events = watch(machine)
    assert resolve(machine, "good.example") == (0, "11.0.0.7")
    assert machine.connect("tcp", "11.0.0.7", 443) == "192.0.2.1"
    assert resolve(machine, "a.wild.example")[0] == 3
    del host.other.names.asked[:]
    for name in ("evil.example", "wild.example", "good.example.evil.example", "xn--bcher-kva.example"):
        for kind in (1, 28, 16):
            assert resolve(machine, name, kind) == (5, None)
        # one question, in whatever kinds
        assert refusal(events) == {"name": name}
    assert host.other.names.asked == []
    # an allowed name that leads to where no name may lead
    assert resolve(machine, "rebind.example")[1] is None
    assert refusal(events) == {"name": "rebind.example", "address": "10.1.2.3"}
    assert resolve(machine, "metadata.example")[1] is None
    assert refusal(events) == {"name": "metadata.example", "address": "169.254.169.254"}
    quiet(events, machine)


def test_who_may_reach_everything_is_refused_nothing(host, redd, tree, watch):
    """Also: no list is not an empty list."""
    machine = host.machine(redd, "guarded", tree, "--network-veth")
    events = watch(machine)
    assert machine.connect("tcp", "198.51.100.1", 443) == "192.0.2.1"
    assert resolve(machine, "evil.example")[0] == 3
    assert not host.run("find", "/run/redd", "-name", "*.refused").out
    machine.stop()
    assert [event["event"] for event in events.upto("ended")][-1] == "ended"


def test_a_guest_that_does_not_give_up_fills_nothing(host, redd, tree, watch):
    machine = host.machine(redd, "guarded", tree, "--network-veth", "--network-egress=good.example")
    events = watch(machine)
    one, place = machine.socket("udp", "198.51.100.1", 1)
    with one:
        for _ in range(20000):
            try:
                one.sendto(b"x", place)
            except OSError:
                pass
    for number in range(300):
        assert resolve(machine, "n%d.example" % number)[0] == 5
    assert resolve(machine, "good.example") == (0, "11.0.0.7")
    size = int(host.run("stat", "-c", "%s", "/run/redd/machines/.guarded.refused").out)
    assert 1000 < size < 64 * 1024
    machine.stop()
    seen = [event for event in events.upto("ended") if event["event"] == "refused"]
    assert 50 < len(seen) < 1000


def test_a_supervisors_new_program_goes_on_telling(host, redd, tree, watch):
    machine = host.machine(redd, "guarded", tree, "--network-veth", "--network-egress=")
    events = watch(machine)
    send(machine, "tcp", "198.51.100.1", 1)
    assert refusal(events)["port"] == 1
    host.machinectl(redd, "reexec", "guarded").ok()
    send(machine, "tcp", "198.51.100.1", 2)
    assert refusal(events)["port"] == 2
    assert resolve(machine, "evil.example")[0] == 5
    assert refusal(events) == {"name": "evil.example"}


def test_what_a_killed_supervisor_noted_is_cleaned_up(host, redd, tree):
    machine = host.machine(redd, "guarded", tree, "--network-veth", "--network-egress=")
    send(machine, "tcp", "198.51.100.1", 1)
    place = "/run/redd/machines/.guarded.refused"
    runner.until(lambda: host.run("test", "-s", place, check=False).code == 0)
    machine.crash()
    host.machinectl(redd, "reap", "guarded").ok()
    assert host.run("test", "-e", place, check=False).code == 1
    host.machines.remove(machine)
    assert not host.left()


def test_two_machines_are_told_apart(host, redd, tree, watch):
    other = host.machine(redd, "other-guarded", tree, "--network-zone=z", "--network-egress=", "--ephemeral")
    machine = host.machine(redd, "guarded", tree, "--network-zone=z", "--network-egress=", "--ephemeral")
    events = watch(machine)
    send(other, "tcp", "198.51.100.1", 1)
    assert resolve(other, "evil.example")[0] == 5
    send(machine, "tcp", "198.51.100.1", 2)
    assert refusal(events)["port"] == 2
