"""While a link of a machine that may reach nothing comes and goes, it says all the time what the host would hear."""
import socket
import threading

import pytest

from support import frames, runner

SOL_PACKET, QDISC_BYPASS = 263, 20
PORT, TURNS, MARK = 4000, 5, b"redd-attach-mark"
ALL = "ff02::1"


class Sender:
    """By the link as soon as it is there, and as long as it is: whoever has a packet socket needs no addresses for that."""

    def __init__(self, net, link):
        self.link, self.running = link, True
        kind, packet = frames.ip("fe80::77", ALL, frames.udp(PORT, PORT, MARK))
        self.frame = frames.mac(frames.multicast(ALL)) + frames.mac("02:00:00:00:00:77") + kind.to_bytes(2, "big") + packet
        with net.inside():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        # not only when the kernel has noticed that it has a carrier
        self.socket.setsockopt(SOL_PACKET, QDISC_BYPASS, 1)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while self.running:
            try:
                self.socket.bind((self.link, 0))
                while self.running:
                    self.socket.send(self.frame)
            except OSError:  # not there, or not any more
                pass

    def stop(self):
        self.running = False
        self.thread.join()
        self.socket.close()


@pytest.fixture
def heard(host):
    """What the host has heard so far."""
    one, place = host.socket("udp", "::", PORT, listen=True)
    one.bind(place)
    one.setblocking(False)

    def read():
        count = 0
        while True:
            try:
                count += one.recv(256) == MARK
            except BlockingIOError:
                return count
    with one:
        yield read


@pytest.fixture
def host(network):
    return network.host("host")


@pytest.fixture
def start(host, redd, tree):
    """start(options): a machine that is always sending by its second link, if it has one."""
    senders = []

    def start(*options):
        senders.append(Sender(host.machine(redd, "coming", tree, "--network-veth", *options), "host1"))
    yield start
    for sender in senders:
        sender.stop()


def test_there_are_rules_before_a_link_is_up_and_until_it_is_gone(host, redd, start, heard):
    start("--network-egress=")
    for _ in range(TURNS):
        host.machinectl(redd, "network", "attach", "coming", "veth").ok()
        assert heard() == 0
        host.machinectl(redd, "network", "detach", "coming", "host1").ok()
        assert heard() == 0


def test_control_who_may_reach_everything_is_heard(host, redd, start, heard):
    start()
    host.machinectl(redd, "network", "attach", "coming", "veth").ok()
    runner.until(heard)
    host.machinectl(redd, "network", "detach", "coming", "host1").ok()


def guards(host):
    """The tables that who flushes rulesets cannot flush."""
    return host.ruleset().count("table netdev redd-")


def test_who_flushes_the_hosts_rules_opens_no_further_link(host, redd, start, heard):
    start("--network-egress=")
    host.machinectl(redd, "network", "attach", "coming", "veth").ok()
    host.run("nft", "flush", "ruleset")
    heard()  # what was under way
    assert (guards(host), heard()) == (2, 0)
    host.machinectl(redd, "network", "detach", "coming", "host1").ok()
    assert (guards(host), heard()) == (1, 0)


def test_control_without_a_list_nobody_is_guarded(host, redd, start, heard):
    start()
    host.machinectl(redd, "network", "attach", "coming", "veth").ok()
    host.run("nft", "flush", "ruleset")
    assert guards(host) == 0
    runner.until(heard)


@pytest.mark.parametrize("crash", [False, True], ids=["stop", "crash"])
def test_there_are_rules_until_what_it_left_in_the_kernel_is_silent(host, redd, tree, heard, crash):
    """As bridges in a circle do, and what waits in a queue: its namespace stays for as long as anything has it."""
    for _ in range(TURNS):
        machine = host.machine(redd, "ended", tree, "--network-veth", "--network-egress=")
        sender = Sender(machine, "host0")
        try:
            machine.crash() if crash else machine.stop()
            host.machines.remove(machine)
            host.machinectl(redd, "reap", "ended")
            assert heard() == 0
        finally:
            sender.stop()
