"""A normal user's machines on the network, through pasta: two hosts, and who talks to whom."""
import os
import socket

import pytest

from support import network as support, runner

HOST4, HOST6, FAR4, FAR6 = "192.0.2.1", "2001:db8::1", "192.0.2.2", "2001:db8::2"


class Polite(support.Server):
    """Answers who has asked. (The pasta of 2023 waits for the client's first word before the machine hears of it.)"""

    def _tell(self, listener):
        if self.protocol == "udp":
            return super()._tell(listener)
        connection, peer = listener.accept()
        with connection:
            connection.settimeout(5)
            if connection.recv(1024):
                self.seen.append(support.plain(peer[0]))
                connection.sendall(self.seen[-1].encode())


def serve(net, protocol, address, port):
    return net.server(protocol, address, port, Polite)


def ask(net, protocol, address, port, timeout=5.0):
    """Who the server says we are; or "nothing", however that was told. Say a shorter TIMEOUT where that is expected."""
    one, place = net.socket(protocol, address, port)
    with one:
        one.settimeout(timeout)
        try:
            one.connect(place)
            one.send(support.QUESTION)
            return one.recv(1024).decode() or "nothing"
        except (OSError, socket.timeout):
            return "nothing"


def pastas():
    """Process numbers of all there are; not of those that have ended."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % entry, "rb") as file:
                if any(word.split(b"/")[-1] == b"pasta" for word in file.read().split(b"\0")[:4]):
                    found.append(int(entry))
        except OSError:
            pass
    return found


def end(host):
    """All its machines, which leave nothing."""
    for machine in host.machines:
        machine.stop()
    host.machines = []
    runner.until(lambda: not pastas())
    assert not host.left(), host.left()


@pytest.fixture
def host(network, user):
    """Two hosts; the user's, which leads to all others by `far`."""
    host, host.far = network.host("host"), network.host("far")
    network.lan(host, host.far)
    host.ip("route", "add", "default", "via", FAR4)
    host.ip("-6", "route", "add", "default", "via", FAR6)
    host.run("install", "-d", "-m", "700", "-o", user.uid, "-g", user.gid, "/run/user/%d" % user.uid)
    host.before = host.picture()
    return host


@pytest.fixture
def start(host, mine):
    """start("--port=…"): a Machine of the user's with a network."""
    def start(*options, name="web", **more):
        return host.machine(mine, name, mine.tree, "--network-veth", *options, **more)
    yield start
    end(host)
