"""A running machine's network is changed: ports, and interfaces."""
import json
import os
import signal
import threading

import pytest

from support import dns, network as network_support, runner

from .test_network_life import Rebooting


@pytest.fixture
def host(network):
    return network.host("host")


def test_a_machine_with_a_link_of_its_own_talks_to_the_host(host, redd, tree):
    machine = host.machine(redd, "live", tree, "--network-veth")
    inside, outside = machine.addresses("host0"), host.addresses("ve-live")
    for guest, gateway in zip(sorted(inside, key=len), sorted(outside, key=len)):
        for protocol in ("tcp", "udp"):
            server = machine.server(protocol, None, 0)
            assert host.connect(protocol, guest, server.port) == gateway


def test_hosts_of_a_lan_reach_each_other(network):
    """The toolbox itself."""
    hosts = [network.host(name) for name in ("a", "b", "c")]
    network.lan(*hosts)
    server = hosts[0].server("tcp", None, 80)
    assert hosts[2].connect("tcp", "192.0.2.1", 80) == "192.0.2.3"
    assert hosts[1].connect("tcp", "2001:db8::1", 80) == "2001:db8::2"
    assert server.seen == ["192.0.2.3", "2001:db8::2"]
    hosts[0].server("udp", "192.0.2.1", 53)
    assert hosts[1].connect("udp", "192.0.2.1", 53) == "192.0.2.2"
    assert hosts[1].ask("tcp", "192.0.2.1", 81) == "refused" and hosts[1].ask("tcp", "203.0.113.1", 80) == "unreachable"
    assert hosts[1].run("ip", "-br", "address", "show", "eth0").out.split()[2] == "192.0.2.2/24"
    assert hosts[0].connect("tcp", "127.0.0.1", 80) == "127.0.0.1"


def show(host, redd, name):
    return dict(line.split("=", 1) for line in host.machinectl(redd, "show", name).ok().lines)


@pytest.mark.parametrize("option, link", [("--network-veth", "ve-seen"), ("--network-zone=web", "vz-web")])
def test_who_looks_at_a_machine_sees_the_interfaces_that_lead_there(host, redd, tree, option, link):
    machine = host.machine(redd, "seen", tree, option)
    index = str(host.links()[link]["ifindex"])
    assert show(host, redd, "seen")["NetworkInterfaces"] == index
    status = host.machinectl(redd, "status", "seen").ok().out
    assert "\t   Iface: %s\n" % link in status
    # of IPv6 with the way there, which is the only one
    assert "%s%%%s\n" % (machine.addresses("host0")[-1], index) in status
    told = json.loads(host.machinectl(redd, "status", "--json=short", "seen").ok().out)
    assert told["interfaces"] == [link] and machine.addresses("host0")[-1] in told["addresses"]
    state = runner.until(lambda: host.run("cat", "/run/systemd/machines/seen", check=False).out)
    assert "NETIF=%s\n" % index in state


def test_who_looks_at_a_machine_sees_what_is_attached(host, redd, tree):
    """And systemd's clients, which read the file."""
    host.machine(redd, "seen", tree, "--network-zone=web")
    path = "/run/systemd/machines/seen"
    before = runner.until(lambda: host.run("cat", path, check=False).out)
    others = "".join(line for line in before.splitlines(True) if "NETIF" not in line)

    def check(*links):
        indexes = " ".join(str(host.links()[link]["ifindex"]) for link in links)
        assert show(host, redd, "seen")["NetworkInterfaces"] == indexes
        assert json.loads(host.machinectl(redd, "status", "--json=short", "seen").ok().out)["interfaces"] == list(links)
        assert host.run("cat", path).out == others + ("NETIF=\"%s\"\n" if len(links) > 1 else "NETIF=%s\n") % indexes
    check("vz-web")
    host.ip("link", "add", "d0", "type", "bridge")
    attach(host, redd, "seen", "veth")
    check("vz-web", "ve-seen-host1")
    attach(host, redd, "seen", "macvlan:d0")
    check("vz-web", "ve-seen-host1", "d0")
    detach(host, redd, "seen", "host1")
    check("vz-web", "d0")
    detach(host, redd, "seen", "mv-d0")
    check("vz-web")
    host.ip("link", "delete", "d0")


def test_a_machine_without_links_shows_none(host, redd, tree):
    host.machine(redd, "seen", tree, "--private-network")
    assert "NetworkInterfaces" not in show(host, redd, "seen")
    assert "Iface" not in host.machinectl(redd, "status", "seen").ok().out


# ---- interfaces ----


def clean(host):
    """But for the files of machines that run."""
    return not {what: new for what, new in host.left(0).items() if what != "files"}


def listed(host, redd, name, what="network"):
    return json.loads(host.machinectl(redd, what, "list", "--json=short", name).ok().out)


def attach(host, redd, name, *what):
    return host.machinectl(redd, "network", "attach", name, *what).ok().out.split()


def detach(host, redd, name, *what):
    host.machinectl(redd, "network", "detach", name, *what).ok()


@pytest.fixture
def bare(host, redd, tree):
    """A machine with a network of its own, and nothing in it."""
    return host.machine(redd, "bare", tree, "--read-only", "--private-network")


def talk(host, machine, inside, outside):
    """Both ways, in both families."""
    assert sorted(len(each.split(":")) > 1 for each in inside) == [False, True], inside
    for guest in inside:
        gateway = [each for each in outside if (":" in each) == (":" in guest)][0]
        for protocol in ("tcp", "udp"):
            server = machine.server(protocol, None, 0)
            assert host.connect(protocol, guest, server.port) == gateway
            server = host.server(protocol, None, 0)
            assert machine.connect(protocol, gateway, server.port) == guest


def test_a_link_of_its_own_is_attached_with_addresses_and_detached(host, redd, bare):
    assert attach(host, redd, "bare", "veth") == ["host0"]
    talk(host, bare, bare.addresses("host0"), host.addresses("ve-bare-host0"))
    row, = listed(host, redd, "bare")
    assert (row["name"], row["kind"], row["host"]) == ("host0", "veth", "ve-bare-host0")
    assert set(bare.addresses("host0")) <= {each.split("/")[0] for each in row["addresses"].split("\n")}
    detach(host, redd, "bare", "host0")
    assert "host0" not in bare.links() and clean(host)


@pytest.mark.parametrize("what, link", [("veth", "ve-bare-host0"), ("veth:out:in", "out"), ("zone:web", "vz-web")])
def test_no_guest_is_a_router_for_the_host_by_what_is_attached(host, redd, bare, what, link):
    attach(host, redd, "bare", what)
    assert host.run("cat", "/proc/sys/net/ipv6/conf/%s/accept_ra" % link).out.strip() == "0"
    assert {"UP", "LOWER_UP"} <= set(host.links()[link]["flags"])


def test_a_zone_is_attached_and_siblings_are_there(host, redd, tree, bare):
    other = host.machine(redd, "other", tree, "--read-only", "--network-zone=web")
    assert attach(host, redd, "bare", "zone:web:lan0") == ["lan0"]
    server = other.server("tcp", None, 80)
    for address in other.addresses("host0"):
        own = [each for each in bare.addresses("lan0") if (":" in each) == (":" in address)][0]
        assert bare.connect("tcp", address, 80) == own
    assert listed(host, redd, "bare")[0]["kind"] == "zone:web"
    assert [row for row in listed(host, redd, "other") if row["kind"] == "zone:web"]
    detach(host, redd, "bare", "lan0")
    assert "vz-web" in host.links()
    other.stop()
    assert "vz-web" not in host.links() and server.seen


def test_a_second_link_has_a_name_and_addresses_of_its_own(host, redd, tree):
    machine = host.machine(redd, "two", tree, "--network-veth")
    before = machine.addresses("host0")
    assert attach(host, redd, "two", "veth") == ["host1"]
    assert machine.addresses("host0") == before and not set(before) & set(machine.addresses("host1"))
    talk(host, machine, machine.addresses("host1"), host.addresses("ve-two-host1"))
    talk(host, machine, before, host.addresses("ve-two"))
    detach(host, redd, "two", "host1")
    talk(host, machine, before, host.addresses("ve-two"))


def test_an_attached_link_has_the_same_addresses_every_time(host, redd, bare):
    attach(host, redd, "bare", "veth")
    first = bare.links()["host0"]["address"], bare.addresses("host0")
    detach(host, redd, "bare", "host0")
    attach(host, redd, "bare", "veth")
    assert (bare.links()["host0"]["address"], bare.addresses("host0")) == first


def test_an_interface_of_the_host_is_lent_and_comes_home(network, host, redd, bare):
    other = network.host("other")
    network.lan(host, other, name="eth9")
    mac = host.links()["eth9"]["address"]
    assert attach(host, redd, "bare", "interface:eth9:lan0") == ["lan0"]
    assert "eth9" not in host.links() and bare.links()["lan0"]["address"] == mac
    assert listed(host, redd, "bare") == [{"name": "lan0", "kind": "interface", "host": "eth9", "addresses": None}] or \
        listed(host, redd, "bare")[0]["addresses"].startswith("fe80")
    bare.ip("address", "add", "192.0.2.77/24", "dev", "lan0")
    other.server("tcp", None, 80)
    assert bare.connect("tcp", "192.0.2.2", 80) == "192.0.2.77"
    detach(host, redd, "bare", "lan0")
    assert host.links()["eth9"]["address"] == mac and "lan0" not in bare.links()
    assert not host.run("findmnt", "-rno", "TARGET").out.count("/network/ns-")


@pytest.mark.parametrize("end", ["stop", "crash"])
def test_what_is_attached_is_undone_at_the_end(network, host, redd, bare, end):
    network.cable(host, network.host("other"), "eth9")
    network.cable(host, network.host("another"), "eth8")
    mac = host.links()["eth9"]["address"]
    attach(host, redd, "bare", "zone:web", "interface:eth9:lan0", "macvlan:eth8", "veth:out:in", "veth")
    host.machinectl(redd, "port", "add", "bare", "8080").ok()
    assert {"host0", "lan0", "mv-eth8", "in", "host1"} <= set(bare.links())
    getattr(bare, end)()
    if end == "crash":
        host.machinectl(redd, "reap").ok()
    assert not host.left()
    assert host.links()["eth9"]["address"] == mac


def test_a_bridge_of_the_administrators_is_attached(host, redd, bare):
    host.ip("link", "add", "br9", "type", "bridge")
    host.ip("link", "set", "br9", "up")
    host.ip("address", "add", "192.0.2.1/24", "dev", "br9")
    host.before = dict(host.before, interfaces=sorted(host.links()))
    attach(host, redd, "bare", "bridge:br9")
    assert host.links()["vb-bare-host0"]["master"] == "br9" and bare.addresses("host0") == []
    assert listed(host, redd, "bare")[0]["kind"] == "bridge:br9"
    bare.ip("address", "add", "192.0.2.5/24", "dev", "host0")
    host.server("tcp", None, 80)
    assert bare.connect("tcp", "192.0.2.1", 80) == "192.0.2.5"
    detach(host, redd, "bare", "host0")
    assert "br9" in host.links()


def test_a_macvlan_is_a_neighbour_of_the_hosts_neighbours(network, host, redd, bare):
    other = network.host("other")
    network.lan(host, other)
    assert attach(host, redd, "bare", "macvlan:eth0") == ["mv-eth0"]
    bare.ip("address", "add", "192.0.2.9/24", "dev", "mv-eth0")
    other.server("tcp", None, 80)
    assert bare.connect("tcp", "192.0.2.2", 80) == "192.0.2.9"
    assert listed(host, redd, "bare")[0]["host"] == "eth0"
    detach(host, redd, "bare", "mv-eth0")
    assert "mv-eth0" not in bare.links()


def test_what_is_attached_is_seen_by_who_looks(host, redd, bare):
    assert "NetworkInterfaces" not in show(host, redd, "bare")
    attach(host, redd, "bare", "veth")
    assert show(host, redd, "bare")["NetworkInterfaces"] == str(host.links()["ve-bare-host0"]["ifindex"])
    detach(host, redd, "bare", "host0")
    assert "NetworkInterfaces" not in show(host, redd, "bare")


def test_what_cannot_be_attached_is_refused_and_leaves_nothing(host, redd, tree, bare):
    refused = {
        "zone": "does not say",
        "eth0": "try interface:",
        "interface:eth7": "cannot find the interface 'eth7'",
        "macvlan:eth7": "cannot find the interface 'eth7'",
        "bridge:br7": "cannot use the bridge 'br7'",
        "bridge:lo": "it is none",
        "interface:lo:lo9": "cannot move the interface 'lo'",
        "veth:x:lo": "it has an interface of this name",
    }
    for what, why in refused.items():
        host.machinectl(redd, "network", "attach", "bare", what).failed(why)
    # the second is refused, the first is there
    host.machinectl(redd, "network", "attach", "bare", "veth:out:in", "veth:out:in2").failed("already")
    assert "in2" not in bare.links() and listed(host, redd, "bare")[0]["name"] == "in"
    detach(host, redd, "bare", "in")
    # the other end of a link belongs to its machine
    attach(host, redd, "bare", "veth")
    host.machinectl(redd, "network", "attach", "bare", "interface:ve-bare-host0").failed("it leads to a machine")
    detach(host, redd, "bare", "host0")
    assert clean(host)


def test_what_we_have_not_put_there_is_not_detached(host, redd, tree):
    machine = host.machine(redd, "veth", tree, "--network-veth")
    machine.ip("link", "add", "own0", "type", "bridge")
    for name in ("own0", "lo", "none"):
        host.machinectl(redd, "network", "detach", "veth", name).failed("nobody has attached")
    host.machinectl(redd, "network", "detach", "veth", "host0").failed("started with it")
    assert [row["kind"] for row in listed(host, redd, "veth")] == ["veth", "bridge"]


def test_a_machine_without_a_network_of_its_own_is_refused(host, redd, tree):
    host.machine(redd, "shared", tree)
    for words in (["attach", "shared", "veth"], ["detach", "shared", "eth0"], ["list", "shared"]):
        host.machinectl(redd, "network", *words).failed("it has that of the host")
    host.machinectl(redd, "port", "add", "shared", "80").failed("it has that of the host")
    assert listed_all(host, redd) == []


def listed_all(host, redd, what="network"):
    return json.loads(host.machinectl(redd, what, "list", "--json=short").ok().out)


def test_another_network_namespace_than_the_supervisors_is_refused(network, host, redd, tree, bare):
    stranger = network.host("stranger")
    done = runner.Redd(host.control(redd).path, prefix=["nsenter", "--net=/proc/%d/ns/net" % stranger.pid,
                                                       "--mount=/proc/%d/ns/mnt" % host.pid, "--"])
    done.run("network", "attach", "bare", "veth").failed("lives in another network namespace")


def test_all_machines_are_listed(host, redd, tree, bare):
    host.machine(redd, "web", tree, "--read-only", "--network-veth", "--port=tcp:8080:80")
    rows = listed_all(host, redd)
    assert [(row["machine"], row["name"]) for row in rows] == [("web", "host0")]
    assert [(row["machine"], row["host"]) for row in listed_all(host, redd, "port")] == [("web", "8080")]


def test_the_guest_may_rename_what_it_got(network, host, redd, bare):
    network.cable(host, network.host("other"), "eth9")
    attach(host, redd, "bare", "interface:eth9")
    bare.ip("link", "set", "eth9", "down")
    bare.ip("link", "set", "eth9", "name", "mine")
    host.machinectl(redd, "network", "detach", "bare", "eth9").failed("nobody has attached")
    detach(host, redd, "bare", "mine")
    assert "eth9" in host.links()


def test_many_at_once_each_get_their_own(host, redd, bare):
    processes = [host.start(host.control(redd).path, "network", "attach", "bare", "veth") for _ in range(6)]
    names = sorted(process.communicate(timeout=60)[0].strip() for process in processes)
    assert names == ["host%d" % number for number in range(6)]
    addresses = [address for name in names for address in bare.addresses(name)]
    assert len(set(addresses)) == len(addresses) == 12
    processes = [host.start(host.control(redd).path, "network", "detach", "bare", name) for name in names]
    assert [process.wait(timeout=60) for process in processes] == [0] * 6
    assert clean(host)


# ---- ports ----


def test_a_port_is_added_and_removed(network, host, redd, tree):
    other = network.host("other")
    network.lan(host, other)
    machine = host.machine(redd, "web", tree, "--network-veth")
    for protocol in ("tcp", "udp"):
        machine.server(protocol, None, 80)
        assert other.ask(protocol, "192.0.2.1", 8080) in ("refused", "timeout")
    host.machinectl(redd, "port", "add", "web", "8080:80", "udp:8080:80").ok()
    for address, own in (("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")):
        assert other.connect("tcp", address, 8080) == own
        assert other.connect("udp", address, 8080) == own
    assert listed(host, redd, "web", "port") == [
        {"protocol": "tcp", "address": None, "host": "8080", "container": "80"},
        {"protocol": "udp", "address": None, "host": "8080", "container": "80"}]
    host.machinectl(redd, "port", "remove", "web", "8080:80").ok()
    assert other.ask("tcp", "192.0.2.1", 8080) in ("refused", "timeout")
    assert other.connect("udp", "192.0.2.1", 8080) == "192.0.2.2"
    assert host.machinectl(redd, "port", "list", "web").ok().lines[1].split() == ["udp", "-", "8080", "80"]


def test_a_port_is_at_localhost_when_its_command_ends(host, redd, tree):
    """However busy the supervisor is, who listens there."""
    machine = host.machine(redd, "web", tree, "--network-veth")
    machine.server("tcp", None, 80)
    for deed, answers in (("add", set(host.addresses("ve-web"))), ("remove", {"refused"}), ("add", set(host.addresses("ve-web")))):
        machine.process.send_signal(signal.SIGSTOP)
        later = threading.Timer(1, machine.process.send_signal, [signal.SIGCONT])
        later.start()
        done = host.machinectl(redd, "port", deed, "web", "8080:80").ok()
        assert {host.ask("tcp", "127.0.0.1", 8080), host.ask("tcp", "::1", 8080)} == answers and not done.err
        later.join()


def test_what_has_begun_can_be_changed(host, redd, tree):
    """However long its supervisor takes to come back from the mounts that it made the machine in, or to tell of it."""
    slow = redd.with_prefix("strace", "-qq", "-o", "/dev/null", "-e", "inject=setns,rename,renameat,renameat2:delay_enter=500000")
    one = host.program(slow).start("-q", "--pipe", "-D", tree, "-M", "web", "-n", "/bin/sh", "-c", "echo ready; exec sleep 1000")
    assert one.stdout.readline() == "ready\n"
    try:
        done = host.machinectl(redd, "network", "attach", "web", "zone:web").ok()
        assert not done.err, done
        indexes = " ".join(str(host.links()[link]["ifindex"]) for link in ("ve-web", "vz-web"))
        assert "NETIF=\"%s\"\n" % indexes in runner.until(lambda: host.run("cat", "/run/systemd/machines/web", check=False).out)
        host.machinectl(redd, "port", "add", "web", "8080:80").ok()
    finally:
        host.machinectl(redd, "terminate", "web").ok()
        one.communicate()


def test_a_supervisor_that_does_not_answer_is_not_waited_for_for_ever(host, redd, tree):
    machine = host.machine(redd, "web", tree, "--network-veth")
    machine.server("tcp", None, 80)
    machine.process.send_signal(signal.SIGSTOP)
    done = host.machinectl(redd, "port", "add", "web", "8080:80").ok()
    machine.process.send_signal(signal.SIGCONT)
    assert "does not answer" in done.err
    runner.until(lambda: host.ask("tcp", "127.0.0.1", 8080) in host.addresses("ve-web"))


def test_a_port_from_the_start_can_be_taken_away(network, host, redd, tree):
    other = network.host("other")
    network.lan(host, other)
    machine = host.machine(redd, "web", tree, "--network-veth", "--port=8000-8009")
    machine.server("tcp", None, 8003)
    assert other.connect("tcp", "192.0.2.1", 8003) == "192.0.2.2"
    assert listed(host, redd, "web", "port")[0]["container"] == "8000-8009"
    host.machinectl(redd, "port", "remove", "web", "8000-8009").ok()
    assert other.ask("tcp", "192.0.2.1", 8003) in ("refused", "timeout")


def test_ports_that_cannot_be_are_refused_and_none_is_added(host, redd, tree):
    host.machine(redd, "web", tree, "--read-only", "--network-veth", "--port=8080:80")
    host.machine(redd, "other", tree, "--read-only", "--network-veth")
    before = host.ruleset()
    host.machinectl(redd, "port", "add", "other", "x").failed("cannot understand the port 'x'")
    host.machinectl(redd, "port", "add", "web", "9090", "8080:81").failed("leads there already")
    host.machinectl(redd, "port", "add", "other", "9090", "8080").failed("8080")
    host.machinectl(redd, "port", "remove", "web", "8080:81").failed("does not lead there")
    assert host.ruleset() == before
    assert listed(host, redd, "other", "port") == [] and len(listed(host, redd, "web", "port")) == 1


def test_a_machine_without_an_address_of_ours_is_refused(host, redd, bare):
    host.machinectl(redd, "port", "add", "bare", "80").failed("no address that is known here")


def test_ports_are_in_the_repaired_rules(network, host, redd, tree):
    if not host.ruleset() and not host.run("which", "nft", check=False).out:
        pytest.skip("no nft(8)")
    other = network.host("other")
    network.lan(host, other)
    machine = host.machine(redd, "web", tree, "--network-veth")
    machine.server("tcp", None, 80)
    host.machinectl(redd, "port", "add", "web", "8080:80").ok()
    attach(host, redd, "web", "veth")
    host.run("nft", "flush", "ruleset")
    host.machinectl(redd, "list").ok()
    assert other.connect("tcp", "192.0.2.1", 8080) == "192.0.2.2"
    talk(host, machine, machine.addresses("host1"), host.addresses("ve-web-host1"))


@pytest.mark.parametrize("what", ["flush table inet redd", "flush chain inet redd publish", "delete table bridge redd", "delete table inet redd"])
def test_whatever_is_missing_of_the_rules_is_made_again(network, host, redd, tree, what):
    if not host.run("which", "nft", check=False).out:
        pytest.skip("no nft(8)")
    other = network.host("other")
    network.lan(host, other)
    machine = host.machine(redd, "web", tree, "--network-zone=z", "--port=8080:80")
    machine.server("tcp", None, 80)
    before = host.ruleset()
    assert not host.machinectl(redd, "list").ok().err
    host.run("nft", *what.split())
    assert host.ruleset() != before
    assert "are there again" in host.machinectl(redd, "list").ok().err
    assert host.ruleset() == before
    assert other.connect("tcp", "192.0.2.1", 8080) == "192.0.2.2"
    assert not host.machinectl(redd, "list").ok().err


@pytest.mark.parametrize("before", ["0", "1"])
def test_whoever_switches_forwarding_off_does_not_cut_machines_off(network, host, redd, tree, before):
    """And the host is a router for nobody else then."""
    other = network.host("other")
    network.lan(host, other)
    host.sysctl("ipv4/ip_forward", before)
    host.sysctl("ipv6/conf/all/forwarding", before)
    for name, port, link in (("web", 8080, "--network-veth"), ("zone", 8081, "--network-zone=z")):
        host.machine(redd, name, tree, "-x", link, "--port=%d:80" % port).server("tcp", None, 80)
    called = lambda: [other.ask("tcp", address, port) for address in ("192.0.2.1", "2001:db8::1") for port in (8080, 8081)]
    assert called() == ["192.0.2.2"] * 2 + ["2001:db8::2"] * 2
    for value in ("1", "0", "1", "0"):
        host.sysctl("ipv4/ip_forward", value)
        host.sysctl("ipv6/conf/all/forwarding", value)
        assert runner.until(lambda: called() == ["192.0.2.2"] * 2 + ["2001:db8::2"] * 2, 10)
        runner.until(lambda: ("from all prohibit" in host.ip("rule", "show", "priority", 1003)) == (value == "0"), 10)
    assert host.sysctl("ipv4/ip_forward") == "0"


def test_what_is_wrong_with_the_words_is_said(host, redd):
    for words in (["port", "add", "web"], ["port", "open", "web", "80"], ["port", "list", "a", "b"]):
        host.machinectl(redd, *words).failed("try 'port add NAME PORT...'")
    for words in (["network", "attach", "web"], ["network", "join", "web", "x"]):
        host.machinectl(redd, *words).failed("try 'network attach NAME WHAT...'")


# ---- what the supervisor does for it ----


def gateway(host, link):
    return [address for address in host.addresses(link) if ":" not in address][0]


def served(machine, server, name):
    """The answer, once the supervisor knows of the change."""
    def ask():
        answer = dns.ask(machine, server, name, timeout=0.3)
        return not isinstance(answer, str) and answer.addresses
    return runner.until(ask, 5)


def test_a_first_link_is_served_as_if_it_had_been_there_from_the_start(host, redd, tree, bare):
    other = host.machine(redd, "other", tree, "--read-only", "--network-zone=web")
    for _ in range(3):
        attach(host, redd, "bare", "zone:web")
        v4 = [address for address in bare.addresses("host0") if ":" not in address]
        assert served(bare, gateway(host, "vz-web"), "other") == [gateway(other, "host0")]
        assert served(other, gateway(host, "vz-web"), "bare") == v4
        assert served(bare, gateway(host, "vz-web"), "_host") == [gateway(host, "vz-web")]
        detach(host, redd, "bare", "host0")
        assert dns.ask(other, gateway(host, "vz-web"), "bare").addresses == []


def test_siblings_in_each_zone_are_known_by_name(host, redd, tree):
    two = host.machine(redd, "two", tree, "--read-only", "--network-zone=a")
    in_b = host.machine(redd, "inb", tree, "--read-only", "--network-zone=b")
    assert dns.ask(two, gateway(host, "vz-a"), "inb").addresses == []
    attach(host, redd, "two", "zone:b")
    assert served(two, gateway(host, "vz-a"), "inb") == [gateway(in_b, "host0")]
    assert served(in_b, gateway(host, "vz-b"), "two") == [gateway(two, "host1")]
    detach(host, redd, "two", "host1")
    runner.until(lambda: dns.ask(two, gateway(host, "vz-a"), "inb").addresses == [])


@pytest.mark.parametrize("options", [["--network-veth"], ["--network-zone=web", "--port=7070:80"]], ids=" ".join)
def test_an_added_port_is_reached_through_localhost(host, redd, tree, options):
    machine = host.machine(redd, "web", tree, *options)
    for protocol in ("tcp", "udp"):
        machine.server(protocol, None, 80)
    host.machinectl(redd, "port", "add", "web", "8080:80", "udp:8080:80").ok()
    for address in ("127.0.0.1", "::1"):
        runner.until(lambda: host.ask("tcp", address, 8080) != "refused", 5)
        for protocol in ("tcp", "udp"):
            assert host.connect(protocol, address, 8080) in host.addresses("ve-web" if options == ["--network-veth"] else "vz-web")
    host.machinectl(redd, "port", "remove", "web", "8080:80", "udp:8080:80").ok()
    runner.until(lambda: host.ask("tcp", "127.0.0.1", 8080) == "refused", 5)


def test_an_added_port_leads_to_a_link_that_was_attached(network, host, redd, bare):
    other = network.host("other")
    network.lan(host, other)
    attach(host, redd, "bare", "veth")
    host.machinectl(redd, "port", "add", "bare", "8080:80").ok()
    bare.server("tcp", None, 80)
    assert other.connect("tcp", "192.0.2.1", 8080) == "192.0.2.2"
    assert other.connect("tcp", "2001:db8::1", 8080) == "2001:db8::2"
    runner.until(lambda: host.ask("tcp", "127.0.0.1", 8080) == gateway(host, "ve-bare-host0"), 5)
    detach(host, redd, "bare", "host0")
    assert listed(host, redd, "bare", "port") == [] and other.ask("tcp", "192.0.2.1", 8080) in ("refused", "timeout")


def test_other_networks_are_reached_by_an_attached_link(network, host, redd, bare):
    other = network.host("other")
    network.lan(host, other)
    attach(host, redd, "bare", "veth")
    other.server("tcp", None, 80)
    assert bare.connect("tcp", "192.0.2.2", 80) == "192.0.2.1"
    assert bare.connect("tcp", "2001:db8::2", 80) == "2001:db8::1"


def test_it_is_served_and_undone_by_a_newer_program_too(network, host, redd, bare):
    network.cable(host, network.host("other"), "eth9")
    attach(host, redd, "bare", "zone:web", "interface:eth9")
    host.machinectl(redd, "reexec", "bare").ok()
    assert served(bare, gateway(host, "vz-web"), "_host")
    attach(host, redd, "bare", "veth")
    bare.stop()
    assert not host.left()


def test_it_is_served_and_undone_by_a_new_supervisor_too(network, host, redd, tree):
    network.cable(host, network.host("other"), "eth9")
    machine = host.machine(redd, "kept", tree, "--private-network", "--on-supervisor-death=keep")
    attach(host, redd, "kept", "zone:web", "interface:eth9")
    machine.process.kill()
    machine.process.wait()
    # nobody answers meanwhile, but it may be changed
    assert attach(host, redd, "kept", "veth") == ["host1"]
    host.machinectl(redd, "adopt", "kept").ok()
    assert served(machine, gateway(host, "vz-web"), "_host")
    network_support.Net.close(machine)
    host.machinectl(redd, "terminate", "kept").ok()
    assert not host.left()


def test_a_guest_that_starts_again_has_what_it_was_started_with(host, redd, tree):
    host.other = host
    machine = Rebooting(host, redd, tree, "again", "--network-veth", "--port=tcp:7070:80")
    attach(host, redd, "again", "veth", "zone:web")
    host.machinectl(redd, "port", "add", "again", "8080:80").ok()
    machine.reboot()
    assert sorted(machine.links()) == ["host0", "lo"] and "vz-web" not in host.links()
    assert [row["host"] for row in listed(host, redd, "again", "port")] == ["7070"]
    assert attach(host, redd, "again", "veth") == ["host1"]


# ---- classes S53 to S55 ----


def test_nobody_uses_a_siblings_address_in_a_zone_that_was_attached(host, redd, tree, bare):
    other = host.machine(redd, "other", tree, "--read-only", "--network-zone=web")
    attach(host, redd, "bare", "zone:web")
    other.server("tcp", None, 80)
    target, foreign = gateway(other, "host0"), gateway(other, "host0").rsplit(".", 1)[0] + ".250"
    assert bare.connect("tcp", target, 80) == gateway(bare, "host0")
    bare.ip("address", "add", foreign + "/24", "dev", "host0")
    assert bare.ask("tcp", target, 80, source=foreign) == "timeout"


def test_control_on_a_bridge_of_the_administrators_any_free_address_is_used(host, redd, bare):
    host.ip("link", "add", "br9", "type", "bridge")
    host.ip("link", "set", "br9", "up")
    host.ip("address", "add", "192.0.2.1/24", "dev", "br9")
    host.before = dict(host.before, interfaces=sorted(host.links()))
    attach(host, redd, "bare", "bridge:br9")
    bare.ip("address", "add", "192.0.2.250/24", "dev", "host0")
    host.server("tcp", None, 80)
    assert bare.connect("tcp", "192.0.2.1", 80, source="192.0.2.250") == "192.0.2.250"


def test_what_a_machine_may_reach_holds_for_what_is_attached(network, host, redd, tree):
    other = network.host("other")
    network.lan(host, other)
    for port in (80, 81):
        other.server("tcp", None, port)
    machine = host.machine(redd, "tame", tree, "--network-veth", "--network-egress=192.0.2.2:80")
    attach(host, redd, "tame", "veth")
    own = gateway(machine, "host1")
    assert machine.connect("tcp", "192.0.2.2", 80) == "192.0.2.1"
    assert machine.ask("tcp", "192.0.2.2", 81) in ("refused", "unreachable")
    machine.ip("rule", "add", "from", own, "lookup", "77")
    machine.ip("route", "add", "default", "via", gateway(host, "ve-tame-host1"), "dev", "host1", "table", "77")
    assert machine.connect("tcp", "192.0.2.2", 80, source=own) == "192.0.2.1"
    assert machine.ask("tcp", "192.0.2.2", 81, source=own) in ("refused", "unreachable")
    done = host.machinectl(redd, "network", "attach", "tame", "macvlan:eth0").ok()
    assert "--network-egress=" in done.err and "'mv-eth0'" in done.err


def test_what_the_machine_made_in_the_place_of_a_lent_interface_does_not_come_home(network, host, redd, bare):
    """It would still have the other end of it."""
    network.cable(host, network.host("other"), "eth9")
    attach(host, redd, "bare", "interface:eth9:lan0")
    index = str(bare.links()["lan0"]["ifindex"])
    bare.ip("link", "delete", "lan0")
    bare.ip("link", "add", "lan0", "index", index, "type", "veth", "peer", "name", "evil", "index", "77")
    host.machinectl(redd, "network", "detach", "bare", "lan0").failed("may have made what is there now")
    assert "eth9" not in host.links() and "lan0" in bare.links()
    bare.stop()
    runner.until(lambda: "eth9" not in host.links())
    host.dirty = True


def test_a_first_process_that_has_left_its_network_is_left_alone(host, redd, tree):
    machine = host.machine(redd, "gone", tree, "--network-veth",
                           command="trap 'exec unshare -n sleep 1000' USR1; sleep 100000 & echo ready; while :; do wait; done")
    before = os.readlink("/proc/%d/ns/net" % machine.leader)
    os.kill(machine.leader, 10)
    runner.until(lambda: os.readlink("/proc/%d/ns/net" % machine.leader) != before)
    host.machinectl(redd, "network", "attach", "gone", "veth").failed("gone to another network namespace")
    host.machinectl(redd, "network", "detach", "gone", "host0").failed("gone to another network namespace")
    assert listed(host, redd, "gone") == []
