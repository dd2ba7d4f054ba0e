"""A machine that may reach nothing has the addresses of one that might, and goes on with what that one began."""
import socket

import pytest

from support import runner

PORT, OWN = 4001, 5001


@pytest.fixture
def host(network):
    host, other = network.host("host"), network.host("other")
    network.lan(host, other)
    host.other = other
    for one in (host, other):
        one.server("udp", None, PORT)
    return host


def ask(machine, address):
    """From always the same port, as another one began it."""
    one, place = machine.socket("udp", address, PORT)
    with one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(("", OWN))
        one.settimeout(1)
        try:
            one.connect(place)
            one.send(b"?")
            return one.recv(64)
        except OSError:
            return None


def answers(caller):
    caller.send(b"?")
    try:
        return caller.recv(64)
    except socket.timeout:
        return None


PLACES = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"]


@pytest.mark.parametrize("options", [[], ["--network-egress="]], ids=["control", "restricted"])
def test_what_another_machine_began_is_over(host, redd, tree, options):
    for link in ("--network-veth", "--network-zone=z"):
        machine = host.machine(redd, "heir", tree, link)
        own = machine.addresses("host0")
        runner.until(lambda: all(ask(machine, place) for place in PLACES))
        machine.stop()
        host.machines.remove(machine)
        machine = host.machine(redd, "heir", tree, link, *options)
        assert machine.addresses("host0") == own
        assert [bool(ask(machine, place)) for place in PLACES] == [not options] * len(PLACES)
        machine.stop()
        host.machines.remove(machine)


@pytest.mark.parametrize("options", [[], ["--network-egress="]], ids=["control", "restricted"])
def test_who_talked_to_another_machine_is_not_answered(host, redd, tree, options):
    machine = host.machine(redd, "heir", tree, "--network-veth", "--port=8080:80", "--port=udp:8080:80")
    caller, place = host.other.socket("udp", "192.0.2.1", 8080)
    machine.server("udp", None, 80)
    with caller:
        caller.connect(place)
        caller.settimeout(1)
        runner.until(lambda: answers(caller))
        machine.stop()
        host.machines.remove(machine)
        machine = host.machine(redd, "heir", tree, "--network-veth", *options)
        one, back = machine.socket("udp", "192.0.2.2", caller.getsockname()[1])
        with one:
            one.bind(("", 80))
            one.connect(back)
            one.send(b"still there")
            try:
                while caller.recv(64) != b"still there":
                    pass  # an answer that came late
                assert not options
            except socket.timeout:
                assert options
