"""While what a machine may reach is changed, it tries all the time to reach what neither the old list nor the new one has, or some of
both (redd apply, Egress=). It is behind NAT: where it is routed, who talks to it from outside has begun that, and may be answered."""
import socket
import collections
import struct
import threading

import pytest

from support import runner
from support.declared import clean, host  # noqa: F401
from support.live import World

OLD, NEW, NEITHER = "11.0.0.1", "11.0.0.2", "11.0.0.3"
PORT, TURNS = 1000, 40 if runner.LONG else 12
PKTINFO = 8
SENT = b"x"


class Witness:
    """At the far host: what arrives, in order."""

    def __init__(self, far):
        self.socket, place = far.socket("udp", "0.0.0.0", PORT, listen=True)
        self.socket.setsockopt(socket.IPPROTO_IP, PKTINFO, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 1 << 27)  # SO_RCVBUFFORCE: nothing is missed, however long an apply takes
        self.socket.bind(place)
        self.socket.settimeout(30)

    def next(self):
        """What was said, and the address that was reached; which answers, so that the flow counts as established."""
        data, told, _, peer = self.socket.recvmsg(64, 256)
        self.socket.sendmsg([b"heard"], told, 0, peer)
        return data, socket.inet_ntoa(struct.unpack("=i4s4s", told[0][2])[2])

    def read(self, until):
        """The addresses that were reached, up to what UNTIL wants."""
        seen = []
        while True:
            data, address = self.next()
            if data == SENT:
                seen.append(address)
            if until(data, address):
                return seen


class Sender:
    """In the machine: to each address in turn, by flows that never end, and by new ones."""

    def __init__(self, net):
        self.net, self.running = net, True
        self.old = [net.socket("udp", address, PORT) for address in (OLD, NEW, NEITHER)]
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    @staticmethod
    def _send(one, place):
        try:
            one.sendto(SENT, place)
        except OSError:  # it is told that it may not
            pass

    def _run(self):
        while self.running:
            for one, place in self.old:
                self._send(one, place)
            for address in (OLD, NEW, NEITHER):
                one, place = self.net.socket("udp", address, PORT)
                self._send(one, place)
                one.close()

    def stop(self):
        self.running = False
        self.thread.join()
        for one, _ in self.old:
            one.close()
        self.net.close()


@pytest.fixture
def world(clean, network):
    one = World(clean, network.host("far"))
    yield one
    one.close()


def mark(text):
    """Behind all that has been sent so far."""
    one, place = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), (OLD, PORT)
    with one:
        one.sendto(text, place)


def turns(world, clean, lists, then, stays=None):
    """What arrives while one of LISTS becomes the other one, for each of some turns; from when the first of THEN was reached, by what
    one list has, to when the other one was, by the other. STAYS: both lists have it, so that it comes after that, too."""
    witness = Witness(world.far)
    world.define(*lists[0])
    clean.redd("apply").ok()
    sender, leader = Sender(world.net()), clean.leader("web")
    for number in range(TURNS):
        first, last = then[number % 2], then[(number + 1) % 2]
        witness.read(lambda data, address: data == SENT and address == first)
        world.define(*lists[(number + 1) % 2])
        clean.redd("apply").ok()
        text = b"end%d" % number
        mark(text)
        seen = [first, *witness.read(lambda data, address: data == text)]
        if last not in seen:
            seen += witness.read(lambda data, address: data == SENT and address == last)
        if first == stays and first not in seen[seen.index(last):]:
            seen += witness.read(lambda data, address: data == SENT and address == first)
        yield first, last, seen
    assert clean.leader("web") == leader
    sender.stop()
    witness.socket.close()


def test_at_each_moment_one_of_the_lists_holds(world, clean):
    lists = [["NAT=yes", "Egress=udp:%s:%d" % (address, PORT)] for address in (OLD, NEW)]
    for first, last, seen in turns(world, clean, lists, (OLD, NEW)):
        assert NEITHER not in seen
        assert first not in seen[seen.index(last):]


def test_control_what_is_in_no_list_is_seen_if_there_is_none(world, clean):
    lists = [["NAT=yes", "Egress=udp:%s:%d" % (OLD, PORT)], ["NAT=yes"]]
    found = [seen for first, _, seen in turns(world, clean, lists, (OLD, NEITHER), stays=OLD) if first == OLD]
    assert len(found) == TURNS // 2 and all(NEITHER in seen for seen in found)
    assert all(OLD in seen[seen.index(NEITHER):] for seen in found)
