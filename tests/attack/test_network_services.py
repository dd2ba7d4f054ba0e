"""S55 and S56: what is published is published where it was asked for, and what a machine reaches; also when rules are flushed."""
import pytest

from support import dns
from support.network import Network

GIVEN = ["--network-address=198.51.100.2/24", "--network-host-address=198.51.100.1/24", "--network-address=2001:db8:7::2/64",
         "--network-host-address=2001:db8:7::1/64"]
METADATA = ["169.254.169.254", "169.254.170.2", "100.100.100.200", "fd00:ec2::254", "fd20:ce::254"]
FAR = ["203.0.113.5", "2001:db8:9::5"]


class World:
    """A host between its machines and a neighbour, behind whom everything else is."""

    def __init__(self, redd, tree):
        self.network = network = Network()
        self.redd = redd
        self.host, self.other = network.host("host"), network.host("other")
        network.lan(self.host, self.other)
        host, other = self.host, self.other
        for address in METADATA + FAR:
            six = ":" in address
            other.ip("address", "add", "%s/%d" % (address, 128 if six else 32), "dev", "lo")
            host.ip("route", "add", address, "via", "2001:db8::2" if six else "192.0.2.2")
        for net, via in (("10.213.0.0/16", "192.0.2.1"), ("198.51.100.0/24", "192.0.2.1"), ("fd00::/9", "2001:db8::1"), ("2001:db8:7::/64", "2001:db8::1")):
            other.ip("route", "add", net, "via", via)
        for protocol in ("tcp", "udp"):
            other.server(protocol, None, 80)
        host.server("tcp", None, 22)
        self.before = self.scan()

    def start(self, tree):
        make = lambda name, *options: self.host.machine(self.redd, name, tree, "-x", *options)
        self.web = make("web", "-n", "--port=tcp:192.0.2.1:8080:80", "--port=8081:80", "--port=8090-8092:80")
        self.zed, self.sibling = make("zed", "--network-zone=z"), make("sibling", "--network-zone=z")
        self.elsewhere, self.alone = make("elsewhere", "--network-zone=y"), make("alone", "-n")
        self.given = make("given", "-n", "--network-nat=yes", *GIVEN)
        self.guarded = make("guarded", "-n", "--network-egress=203.0.113.5")
        self.addresses = {each: each.addresses("host0")[:2] for each in self.host.machines}
        for machine in self.host.machines:
            for protocol in ("tcp", "udp"):
                machine.server(protocol, None, 80)
        for port in (81, 82):
            self.web.server("tcp", None, port)
        return self

    def scan(self, addresses=("192.0.2.1", "2001:db8::1")):
        """Everything that answers the neighbour, by address and port."""
        ports = [*range(1, 120), *range(660, 1024, 7), *range(8070, 8100)]
        return {(address, port) for address in addresses for port in ports
                if self.other.ask("tcp", address, port, timeout=0.5) not in ("refused",)}


@pytest.fixture(scope="module")
def world(redd, tree):
    made = World(redd, tree)
    try:
        yield made.start(tree)
    finally:
        made.network.close()


# ---- S55: published where it was asked for ----

def test_s55_what_is_published_and_nothing_else(world):
    new = world.scan() - world.before
    everywhere = {(address, port) for address in ("192.0.2.1", "2001:db8::1") for port in (8081, 8090, 8091, 8092)}
    assert new == everywhere | {("192.0.2.1", 8080)} and ("192.0.2.1", 22) in world.before


def test_s55_a_port_at_one_address_is_at_no_other(world):
    gateway4, gateway6 = world.host.addresses("ve-web")
    assert world.other.ask("tcp", "192.0.2.1", 8080) == "192.0.2.2"
    for address in ("2001:db8::1", gateway4, gateway6):
        assert world.other.ask("tcp", address, 8080, timeout=0.5) in ("refused", "timeout", "unreachable")
    for address in ("127.0.0.1", "::1"):
        assert world.host.ask("tcp", address, 8080) == "refused"


def test_s55_the_other_protocol_is_not_published(world):
    for address in ("192.0.2.1", "2001:db8::1"):
        assert world.other.ask("udp", address, 8081, timeout=0.5) in ("refused", "timeout")


@pytest.mark.parametrize("name", ["web", "zed", "alone", "given", "guarded"])
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_s55_a_hidden_machine_is_hidden_by_both_families(world, name, protocol):
    """The neighbour knows the way."""
    for address in world.addresses[getattr(world, name)]:
        assert world.other.ask(protocol, address, 80, timeout=0.5) == "timeout"


def test_s55_control_a_machine_that_is_not_hidden_is_reached(world, redd, tree):
    for options in (["--network-nat=no"],):
        machine = world.host.machine(redd, "open", tree, "-x", "-n", *options)
        machine.server("tcp", None, 80)
        for address, seen in zip(machine.addresses("host0"), ("192.0.2.2", "2001:db8::2")):
            assert world.other.ask("tcp", address, 80) == seen
        machine.stop()
        world.host.machines.remove(machine)


@pytest.mark.parametrize("who", ["other", "elsewhere", "sibling", "alone"])
def test_s55_a_machines_responder_answers_that_machine_alone(world, who):
    caller, responder = getattr(world, who), "zed"
    facts = world.host.run("cat", "/run/redd/machines/.%s.network" % responder).lines
    port = int([line.split("=")[1] for line in facts if line.startswith("dns=")][0])
    for gateway in world.host.addresses("vz-z"):
        assert dns.ask(world.zed, gateway, "_host", "A" if "." in gateway else "AAAA").addresses == [gateway]
        # not even the machine, past what leads it there
        for each in (caller, world.zed):
            for protocol in ("udp", "tcp"):
                answer = dns.ask(each, gateway, "_host", protocol=protocol, port=port, timeout=0.5)
                assert not isinstance(answer, dns.Answer), (who, gateway, answer)
        if who != "sibling":
            assert not isinstance(dns.ask(caller, gateway, "_host", timeout=0.5), dns.Answer)


def test_s55_a_private_network_has_nobody_to_ask(world, redd, tree):
    machine = world.host.machine(redd, "private", tree, "-x", "--private-network")
    assert sorted(machine.links()) == ["lo"] and machine.ip("route") == ""
    assert machine.ask("udp", "203.0.113.5", 80) == "unreachable"
    machine.stop()
    world.host.machines.remove(machine)


# ---- S56: what a machine reaches ----

@pytest.mark.parametrize("who", ["web", "zed", "given"])
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_s56_metadata_is_not_reached(world, who, protocol):
    machine = getattr(world, who)
    for address in METADATA:
        assert world.host.ask(protocol, address, 80) in ("192.0.2.1", "2001:db8::1"), "the control"
        assert machine.ask(protocol, address, 80, timeout=2) in ("unreachable", "timeout"), address
    for address in FAR:
        assert machine.ask(protocol, address, 80) in ("192.0.2.1", "2001:db8::1"), "the control"


def test_s56_metadata_can_be_asked_for(world, redd, tree):
    machine = world.host.machine(redd, "cloudy", tree, "-x", "-n", "--network-egress=169.254.169.254:80")
    assert machine.ask("tcp", "169.254.169.254", 80) == "192.0.2.1"
    assert machine.ask("tcp", "169.254.170.2", 80, timeout=1) in ("unreachable", "timeout")
    machine.stop()
    world.host.machines.remove(machine)


def test_s56_the_hosts_own_services_are_as_for_every_neighbour(world):
    """Who wants less says --network-egress=."""
    for address in ("192.0.2.1", "2001:db8::1", *world.host.addresses("ve-web")):
        assert world.web.ask("tcp", address, 22) in world.addresses[world.web]
        assert world.guarded.ask("tcp", address, 22, timeout=1) in ("unreachable", "timeout", "refused")
    inside = world.host.server("tcp", "127.0.0.1", 0)
    for address in ("192.0.2.1", world.host.addresses("ve-web")[0]):
        assert world.web.ask("tcp", address, inside.port) == "refused"


# ---- flushed rules ----

def closed(world):
    """Sentences about what is open that should not be."""
    found = []

    def try_it(who, protocol, address, port=80):
        answer = getattr(world, who).ask(protocol, address, port, timeout=0.4)
        if answer not in ("timeout", "unreachable", "refused"):
            found.append("%s reaches %s by %s: %s" % (who, address, protocol, answer))

    for protocol in ("tcp", "udp"):
        for address in (*world.addresses[world.zed], *world.addresses[world.web]):
            for who in ("elsewhere", "alone", "other"):
                try_it(who, protocol, address)
        for address in world.addresses[world.given]:
            for who in ("elsewhere", "alone", "other"):
                try_it(who, protocol, address)
        for address in FAR + ["192.0.2.1", "2001:db8::1", *world.host.addresses("ve-guarded")]:
            if address != "203.0.113.5":
                try_it("guarded", protocol, address)
    return found


def works(world):
    assert world.other.ask("tcp", "192.0.2.1", 8080) == "192.0.2.2"
    assert world.other.ask("tcp", "2001:db8::1", 8091) == "2001:db8::2"
    assert world.zed.ask("tcp", FAR[0], 80) == "192.0.2.1" and world.zed.ask("tcp", FAR[1], 80) == "2001:db8::1"
    assert dns.ask(world.zed, world.host.addresses("vz-z")[0], "sibling").addresses == world.addresses[world.sibling][:1]
    assert world.guarded.ask("tcp", FAR[0], 80) == "192.0.2.1"


@pytest.mark.slow
@pytest.mark.parametrize("flush", [["flush", "ruleset"], ["delete", "table", "inet", "redd"]], ids=" ".join)
def test_s55_who_flushes_the_hosts_rules_opens_nothing_and_the_next_command_repairs(world, redd, flush):
    works(world)
    world.host.run("nft", *flush)
    opened = closed(world)
    world.host.machinectl(redd, "list").ok()
    works(world)
    assert not closed(world)
    assert not opened, "\n".join(opened)


@pytest.mark.slow
def test_s55_control_without_the_rules_about_routes_a_flush_opens_all(world):
    """The last one: nothing is as it was after it."""
    host = world.host
    host.dirty = True
    host.run("nft", "flush", "ruleset")
    for family in ("-4", "-6"):
        for line in host.ip(family, "rule", "show").splitlines():
            number = line.split(":")[0]
            if number not in ("0", "32766", "32767"):
                host.ip(family, "rule", "delete", "preference", number)
    for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        host.sysctl(name, 1)
    opened = closed(world)
    assert [each for each in opened if each.startswith("elsewhere")] and [each for each in opened if each.startswith("other")]
