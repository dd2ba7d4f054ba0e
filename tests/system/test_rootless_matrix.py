"""Without root: who calls a machine, how, over which protocol and family, and as whom it is seen.

As test_network_matrix, where it can be: machines alone (--network-veth), and in a zone. Their addresses are known to their siblings
and the user's own rules only; the host and others reach what is published. Peers' addresses are kept by pasta, but for
those of the host itself, which it shows as somebody's of its own.
"""
import shutil

import pytest

from support import runner
from support.rootless import ask, pastas, serve

pytestmark = pytest.mark.skipif(not shutil.which("pasta"), reason="pasta is not installed (package passt)")

# the pasta of 2023 forgets the new number of a udp port for who comes from localhost
PORTS = ["--port=tcp:8080:80", "--port=udp:8080:8080"]
MODES = {
    "alone": ["--network-veth"],
    "alone, restricted": ["--network-veth", "--network-egress=192.0.2.0/24 2001:db8::/64"],
    "zone": ["--network-zone=z"],
    "zone, restricted": ["--network-zone=z", "--network-egress=192.0.2.0/24 2001:db8::/64"],
}
ZONES = ("zone", "zone, restricted")
SOMEBODY = "somebody"


class World:
    def __init__(self, network, mine, user, mode):
        self.mode = mode
        self.host, self.other = network.host("host"), network.host("other")
        network.lan(self.host, self.other)
        host = self.host
        host.ip("route", "add", "default", "via", "192.0.2.2")
        host.ip("-6", "route", "add", "default", "via", "2001:db8::2")
        host.run("install", "-d", "-m", "700", "-o", user.uid, "-g", user.gid, "/run/user/%d" % user.uid)
        host.before = host.picture()
        self.web = host.machine(mine, "web", mine.tree, "-x", *MODES[mode], *PORTS)
        self.elsewhere = host.machine(mine, "elsewhere", mine.tree, "-x", "--network-zone=y")
        self.alone = host.machine(mine, "alone", mine.tree, "-x", "--network-veth")
        self.sibling = host.machine(mine, "sibling", mine.tree, "-x", "--network-zone=z") if mode in ZONES else None
        serve(self.web, "tcp", None, 80)
        serve(self.web, "udp", None, 8080)
        for protocol in ("tcp", "udp"):
            serve(self.other, protocol, None, 7)
            serve(self.host, protocol, None, 7)
        self.known = {each: each.addresses("host0") for each in host.machines}

    def address(self, who, family):
        if who in (self.host, self.other):
            return {4: "192.0.2.%d", 6: "2001:db8::%d"}[family] % (1 if who is self.host else 2)
        return [each for each in self.known[who] if (":" in each) == (family == 6)][0]

    def gateway(self, who, family):
        return who.ip(*(["-6"] if family == 6 else []), "route", "show", "default").split()[2]


@pytest.fixture(params=MODES)
def world(request, network, mine, user):
    made = World(network, mine, user, request.param)
    yield made
    made.host.stop()
    runner.until(lambda: not pastas())
    assert not made.host.left()


def published(world, family, protocol):
    return world.address(world.host, family), 8080


def direct(world, family, protocol):
    return world.address(world.web, family), {"tcp": 80, "udp": 8080}[protocol]


def by_localhost(world, family, protocol):
    return {4: "127.0.0.1", 6: "::1"}[family], 8080


def by_gateway(world, family, protocol):
    return world.gateway(world.sibling, family), 8080


def own(name):
    return lambda world, family: world.address(getattr(world, name), family)


ALL = tuple(MODES)
CALLERS = {
    "another host, a published port": (ALL, "other", published, own("other")),
    "the host, a published port at its address": (ALL, "host", published, SOMEBODY),
    "the host, a published port at localhost": (ALL, "host", by_localhost, SOMEBODY),
    "another host, the machine's address": (ALL, "other", direct, "nothing"),
    "the host, the machine's address": (ALL, "host", direct, "nothing"),
    "the machine itself, its address": (ALL, "web", direct, own("web")),
    "a sibling, the machine's address": (ZONES, "sibling", direct, own("sibling")),
    "a sibling, a published port at the gateway": (ZONES, "sibling", by_gateway, SOMEBODY),
    "a sibling, a published port of the host": (ZONES, "sibling", published, SOMEBODY),
    "a machine of another zone, a published port of the host": (ALL, "elsewhere", published, SOMEBODY),
    "a machine of another zone, the machine's address": (ALL, "elsewhere", direct, "nothing"),
    "a machine alone, a published port of the host": (ALL, "alone", published, SOMEBODY),
    "a machine alone, the machine's address": (ALL, "alone", direct, "nothing"),
}


def test_who_is_answered_and_as_whom_it_is_seen(world):
    wrong = []
    for caller, (modes, who, where, expected) in CALLERS.items():
        for protocol in ("tcp", "udp") if world.mode in modes else ():
            for family in (4, 6):
                wanted = expected if isinstance(expected, str) else expected(world, family)
                seen = ask(getattr(world, who), protocol, *where(world, family, protocol), timeout=0.7 if wanted == "nothing" else 3)
                if seen != wanted and (wanted != SOMEBODY or seen == "nothing"):
                    wrong.append((caller, protocol, family, seen))
    assert not wrong
    # and whom the machine reaches
    for net in (world.host, world.other):
        for protocol in ("tcp", "udp"):
            for family in (4, 6):
                assert ask(world.web, protocol, world.address(net, family), 7) == world.address(world.host, family)
