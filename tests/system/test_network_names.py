"""Machines resolve names: of each other, of the host, and what the host resolves. And what /etc/resolv.conf says."""
import os

import pytest

from support import dns, runner

FORWARDED = {
    "www.example.org": [("A", 300, "198.51.100.80"), ("AAAA", 300, "2001:db8:9::80")],
    "alias.example.org": [("CNAME", 300, "www.example.org")],
    "large.example.org": [("TXT", 300, "x" * 4000)],
}


@pytest.fixture(scope="module")
def shared(network_module):
    """Its resolver is a stub on a loopback address."""
    host = network_module.host("host")
    host.file("/etc/resolv.conf", "nameserver 127.0.0.53\n")
    host.upstream = dns.Server(host, "127.0.0.53", FORWARDED)
    return host


@pytest.fixture
def host(shared):
    yield shared
    shared.stop()
    assert not shared.left()


def gateways(machine):
    """Of IPv4, and of IPv6."""
    return [machine.ip(family, "route", "show", "default", "proto", "static").split()[2] for family in ("-4", "-6")]


def ask(machine, name, *args, **more):
    return dns.ask(machine, gateways(machine)[0], name, *args, **more)


@pytest.fixture
def zone(host, redd, tree):
    return [host.machine(redd, name, tree, "-x", "--network-zone=z") for name in ("one", "two")]


# ---- names of machines ----

@pytest.mark.parametrize("name", ["two", "TWO", "two.machine", "two.z", "two."])
@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_a_sibling_is_found_by_name(zone, name, protocol):
    one, two = zone
    v4, v6 = two.addresses("host0")
    for server in gateways(one):
        assert dns.ask(one, server, name, "A", protocol).addresses == [v4]
        assert dns.ask(one, server, name, "AAAA", protocol).addresses == [v6]


def test_siblings_talk_by_name_with_what_a_small_guest_has(zone, host, redd):
    """busybox asks the servers of /etc/resolv.conf."""
    one, two = zone
    port = two.server("tcp", None, 0).port
    done = host.machinectl(redd, "exec", "one", "sh", "-c", "nc two %d" % port).ok()
    assert done.out in one.addresses("host0")


def test_a_machines_own_name_and_that_of_the_host(zone):
    one, _ = zone
    v4, v6 = one.addresses("host0")
    assert (ask(one, "one").addresses, ask(one, "one", "AAAA").addresses) == ([v4], [v6])
    for name in ("_host", "_gateway", "_HOST"):
        assert [ask(one, name, kind).addresses for kind in ("A", "AAAA")] == [[each] for each in gateways(one)]


def test_a_machine_with_a_link_of_its_own_knows_the_host(host, redd, tree):
    machine = host.machine(redd, "alone", tree, "-n")
    assert [ask(machine, "_host", kind).addresses for kind in ("A", "AAAA")] == [[each] for each in gateways(machine)]
    assert ask(machine, "alone").addresses == machine.addresses("host0")[:1]


def test_addresses_have_names(zone):
    one, _ = zone

    def reverse(address):
        return ask(one, ".".join(reversed(address.split("."))) + ".in-addr.arpa", "PTR").records

    assert [record[3] for record in reverse(one.addresses("host0")[0])] in (["one"], ["one.z"], ["one.machine"])
    assert [record[3] for record in reverse(gateways(one)[0])] == ["_gateway"]


@pytest.mark.parametrize("name", ["nobody", "nobody.machine"])
def test_who_is_not_there_is_not_asked_for_elsewhere(zone, host, name):
    for kind in ("A", "AAAA"):
        assert ask(zone[0], name, kind).code == "unknown"
    assert not [asked for asked in host.upstream.asked if asked[0].startswith("nobody")]


def test_who_has_ended_is_unknown_and_known_when_it_is_back(zone, host, redd, tree):
    one, two = zone
    address = two.addresses("host0")[0]
    two.stop()
    assert ask(one, "two").code == "unknown"
    host.machine(redd, "two", tree, "-x", "--network-zone=z")
    assert ask(one, "two").addresses == [address]


@pytest.mark.parametrize("network", ["--network-zone=z", "-n"])
def test_who_is_back_is_answered_at_the_port_it_asked_from(host, redd, tree, network):
    """The kernel remembers where that led (conntrack)."""
    for _ in range(3):
        machine = host.machine(redd, "again", tree, network)
        for server in gateways(machine):
            assert dns.ask(machine, server, "again", source=41234).addresses == machine.addresses("host0")[:1]
        machine.stop()


@pytest.mark.parametrize("other", ["--network-zone=y", "-n"])
def test_machines_elsewhere_are_not_resolved(zone, host, redd, tree, other):
    host.machine(redd, "stranger", tree, "-x", other)
    for name in ("stranger", "stranger.machine", "stranger.y", "stranger.z"):
        answer = ask(zone[0], name)
        assert answer.code == "unknown" and answer.addresses == []


def test_a_machine_that_took_a_siblings_name_answers_as_itself(zone, host, redd, tree):
    """Names are those of the registry: what a guest calls itself counts for nothing."""
    host.machinectl(redd, "exec", "one", "hostname", "two").ok()
    assert ask(zone[0], "two").addresses == [zone[1].addresses("host0")[0]]


# ---- further names ----

def named(host, redd, tree, name, *names, network="--network-zone=z"):
    host.file("/etc/systemd/nspawn/%s.nspawn" % name, "[X-Network]\nNames=%s\n" % " ".join(names))
    return host.machine(redd, name, tree, "-x", network)


def claims(host):
    return [name for name in host.run("ls", "-A", "/run/redd/hosts").out.split() if name.startswith("=")]


@pytest.mark.parametrize("asked", ["www", "WWW", "www.machine", "www.z", "shop.example.org"])
def test_a_sibling_is_found_by_its_further_names(host, redd, tree, asked):
    one, two = host.machine(redd, "one", tree, "-x", "--network-zone=z"), named(host, redd, tree, "two", "www", "shop.example.org")
    v4, v6 = two.addresses("host0")
    for machine in (one, two):
        assert (ask(machine, asked).addresses, ask(machine, asked, "AAAA").addresses) == ([v4], [v6])
    two.crash()
    assert ask(one, asked).addresses == []
    host.redd(redd, "--cleanup").ok()
    assert not claims(host)


def test_further_names_end_at_the_zone_and_with_the_machine(host, redd, tree):
    one, other = (host.machine(redd, name, tree, "-x", "--network-zone=" + zone) for name, zone in (("one", "z"), ("other", "y")))
    two = named(host, redd, tree, "two", "www")
    assert ask(one, "www").addresses and ask(other, "www").code == "unknown"
    two.stop()
    assert ask(one, "www").code == "unknown"
    assert not claims(host)


def test_nobody_takes_the_name_of_another_or_of_the_host(host, redd, tree):
    """Neither one that is there already nor one that comes later."""
    node = os.uname().nodename.split(".")[0].lower()
    one = host.machine(redd, "one", tree, "-x", "--network-zone=z")
    two = named(host, redd, tree, "two", "one", "late", "www", "_host", "localhost", "one.machine", node)
    host.file("/etc/systemd/nspawn/thief.nspawn", "[X-Network]\nNames=www _gateway localhost www.machine %s\n" % node)
    thief = host.redd(redd, "-q", "-D", tree, "-M", "thief", "-x", "--network-zone=z", "true").ok()
    late = host.machine(redd, "late", tree, "-x", "--network-zone=z")
    own = {machine: machine.addresses("host0")[0] for machine in (one, two, late)}
    for machine in (one, two, late):
        assert ask(machine, "one").addresses == ask(machine, "one.machine").addresses == ask(machine, "one.z").addresses == [own[one]]
        assert ask(machine, "late").addresses == [own[late]]
        assert ask(machine, "www").addresses == [own[two]]
        assert ask(machine, "_host").addresses == [gateways(machine)[0]]
        assert ask(machine, "localhost").addresses == ["127.0.0.1"]
    assert "machine 'thief' is not found as 'www': another one is" in thief.err
    for word in ("_gateway", "localhost", "www.machine"):
        assert "cannot use 'Names=%s'" % word in thief.err
    assert "is not found as '%s'" % node in thief.err or node == "localhost"
    two.stop()
    assert ask(one, "www").code == "unknown"


# ---- other names ----

def test_other_names_are_the_hosts_resolvers_matter(zone, host):
    one = zone[0]
    assert ask(one, "www.example.org").addresses == ["198.51.100.80"]
    assert ask(one, "www.example.org", "AAAA", "tcp").addresses == ["2001:db8:9::80"]
    assert [record[1] for record in ask(one, "alias.example.org").records] == ["CNAME", "A"]
    assert ask(one, "none.example.org").code == "unknown"
    assert ("www.example.org", "A") in host.upstream.asked


def test_what_is_too_large_for_a_datagram_comes_by_stream(zone):
    one = zone[0]
    assert ask(one, "large.example.org", "TXT").truncated
    assert sum(len(record[3]) for record in ask(one, "large.example.org", "TXT", "tcp").records) > 4000


def test_localhost_is_the_machine_itself(zone, host):
    answer = ask(zone[0], "localhost")
    assert answer.addresses == ["127.0.0.1"] and ("localhost", "A") not in host.upstream.asked


def test_everything_of_a_name_is_not_told(zone, host):
    assert ask(zone[0], "www.example.org", "ANY").code in ("refused", "not built")
    assert ("www.example.org", "ANY") not in host.upstream.asked


def test_another_resolver_of_the_host_is_noticed(network, redd, tree):
    host, other = network.host("host"), network.host("other")
    network.lan(host, other)
    host.file("/etc/resolv.conf", "nameserver 192.0.2.2\n")
    dns.Server(other, "192.0.2.2", {"www.example.org": [("A", 60, "198.51.100.1")]})
    machine = host.machine(redd, "one", tree, "-n")
    assert ask(machine, "www.example.org").addresses == ["198.51.100.1"]
    dns.Server(other, "2001:db8::2", {"www.example.org": [("A", 60, "198.51.100.2")]})
    host.file("/etc/resolv.conf", "search example.net\nnameserver 2001:db8::2\n")
    runner.until(lambda: ask(machine, "www.example.org").addresses == ["198.51.100.2"], 10)


def test_a_second_resolver_is_asked_when_the_first_is_silent(network, redd, tree):
    host, other = network.host("host"), network.host("other")
    network.lan(host, other)
    host.file("/etc/resolv.conf", "nameserver 192.0.2.99\nnameserver 192.0.2.2\noptions timeout:1\n")
    dns.Server(other, "192.0.2.2", {"www.example.org": [("A", 60, "198.51.100.1")]})
    machine = host.machine(redd, "one", tree, "-n")
    assert ask(machine, "www.example.org", timeout=10).addresses == ["198.51.100.1"]


@pytest.mark.parametrize("text", ["", "nameserver 127.0.0.53\n"], ids=["none", "dead"])
def test_without_a_resolver_that_is_said_and_machines_are_still_found(network, redd, tree, text):
    host = network.host("host")
    host.file("/etc/resolv.conf", text)
    machine = host.machine(redd, "one", tree, "-n")
    assert ask(machine, "www.example.org", timeout=15).code == "failed"
    assert ask(machine, "one").addresses == machine.addresses("host0")[:1]


# ---- /etc/resolv.conf ----

def resolv_conf(host, redd, tree, *options):
    return host.redd(redd, "-q", "--pipe", "-D", tree, "-M", "one", *options, "cat", "/etc/resolv.conf").ok().out


def servers(text):
    return [line.split()[1] for line in text.splitlines() if line.startswith("nameserver ")]


@pytest.mark.parametrize("mode", ["-n", "--network-zone=z"])
def test_a_writable_tree_gets_a_file_that_names_the_gateway(host, redd, fresh, mode):
    path = fresh()
    text = resolv_conf(host, redd, path, mode)
    with open(path + "/etc/resolv.conf") as file:
        assert file.read() == text
    machine = host.machine(redd, "one", path, mode)
    assert servers(text) == gateways(machine)
    # one that was there is written anew
    machine.stop()
    with open(path + "/etc/resolv.conf", "w") as file:
        file.write("nameserver 203.0.113.1\n" * 10)
    assert resolv_conf(host, redd, path, mode) == text


@pytest.mark.parametrize("options", [["--read-only"], ["--volatile=overlay"], ["-x"]], ids=" ".join)
def test_a_tree_that_stays_as_it_is_has_one_all_the_same(host, redd, fresh, options):
    path = fresh()
    with open(path + "/etc/resolv.conf", "w") as file:
        file.write("nameserver 203.0.113.1\n")
    assert servers(resolv_conf(host, redd, path, "-n", *options))[0].startswith("10.213.")
    with open(path + "/etc/resolv.conf") as file:
        assert file.read() == "nameserver 203.0.113.1\n"


def test_a_read_only_tree_without_the_file_is_told_so(host, redd, fresh):
    done = host.redd(redd, "-q", "--pipe", "-D", fresh(), "-n", "--read-only", "sh", "-c", "ls /etc/resolv.conf || echo none").ok()
    assert done.lines == ["none"], done


@pytest.mark.parametrize("target", ["../run/systemd/resolve/stub-resolv.conf", "resolv.conf.real"])
def test_a_link_is_somebodys_decision(host, redd, fresh, target):
    path = fresh()
    with open(path + "/etc/resolv.conf.real", "w") as file:
        file.write("nameserver 203.0.113.1\n")
    os.symlink(target, path + "/etc/resolv.conf")
    host.redd(redd, "-q", "-D", path, "-n", "true").ok()
    assert os.readlink(path + "/etc/resolv.conf") == target
    with open(path + "/etc/resolv.conf.real") as file:
        assert file.read() == "nameserver 203.0.113.1\n"


def test_the_hosts_servers_an_address_or_nothing(host, redd, fresh):
    path = fresh()
    assert servers(resolv_conf(host, redd, path, "-n", "--network-dns=host")) == ["127.0.0.53"]
    assert servers(resolv_conf(host, redd, path, "-n", "--network-dns=198.51.100.53")) == ["198.51.100.53"]
    assert servers(resolv_conf(host, redd, path, "-n", "--network-dns=2001:db8::53")) == ["2001:db8::53"]
    with open(path + "/etc/resolv.conf", "w") as file:
        file.write("nameserver 203.0.113.1\n")
    for options in (["-n", "--network-dns=no"], ["-n", "--resolv-conf=off"], ["--private-network"], ["-n", "--network-address=no"]):
        assert servers(resolv_conf(host, redd, path, *options)) == ["203.0.113.1"], options


@pytest.mark.parametrize("dns_option", ["no", "host", "198.51.100.53"])
def test_without_a_responder_the_gateway_answers_nothing(host, redd, tree, dns_option):
    machine = host.machine(redd, "one", tree, "-n", "--network-dns=" + dns_option)
    assert dns.ask(machine, gateways(machine)[0], "_host", timeout=1) == "refused"


def test_a_given_address_has_a_responder_too(host, redd, tree):
    machine = host.machine(redd, "one", tree, "-n", "--network-address=10.233.1.2", "--network-host-address=10.233.1.1")
    assert servers(open("/proc/%d/root/etc/resolv.conf" % machine.leader).read()) == ["10.233.1.1"]
    assert dns.ask(machine, "10.233.1.1", "_host").addresses == ["10.233.1.1"]
    assert dns.ask(machine, "10.233.1.1", "www.example.org").addresses == ["198.51.100.80"]
