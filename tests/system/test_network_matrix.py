"""Who calls a machine, how, over which protocol and family: whether it is answered, and as whom it is seen.

One host with a neighbour. The machine `web` listens at port 80, which the host publishes as 8080; beside it are a sibling where
there is a zone, and a machine elsewhere. Peers' addresses are kept wherever the kernel can.
"""
import pytest

PORTS = ["--port=tcp:8080:80", "--port=udp:8080:80"]
MODES = {
    "veth": ["--network-veth"],
    "zone": ["--network-zone=z"],
    "static": ["--network-veth", "--network-nat=no", "--network-address=198.51.100.2/24", "--network-host-address=198.51.100.1/24",
               "--network-address=2001:db8:7::2/64", "--network-host-address=2001:db8:7::1/64"],
    "static zone": ["--network-zone=z", "--network-nat=no", "--network-address=198.51.100.2/24", "--network-host-address=198.51.100.1/24",
                    "--network-address=2001:db8:7::2/64", "--network-host-address=2001:db8:7::1/64"],
}
SIBLING = ["--network-zone=z", "--network-nat=no", "--network-address=198.51.100.3/24", "--network-host-address=198.51.100.1/24",
           "--network-address=2001:db8:7::3/64", "--network-host-address=2001:db8:7::1/64"]
NAT, ROUTED = ("veth", "zone"), ("static", "static zone")
ZONES = ("zone", "static zone")
SLOW = 0.7  # for what is dropped


class World:
    def __init__(self, network, redd, tree, mode):
        self.mode = mode
        self.host, self.other = network.host("host"), network.host("other")
        network.lan(self.host, self.other)
        host = self.host
        self.web = host.machine(redd, "web", tree, "-x", *MODES[mode], *PORTS)
        self.elsewhere = host.machine(redd, "elsewhere", tree, "-x", "--network-zone=y")
        self.alone = host.machine(redd, "alone", tree, "-x", "--network-veth")
        self.sibling = None
        if mode in ZONES:
            self.sibling = host.machine(redd, "sibling", tree, "-x", *(MODES[mode] if mode == "zone" else SIBLING))
        self.link = "vz-z" if mode in ZONES else "ve-web"
        for protocol in ("tcp", "udp"):
            self.web.server(protocol, None, 80)
            self.other.server(protocol, None, 7)
            self.host.server(protocol, None, 7)
        self.known = {each: each.addresses("host0") for each in host.machines}
        self.gateways = host.addresses(self.link)
        # who knows the way still may not
        for net, via in (("10.213.0.0/16", "192.0.2.1"), ("198.51.100.0/24", "192.0.2.1"), ("fd00::/8", "2001:db8::1"), ("2001:db8:7::/64", "2001:db8::1")):
            self.other.ip("route", "add", net, "via", via)

    def address(self, who, family):
        """Of a machine, or of a host on the lan."""
        if who in (self.host, self.other):
            return {4: "192.0.2.%d", 6: "2001:db8::%d"}[family] % (1 if who is self.host else 2)
        return [each for each in self.known[who] if (":" in each) == (family == 6)][0]

    def gateway(self, family):
        return [each for each in self.gateways if (":" in each) == (family == 6)][0]


@pytest.fixture(scope="module", params=MODES)
def world(request, network_module, redd, tree):
    made = World(network_module, redd, tree, request.param)
    yield made
    made.host.stop()
    assert not made.host.left()


# caller: (modes, who asks, which address and port, what it is answered)
def published(world, family):
    return world.address(world.host, family), 8080


def direct(world, family):
    return world.address(world.web, family), 80


def by_gateway(world, family):
    return world.gateway(family), 8080


def by_localhost(world, family):
    return {4: "127.0.0.1", 6: "::1"}[family], 8080


def gateway(world, family):
    return world.gateway(family)


def own(name):
    return lambda world, family: world.address(getattr(world, name), family)


ALL = tuple(MODES)
CALLERS = {
    "another host, a published port": (ALL, "other", published, own("other")),
    "another host, the machine's address": (NAT, "other", direct, "timeout"),
    "another host, the machine's address, which is routed": (ROUTED, "other", direct, own("other")),
    "another host, a published port at the gateway's address": (ALL, "other", by_gateway, own("other")),
    "the host, a published port at its address": (ALL, "host", published, own("host")),
    "the host, a published port at the gateway's address": (ALL, "host", by_gateway, gateway),
    "the host, a published port at localhost": (ALL, "host", by_localhost, gateway),
    "the host, the machine's address": (ALL, "host", direct, gateway),
    "the machine itself, a published port": (ALL, "web", published, gateway),
    "the machine itself, a published port at the gateway's address": (ALL, "web", by_gateway, gateway),
    "the machine itself, its address": (ALL, "web", direct, own("web")),
    "a sibling, a published port": (ZONES, "sibling", published, gateway),
    "a sibling, the machine's address": (ZONES, "sibling", direct, own("sibling")),
    "a machine of another zone, a published port": (ALL, "elsewhere", published, own("elsewhere")),
    "a machine of another zone, the machine's address": (ALL, "elsewhere", direct, "unreachable"),
    "a machine with a link of its own, a published port": (ALL, "alone", published, own("alone")),
    "a machine with a link of its own, the machine's address": (ALL, "alone", direct, "unreachable"),
}


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("caller", CALLERS)
def test_who_is_answered_and_as_whom_it_is_seen(world, caller, protocol, family):
    modes, who, where, expected = CALLERS[caller]
    if world.mode not in modes:
        pytest.skip("there is none in this mode")
    place = where(world, family)
    expected = expected if isinstance(expected, str) else expected(world, family)
    timeout = SLOW if expected == "timeout" else 3
    assert getattr(world, who).ask(protocol, *place, timeout=timeout) == expected


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_the_machine_calls_another_host(world, protocol, family):
    seen = world.web.ask(protocol, world.address(world.other, family), 7)
    assert seen == world.address(world.host if world.mode in NAT else world.web, family)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_the_machine_calls_the_host(world, protocol, family):
    """As every neighbour of the host may."""
    own_address = world.address(world.web, family)
    assert world.web.ask(protocol, world.gateway(family), 7) == own_address
    assert world.web.ask(protocol, world.address(world.host, family), 7) == own_address


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_what_nobody_listens_at_is_refused_as_ever(world, protocol, family):
    assert world.host.ask(protocol, world.address(world.web, family), 81) == "refused"
    assert world.other.ask(protocol, world.address(world.host, family), 8081) == "refused"
    assert world.web.ask(protocol, world.gateway(family), 8081) == "refused"


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_machines_loopback_is_its_own(world, protocol, family):
    place = {4: "127.0.0.1", 6: "::1"}[family]
    assert world.web.ask(protocol, place, 80) == place
    assert world.web.ask(protocol, place, 8080) == "refused"
