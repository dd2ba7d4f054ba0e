"""The addresses of a machine's link: from the pool, or as somebody says. They are there before its program runs."""
import ipaddress

import pytest

MACHINE_ID = "0123456789abcdef0123456789abcdef"
LOOK = "ip -o address show $0 | awk '{print $4}'; ip route; ip -6 route | sed 's/  metric.*//' | grep -v '^multicast\\|^fe80\\|via fe80'; true"


@pytest.fixture(scope="module")
def shared(network_module):
    """With a bridge of the administrator's."""
    host = network_module.host("host", MACHINE_ID)
    host.ip("link", "add", "br0", "address", "02:00:00:00:00:b0", "type", "bridge")
    host.ip("link", "set", "br0", "up")
    host.before["interfaces"] = sorted(host.links())
    return host


@pytest.fixture
def host(shared):
    yield shared
    shared.stop()
    assert shared.left() == {}


@pytest.fixture
def own(network):
    """A host that nobody else has used, or will."""
    return network.host("own", MACHINE_ID)


class Seen:
    """What the first thing that runs in a machine sees of its interface."""

    def __init__(self, host, redd, tree, *options, name="first", link="host0"):
        done = host.redd(redd, "-q", "--pipe", "-D", tree, "-M", name, *options, "sh", "-c", LOOK, link).ok()
        lines = [line.strip() for line in done.lines]
        self.addresses = [line for line in lines if "/" in line and " " not in line]
        self.routes = [line for line in lines if " " in line]

    def global_addresses(self):
        return [each for each in self.addresses if not each.startswith("fe80")]


def of(host, link):
    """Its global addresses, with lengths."""
    return [each for each in host.links()[link]["addresses"] if not each.startswith("fe80")]


# ---- from the pool ----

@pytest.mark.parametrize("mode", ["--network-veth", "--network-zone=z"])
def test_all_is_there_when_the_program_begins(host, redd, tree, mode):
    seen = Seen(host, redd, tree, mode)
    v4, v6 = (ipaddress.ip_interface(each) for each in seen.global_addresses())
    assert v4.network.subnet_of(ipaddress.ip_network("10.213.0.0/16"))
    assert v4.network.prefixlen == (30 if mode == "--network-veth" else 24)
    # the one that it would give itself
    assert v6.network.prefixlen == 64 and v6.ip.packed[8:] == bytes.fromhex("e88593fffeab4897")
    assert v6.is_private and v6.packed[0] == 0xfd
    assert "default via %s dev host0" % (v4.network.network_address + 1) in seen.routes
    assert "default via %s dev host0" % (v6.network.network_address + 1) in seen.routes


@pytest.mark.parametrize("mode", ["--network-veth", "--network-zone=z"])
@pytest.mark.parametrize("family", [4, 6])
def test_the_first_thing_that_a_program_does_may_be_to_call_the_host(host, redd, tree, mode, family):
    """No wait for duplicate address detection, or for a bridge to forward."""
    server = host.server("tcp", None, 0)
    script = "nc $(ip -%d route | sed -n 's/^default via \\([^ ]*\\) dev host0 *metric 1024 *$/\\1/p; s/^default via \\([0-9.]*\\) .*/\\1/p') %d" % (
        family, server.port)
    done = host.redd(redd, "-q", "--pipe", "-D", tree, "-M", "first", mode, "sh", "-c", script).ok()
    assert server.seen == [done.out.strip()] and ipaddress.ip_address(done.out.strip()).version == family


@pytest.mark.parametrize("mode", ["--network-veth", "--network-zone=z"])
def test_the_first_call_from_elsewhere_does_not_wait(own, network, redd, tree, mode):
    """The host asks for the machine's neighbour from its link-local address, which is good at once."""
    other = network.host("other")
    network.lan(own, other)
    machine = own.machine(redd, "first", tree, mode, "--port=udp:8080:80")
    machine.server("udp", None, 80)
    for address in ("2001:db8::1", "192.0.2.1"):
        assert other.ask("udp", address, 8080, timeout=0.9) == {"2001:db8::1": "2001:db8::2", "192.0.2.1": "192.0.2.2"}[address]


def test_the_hosts_end_has_the_gateways_addresses(host, redd, tree):
    machine = host.machine(redd, "first", tree, "-n")
    here, there = (map(ipaddress.ip_interface, of(*end)) for end in ((host, "ve-first"), (machine, "host0")))
    for gateway, guest in zip(here, there):
        assert gateway.network == guest.network and gateway.ip == gateway.network.network_address + 1


def test_a_machine_has_the_same_addresses_at_every_start_and_another_one_others(host, redd, tree):
    first = [Seen(host, redd, tree, "-n").global_addresses() for _ in range(3)]
    zone = [Seen(host, redd, tree, "--network-zone=z").global_addresses() for _ in range(3)]
    other = Seen(host, redd, tree, "-n", name="second").global_addresses()
    assert first[0] == first[1] == first[2] and zone[0] == zone[1] == zone[2]
    assert not set(first[0]) & set(zone[0]) and not set(first[0]) & set(other)


def test_the_ipv6_addresses_of_two_hosts_are_of_different_networks(own, network, redd, tree):
    strange = network.host("strange", "fedcba9876543210fedcba9876543210")
    one, two = (Seen(each, redd, tree, "-n").global_addresses() for each in (own, strange))
    assert one[0] == two[0] and ipaddress.ip_interface(one[1]).packed[:6] != ipaddress.ip_interface(two[1]).packed[:6]


def test_machinectl_list_shows_the_address(host, redd, tree):
    machine = host.machine(redd, "first", tree, "-n")
    listed = host.machinectl(redd, "list", "--no-legend").ok().lines
    assert [line for line in listed if line.startswith("first ") and machine.addresses("host0")[0] in line], listed


# ---- what the host has already ----

def pool_of(host, redd, tree, *options, **more):
    return ipaddress.ip_interface(Seen(host, redd, tree, *options, **more).global_addresses()[0])


def test_a_range_that_the_host_has_a_route_to_is_left_alone(own, redd, tree):
    own.ip("route", "add", "10.213.0.0/16", "dev", "lo")
    assert pool_of(own, redd, tree, "-n").network.subnet_of(ipaddress.ip_network("172.29.0.0/16"))
    assert pool_of(own, redd, tree, "--network-zone=z").network.subnet_of(ipaddress.ip_network("172.29.0.0/16"))


@pytest.mark.parametrize("mode", ["-n", "--network-zone=z"])
@pytest.mark.parametrize("kind", ["route", "address"])
def test_a_net_that_the_host_uses_is_left_alone(own, redd, tree, mode, kind):
    wished = pool_of(own, redd, tree, mode)
    if kind == "route":
        own.ip("route", "add", str(wished.network), "dev", "lo")
    else:
        own.ip("address", "add", "%s/32" % wished.ip, "dev", "lo")
    given = pool_of(own, redd, tree, mode)
    assert not given.network.overlaps(wished.network) and given.network.subnet_of(ipaddress.ip_network("10.213.0.0/16"))


def test_a_default_route_takes_nothing_away(own, redd, tree):
    wished = pool_of(own, redd, tree, "-n")
    own.ip("link", "add", "wan", "type", "bridge")
    own.ip("link", "set", "wan", "up")
    own.ip("address", "add", "192.0.2.1/24", "dev", "wan")
    own.ip("route", "add", "default", "via", "192.0.2.2")
    own.before["interfaces"] = sorted(own.links())
    assert pool_of(own, redd, tree, "-n") == wished


@pytest.mark.parametrize("mode, what", [("-n", "machine 'first'"), ("--network-zone=z", "zone 'z'")])
def test_a_pool_without_a_free_net_is_one_sentence(own, redd, tree, mode, what):
    own.file("/etc/redd/network.conf", "[Network]\nPool=10.99.0.0/23\n")
    own.ip("route", "add", "10.99.0.0/24", "dev", "lo")
    own.ip("route", "add", "10.99.1.0/25", "dev", "lo")
    done = own.redd(redd, "-q", "-D", tree, "-M", "first", mode, "true").failed("cannot find addresses for " + what, "10.99.0.0/23", "Pool=")
    assert len(done.err.strip().splitlines()) == 1, done


def test_a_pool_whose_nets_are_all_given_out_is_one_sentence(own, redd, tree):
    own.file("/etc/redd/network.conf", "[Network]\nPool=10.99.0.0/23\nPoolIPv6=fd00:1:2::/48\n")
    one = own.machine(redd, "one", tree, "--read-only", "--network-zone=one")
    assert of(one, "host0")[0].startswith("10.99.1.") and of(one, "host0")[1].startswith("fd00:1:2:")
    done = own.redd(redd, "-q", "-D", tree, "-M", "two", "--read-only", "--network-zone=two", "true").failed("cannot find addresses for zone 'two'")
    assert len(done.err.strip().splitlines()) == 1, done
    # who leaves makes room
    one.stop()
    assert pool_of(own, redd, tree, "--network-zone=two", name="two").network == ipaddress.ip_network("10.99.1.0/24")


@pytest.mark.parametrize("text", ["Pool=10.99.0.0/30", "Pool=", "Pool=10.99.0.1/16", "PoolIPv6=fd00::/32", "Pool=10.0.0.0/8 10.1.0.0/16", "nonsense"])
def test_a_configuration_that_cannot_be_understood_stops_who_needs_it(own, redd, tree, text):
    own.file("/etc/redd/network.conf", "[Network]\n%s\n" % text)
    done = own.redd(redd, "-q", "-D", tree, "-n", "true").failed("/etc/redd/network.conf")
    assert len(done.err.strip().splitlines()) == 1, done
    own.redd(redd, "-q", "-D", tree, "--private-network", "true").ok()
    own.redd(redd, "-q", "-D", tree, "-n", "--network-address=198.51.100.2", "--network-host-address=198.51.100.1", "true").ok()


def test_without_ipv6_on_the_host_machines_have_ipv4(own, redd, tree):
    for name in ("all", "default"):
        own.sysctl("ipv6/conf/%s/disable_ipv6" % name, 1)
    machine = own.machine(redd, "first", tree, "-n")
    assert len(own.links()["ve-first"]["addresses"]) == 1
    assert own.ask("tcp", machine.addresses("host0")[0], machine.server("tcp", None, 0).port).startswith("10.213.")


# ---- as somebody says: what a NixOS container has (reference 2.5 and 6.6) ----

PAIR4 = ["--network-address=10.233.1.2", "--network-host-address=10.233.1.1"]
PAIR6 = ["--network-address=fc00::2", "--network-host-address=fc00::1"]


@pytest.mark.parametrize("options", [PAIR4, PAIR6, PAIR4 + PAIR6], ids=["4", "6", "both"])
def test_a_host_and_a_local_address(host, redd, tree, options):
    """Without lengths, so each is alone in its net, and a route leads to the other."""
    seen = Seen(host, redd, tree, "-n", "--network-name=eth0", *options, name="web", link="eth0")
    machine = host.machine(redd, "web", tree, "-n", "--network-name=eth0", *options)
    assert sorted(machine.links()) == ["eth0", "lo"]
    for pair, here, there, length, family in ((PAIR4, "10.233.1.1", "10.233.1.2", 32, "-4"), (PAIR6, "fc00::1", "fc00::2", 128, "-6")):
        if pair[0] not in options:
            continue
        assert "%s/%d" % (there, length) in seen.addresses
        assert "default via %s dev eth0" % here in seen.routes
        assert [route for route in seen.routes if route.startswith(here + " dev eth0")]
        assert "%s/%d" % (here, length) in of(host, "ve-web")
        assert [route for route in host.ip(family, "route").splitlines() if route.startswith(there + " dev ve-web")]
        assert host.ask("tcp", there, machine.server("tcp", None, 0).port) == here
        assert machine.ask("udp", here, host.server("udp", None, 0).port) == there


def test_addresses_with_lengths_are_of_one_net(host, redd, tree):
    machine = host.machine(redd, "web", tree, "-n", "--network-address=10.233.1.2/24", "--network-host-address=10.233.1.1/24")
    assert of(machine, "host0") == ["10.233.1.2/24"] and of(host, "ve-web") == ["10.233.1.1/24"]
    assert "10.233.1.0/24 dev ve-web" in host.ip("route")
    assert host.ask("tcp", "10.233.1.2", machine.server("tcp", None, 0).port) == "10.233.1.1"


@pytest.mark.parametrize("gateway, expected", [([], False), (["--network-gateway=10.233.1.1"], True)], ids=["without", "with"])
def test_on_a_bridge_the_default_route_is_as_asked_for(host, redd, tree, gateway, expected):
    seen = Seen(host, redd, tree, "--network-bridge=br0", "--network-name=eth0", "--network-address=10.233.1.2/24", *gateway, link="eth0")
    assert seen.global_addresses() == ["10.233.1.2/24"]
    assert ("default via 10.233.1.1 dev eth0" in seen.routes) == expected
    assert of(host, "br0") == []


@pytest.mark.parametrize("options", [["--network-bridge=br0", "--network-name=eth0"],
                                     ["-n", "--network-address=no", "--network-name=eth0", "--network-mac=02:00:00:00:00:42"]], ids=["bridge", "mac"])
def test_a_link_without_an_address_is_up_for_the_guests_dhcp_client(host, redd, tree, options):
    machine = host.machine(redd, "web", tree, *options)
    link = machine.links()["eth0"]
    assert "UP" in link["flags"] and [each for each in link["addresses"] if not each.startswith("fe80")] == []
    if "-n" in options:
        assert link["address"] == "02:00:00:00:00:42" and "UP" not in host.links()["ve-web"]["flags"]


def test_the_guests_hardware_address_as_somebody_says(host, redd, tree):
    machine = host.machine(redd, "web", tree, "-n", "--network-mac=02:00:00:00:00:42")
    assert machine.links()["host0"]["address"] == "02:00:00:00:00:42"
    # and so its IPv6 address
    assert machine.addresses("host0")[1].endswith(":ff:fe00:42")
    machine.stop()
    machine = host.machine(redd, "first", tree, "-n", "--network-mac=stable")
    assert machine.links()["host0"]["address"] == "ea:85:93:ab:48:97"


def test_two_extra_links_one_in_a_bridge_are_configured_by_the_admin(host, redd, tree):
    machine = host.machine(redd, "web", tree, "--network-veth-extra=a:eth1", "--network-veth-extra=b:eth2")
    host.ip("link", "set", "dev", "b", "master", "br0")
    host.ip("link", "set", "dev", "b", "up")
    for net, name, link in ((machine, "eth1", 1), (machine, "eth2", 2), (host, "a", 1), (host, "br0", 2)):
        net.ip("link", "set", "dev", name, "up")
        net.ip("address", "add", "198.51.10%d.%d/24" % (link, 2 if net is machine else 1), "dev", name)
    try:
        for link in (1, 2):
            port = machine.server("tcp", None, 0).port
            assert host.ask("tcp", "198.51.10%d.2" % link, port) == "198.51.10%d.1" % link
    finally:
        host.ip("address", "flush", "dev", "br0", "scope", "global")


# ---- gateway, routes ----

def test_a_gateway_and_further_routes(host, redd, tree):
    seen = Seen(host, redd, tree, "-n", "--network-address=10.233.1.2/24", "--network-host-address=10.233.1.1/24", "--network-gateway=10.233.1.9",
                "--network-route=198.51.100.0/24,10.233.1.8", "--network-route=203.0.113.0/24")
    assert "default via 10.233.1.9 dev host0" in seen.routes and "198.51.100.0/24 via 10.233.1.8 dev host0" in seen.routes
    assert [route for route in seen.routes if route.startswith("203.0.113.0/24 dev host0")]


def test_no_gateway(host, redd, tree):
    for options in ([], PAIR4 + PAIR6):
        seen = Seen(host, redd, tree, "-n", "--network-gateway=no", *options)
        assert seen.global_addresses() and not [route for route in seen.routes if route.startswith("default")]


def test_an_address_alone_asks_for_a_link(host, redd, tree):
    seen = Seen(host, redd, tree, "--network-address=10.233.1.2")
    assert seen.global_addresses() == ["10.233.1.2/32"] and not [route for route in seen.routes if route.startswith("default")]


def test_the_hosts_address_alone(host, redd, tree):
    """Then the machine's is still from the pool, and a route leads there."""
    done = host.redd(redd, "-q", "--pipe", "-D", tree, "-M", "web", "-n", "--network-host-address=10.233.1.1/24", "ip", "route").ok()
    assert "default via 10.233.1.1 dev host0" in done.out


def test_a_settings_file_says_the_same(host, redd, tree):
    text = "[Network]\nVirtualEthernet=yes\n[X-Network]\nAddress=10.233.1.2 fc00::2\nHostAddress=10.233.1.1 fc00::1\nInterfaceName=eth0\n" \
           "MACAddress=02:00:00:00:00:42\nRoute=203.0.113.0/24\nGateway=10.233.1.1\n"
    host.run("sh", "-c", "mkdir -p /run/systemd/nspawn && printf '%s' \"$1\" > /run/systemd/nspawn/web.nspawn", "-", text)
    try:
        seen = Seen(host, redd, tree, name="web", link="eth0")
        assert seen.global_addresses() == ["10.233.1.2/32", "fc00::2/128"]
        assert "default via 10.233.1.1 dev eth0" in seen.routes and [each for each in seen.routes if each.startswith("203.0.113.0/24 dev eth0")]
    finally:
        host.run("rm", "-r", "/run/systemd/nspawn")


REFUSED = {
    "auto on a bridge": (["--network-bridge=br0", "--network-address=auto"], "--network-address=auto"),
    "host's on a bridge": (["--network-bridge=br0", "--network-address=10.0.0.2", "--network-host-address=10.0.0.1"], "--network-host-address="),
    "route of nobody": (["-n", "--network-address=no", "--network-route=10.0.0.0/8"], "without an address"),
    "no address": (["-n", "--network-address=10.0.0.256"], "10.0.0.256"),
    "no length": (["-n", "--network-address=10.0.0.2/33"], "10.0.0.2/33"),
    "no hardware address": (["-n", "--network-mac=01:00:00:00:00:01"], "01:00:00:00:00:01"),
    "no name": (["-n", "--network-name=a/b"], "a/b"),
    "the host's network": (["--port=80"], "--port="),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused_in_one_sentence(host, redd, tree, what):
    options, word = REFUSED[what]
    done = host.redd(redd, "-q", "-D", tree, *options, "true").failed(word)
    assert len(done.err.strip().splitlines()) == 1, done


def test_what_cannot_be_set_is_named(host, redd, tree):
    """A gateway that is the machine's own address, say; nothing stays of what was made."""
    done = host.redd(redd, "-q", "-D", tree, "-n", "--network-address=10.233.1.2/24", "--network-route=198.51.100.0/24,203.0.113.1", "true")
    done.failed("cannot set '198.51.100.0/24 via 203.0.113.1' of the interface 'host0'")


# ---- many ----

@pytest.mark.slow
def test_fifty_starts_at_once_get_fifty_addresses(own, redd, tree):
    """Half with links of their own, half in zones, some of whose nets begin at that very moment."""
    script = "ip -o address show host0 | awk '/inet6? [^f]|inet6 fd/{print $4}' | tr '\\n' ' '; echo; trap 'exit 0' TERM; sleep 1000 & wait"
    own.used = True
    started = []
    for number in range(50):
        mode = "-n" if number % 2 else "--network-zone=z%d" % (number % 3)
        started.append(own.program(redd).start("-q", "--pipe", "-D", tree, "--read-only", "-M", "many%d" % number, mode, "sh", "-c", script))
    try:
        lines = [each.stdout.readline().split() for each in started]
        assert [len(line) for line in lines] == [2] * 50
        flat = [ipaddress.ip_interface(address) for line in lines for address in line]
        assert len({each.ip for each in flat}) == 100
        nets = {each.network for number, line in enumerate(lines) for each in map(ipaddress.ip_interface, line) if number % 2}
        assert len(nets) == 50
        zones = [{ipaddress.ip_interface(lines[number][0]).network for number in range(0, 50, 2) if number % 3 == zone} for zone in range(3)]
        assert [len(zone) for zone in zones] == [1, 1, 1] and len(set.union(*zones)) == 3
    finally:
        for each in started:
            each.terminate()
        for each in started:
            each.communicate(timeout=60)
