"""A machine's network while the machine reboots, and while its supervisor is replaced, adopted or killed."""
import concurrent.futures
import fcntl
import ipaddress
import os

import pytest

from support import dns, network as support, runner

PORT = "--port=8080:80"


@pytest.fixture
def host(network):
    """With a neighbour: host.other."""
    host, host.other = network.host("host"), network.host("other")
    network.lan(host, host.other)
    return host


def until_running(host, redd, name):
    runner.until(lambda: host.machinectl(redd, "exec", name, "true").code == 0)


def works(host, machine, zone=False):
    """From everywhere, by every family; DNS as well. Returns the machine's addresses."""
    link = "vz-z" if zone else "ve-" + machine.name
    servers = [machine.server(protocol, None, 80) for protocol in ("tcp", "udp")]
    v4, v6 = machine.addresses("host0")
    here4, here6 = host.addresses(link)
    for protocol in ("tcp", "udp"):
        assert host.ask(protocol, v4, 80) == here4
        assert host.ask(protocol, v6, 80) == here6
    assert host.other.ask("tcp", "192.0.2.1", 8080) == "192.0.2.2"
    assert host.other.ask("tcp", "2001:db8::1", 8080) == "2001:db8::2"
    assert dns.ask(machine, here4, "_host").addresses == [here4]
    assert dns.ask(machine, here6, machine.name, "AAAA").addresses == [v6]
    for server in servers:
        server.close()
        machine.servers.remove(server)
    return [v4, v6]


class Rebooting(support.Machine):
    """Its program reboots when it gets a USR1."""

    def __init__(self, host, redd, tree, name, *options):
        support.Machine.__init__(self, host.program(redd), name, tree, *options,
                                 command="trap 'exit 0' TERM; trap '/usr/bin/probe reboot restart' USR1; echo ready; while :; do sleep 1000 & wait; done")
        self.host, self.redd = host, redd
        host.machines.append(self)

    def reboot(self):
        before = self.leader
        os.kill(before, 10)
        assert "ready" in self.process.stdout.readline()
        until_running(self.host, self.redd, self.name)
        self.leader = runner.leader(self.process.pid)
        assert self.leader != before
        support.Net.close(self)
        support.Net.__init__(self, "/proc/%d/ns/net" % self.leader)


@pytest.mark.parametrize("mode", ["-n", "--network-zone=z"])
def test_after_a_reboot_all_is_as_before(host, redd, tree, mode):
    machine = Rebooting(host, redd, tree, "again", mode, PORT)
    before = works(host, machine, mode != "-n")
    for _ in range(3):
        machine.reboot()
        assert works(host, machine, mode != "-n") == before


def test_moved_and_further_interfaces_come_along_when_it_reboots(host, redd, tree):
    host.ip("link", "add", "p0", "type", "veth", "peer", "name", "p1", "netns", host.other.pid)
    host.before["interfaces"] = sorted(host.links())
    machine = Rebooting(host, redd, tree, "again", "--network-interface=p0:lan", "--network-veth-extra=one", "--network-macvlan=eth0")
    links = {name: link["address"] for name, link in machine.links().items()}
    machine.reboot()
    assert {name: link["address"] for name, link in machine.links().items()} == links
    assert sorted(links) == ["lan", "lo", "mv-eth0", "one"]
    machine.stop()
    assert "p0" in host.links()


def test_a_reboot_gives_nothing_of_the_zone_to_others(host, redd, tree):
    """Siblings go on, and find it again."""
    machine = Rebooting(host, redd, tree, "again", "-x", "--network-zone=z")
    sibling = host.machine(redd, "sibling", tree, "-x", "--network-zone=z")
    gateway = host.addresses("vz-z")[0]
    before = dns.ask(sibling, gateway, "again").addresses
    machine.reboot()
    assert dns.ask(sibling, gateway, "again").addresses == before != []
    assert sibling.ask("tcp", before[0], machine.server("tcp", None, 0).port) == sibling.addresses("host0")[0]


@pytest.mark.parametrize("first", ["VirtualEthernet=yes", "Zone=z"])
def test_further_links_from_the_pool_come_back_as_they_were(host, redd, tree, first):
    """Each has a net that nobody else has; also after the supervisor was replaced, and before the machine reboots again."""
    def places():
        found = {name: sorted(machine.addresses(name)) for name in ("host0", "lan", "wan")}
        for name in ("lan", "wan"):
            for protocol, here, there in zip(("tcp", "udp"), host.addresses(name), machine.addresses(name)):
                server, back = machine.server(protocol, there, 0), host.server(protocol, here, 0)
                assert host.ask(protocol, there, server.port) == here
                assert machine.ask(protocol, here, back.port) == there
        return found

    host.file("/etc/systemd/nspawn/again.nspawn", "[Network]\n%s\n[X-Network:lan]\nAddress=auto\n[X-Network:wan]\nAddress=auto\n" % first)
    machine = Rebooting(host, redd, tree, "again")
    other = host.machine(redd, "other", tree, "-x", "-n")
    before = places()
    nets = [ipaddress.ip_interface(host.links()[name]["addresses"][0]).network for name in ("lan", "wan", "ve-other")]
    assert len(set(nets)) == 3 and all(net.prefixlen == 30 and net.subnet_of(ipaddress.ip_network("10.213.0.0/17")) for net in nets)
    assert all(len(found) == 2 for found in before.values())
    assert not [each for each in sum(before.values(), []) if each in other.addresses("host0")]
    machine.reboot()
    assert places() == before
    host.machinectl(redd, "reexec", "again").ok()
    assert places() == before
    machine.reboot()
    assert places() == before
    machine.stop()
    again = Rebooting(host, redd, tree, "again")
    assert {name: sorted(again.addresses(name)) for name in before} == before


def test_a_given_address_inside_the_pool_is_not_taken_for_one_from_there(host, redd, tree):
    host.file("/etc/systemd/nspawn/mixed.nspawn", "[Network]\nVirtualEthernet=yes\n[X-Network:own]\nAddress=10.213.77.2/30\nHostAddress=10.213.77.1/30\n"
              "[X-Network:lan]\nAddress=auto\n")
    machine = Rebooting(host, redd, tree, "mixed")

    def places():
        return {name: (sorted(host.addresses(name)) if name != "host0" else None, sorted(machine.addresses(name))) for name in ("host0", "own", "lan")}
    before = places()
    assert before["own"][1] == ["10.213.77.2"] and len(before["lan"][1]) == 2
    host.machinectl(redd, "reexec", "mixed").ok()
    machine.reboot()
    assert places() == before


# ---- a newer program ----

@pytest.mark.parametrize("mode", ["-n", "--network-zone=z"])
def test_a_replaced_supervisor_serves_on(host, redd, tree, mode):
    machine = host.machine(redd, "twin", tree, mode, PORT)
    before, rules = works(host, machine, mode != "-n"), host.ruleset()
    for _ in range(2):
        host.machinectl(redd, "reexec", "twin").ok()
        assert works(host, machine, mode != "-n") == before
    # nothing of the filter was changed: not for a moment
    assert host.ruleset() == rules


def test_connections_outlive_a_replaced_supervisor(host, redd, tree):
    machine = host.machine(redd, "twin", tree, "-n", PORT)
    listener, place = machine.socket("tcp", "0.0.0.0", 80, listen=True)
    listener.bind(place)
    listener.listen(1)
    one, place = host.other.socket("tcp", "192.0.2.1", 8080)
    one.settimeout(5)
    one.connect(place)
    accepted, _ = listener.accept()
    host.machinectl(redd, "reexec", "twin").ok()
    accepted.sendall(b"still there")
    assert one.recv(64) == b"still there"
    for each in (one, accepted, listener):
        each.close()


def test_a_replaced_supervisor_takes_all_away_at_the_end(host, redd, tree):
    host.ip("link", "add", "p0", "type", "veth", "peer", "name", "p1", "netns", host.other.pid)
    host.before["interfaces"] = sorted(host.links())
    machine = host.machine(redd, "twin", tree, "--network-zone=z", "--network-interface=p0:lan", PORT)
    host.machinectl(redd, "reexec", "twin").ok()
    machine.stop()
    assert not host.left() and "p0" in host.links()


# ---- a new supervisor ----

@pytest.mark.parametrize("mode", ["-n", "--network-zone=z"])
def test_an_adopted_machine_is_served_again(host, redd, tree, mode):
    machine = host.machine(redd, "kept", tree, mode, PORT, "--on-supervisor-death=keep")
    before = works(host, machine, mode != "-n")
    machine.process.kill()
    machine.process.wait()
    gateway = host.addresses("vz-z" if mode != "-n" else "ve-kept")[0]
    # nobody answers, and what needs no answer goes on
    assert dns.ask(machine, gateway, "_host", timeout=0.5) in ("timeout", "refused")
    assert host.ask("tcp", before[0], machine.server("tcp", None, 80).port) == gateway
    machine.servers.pop().close()
    host.machinectl(redd, "adopt", "kept").ok()
    assert works(host, machine, mode != "-n") == before
    support.Net.close(machine)
    host.machinectl(redd, "terminate", "kept").ok()
    assert not host.left()


def test_who_adopts_waits_until_the_network_is_served(host, redd, tree):
    machine = host.machine(redd, "kept", tree, "-n", PORT, "--on-supervisor-death=keep")
    machine.process.kill()
    machine.process.wait()
    gateway = host.addresses("ve-kept")[0]
    # as by a command that changes the network just then
    with open("/proc/%d/root/run/redd/machines/kept" % host.pid) as record:
        fcntl.flock(record, fcntl.LOCK_EX)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            adopting = pool.submit(host.machinectl, redd, "adopt", "kept")
            assert concurrent.futures.wait([adopting], 1).not_done
            fcntl.flock(record, fcntl.LOCK_UN)
            adopting.result().ok()
    assert dns.ask(machine, gateway, "_host").addresses == [gateway]
    support.Net.close(machine)
    host.machinectl(redd, "terminate", "kept").ok()
    assert not host.left()


def test_an_adopted_machines_interface_comes_home(host, redd, tree):
    host.ip("link", "add", "p0", "type", "veth", "peer", "name", "p1", "netns", host.other.pid)
    host.before["interfaces"] = sorted(host.links())
    machine = host.machine(redd, "kept", tree, "--network-interface=p0:lan", "--on-supervisor-death=keep")
    machine.process.kill()
    machine.process.wait()
    host.machinectl(redd, "adopt", "kept").ok()
    host.machinectl(redd, "terminate", "kept").ok()
    runner.until(lambda: "p0" in host.links())


# ---- a killed one ----

@pytest.mark.parametrize("options", [["-n", PORT], ["--network-zone=z", PORT], ["--network-bridge=br0"], ["-n", "--network-veth-extra=one"],
                                     ["--network-macvlan=eth0"], ["-n", "--network-egress=198.51.100.0/24"]], ids=" ".join)
def test_the_next_command_takes_away_what_a_killed_supervisor_left(host, redd, tree, options):
    host.ip("link", "add", "br0", "type", "bridge")
    host.before["interfaces"] = sorted(host.links())
    machine = host.machine(redd, "killed", tree, *options)
    machine.crash()
    # any of them, not only the one that is made for it
    host.machinectl(redd, "list").ok()
    host.machinectl(redd, "reap").ok()
    assert not host.left()


def test_a_start_of_the_same_name_has_the_same_addresses_again(host, redd, tree):
    first = host.machine(redd, "killed", tree, "-n", PORT)
    before = works(host, first)
    first.crash()
    second = host.machine(redd, "killed", tree, "-n", PORT)
    assert works(host, second) == before


def test_others_do_not_notice_that_one_was_killed(host, redd, tree):
    one, two = (host.machine(redd, name, tree, "-x", "--network-zone=z", *options) for name, options in (("one", [PORT]), ("two", [])))
    two.crash()
    host.machinectl(redd, "reap").ok()
    works(host, one, True)


@pytest.mark.slow
def test_a_kill_at_any_moment_of_a_start_leaves_nothing(host, redd, tree):
    """After a next start of that name, and a look around."""
    host.used = True
    count = 60 if runner.LONG else 15
    for number in range(count):
        mode = ("-n", "--network-zone=z")[number % 2]
        started = host.program(redd).start("-q", "--pipe", "-D", tree, "-M", "early", mode, PORT, "sleep", "1000")
        try:
            started.wait(timeout=0.03 * number / count)
        except Exception:
            started.kill()
        started.communicate()
        runner.until(lambda: "running" not in host.machinectl(redd, "reap", "early").err)
    assert host.redd(redd, "-q", "-D", tree, "-M", "early", "-n", PORT, "true").ok()
    host.machinectl(redd, "reap").ok()
    assert not host.left()
