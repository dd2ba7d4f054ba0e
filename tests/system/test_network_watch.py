"""A machine that gives itself its addresses: ports and names of the host follow, and do not follow lies."""
import contextlib
import time

import pytest

from support import runner

MACHINE = "chooser"
NOBODY = {"refused", "timeout", "unreachable"}


@pytest.fixture(scope="module")
def host(network_module):
    """With a neighbour behind eth0, and a bridge of the administrator's that leads to nobody else."""
    host, other = network_module.host("host"), network_module.host("other")
    network_module.lan(host, other)
    host.ip("link", "add", "br0", "type", "bridge", "forward_delay", "0")
    host.sysctl("ipv6/conf/br0/accept_dad", 0)
    host.ip("link", "set", "br0", "up")
    host.ip("address", "add", "10.9.0.1/24", "dev", "br0")
    host.ip("address", "add", "fd09::1/64", "dev", "br0")
    host.before["interfaces"] = sorted(host.links())
    host.other = other
    return host


@pytest.fixture(autouse=True)
def as_before(host):
    yield
    host.stop()
    assert not host.left()


@pytest.fixture
def machine(host, redd, tree):
    """In the bridge, without addresses; its port 80 is the host's 8080."""
    made = host.machine(redd, MACHINE, tree, "--network-bridge=br0", "-p", "8080:80", "-p", "udp:8080:80")
    made.ip("link", "set", "host0", "up")
    for protocol in ("tcp", "udp"):
        made.server(protocol, None, 80)
    return made


@pytest.fixture
def service(host):
    """One of the host's own, which is nobody's business."""
    made = host.server("tcp", None, 80)
    yield made
    made.close()
    host.servers.remove(made)


def give(machine, *addresses):
    for address in addresses:
        machine.ip("address", "add", address, "dev", "host0", *(["nodad"] if ":" in address else []))


def take(machine, *addresses):
    for address in addresses:
        machine.ip("address", "delete", address, "dev", "host0")


def move(machine, old, new):
    """Without the old one at any time: what the kernel makes of a second address in a net goes with the first."""
    take(machine, old)
    give(machine, new)
    machine.ip("route", "replace", "default", "via", "10.9.0.1")


def noted(host, name=MACHINE):
    """The addresses that the host knows of it."""
    lines = host.run("cat", "/run/redd/machines/.%s.network" % name).lines
    return [line.split("=")[1].split("/")[0] for line in lines if line.startswith("address=")]


def becomes(host, *addresses, name=MACHINE):
    runner.until(lambda: noted(host, name) == list(addresses), 10)


def stays(host, *addresses, name=MACHINE):
    """Also after what just happened was looked at."""
    time.sleep(1.5)
    assert noted(host, name) == list(addresses)


def called(machine, host):
    """Who reaches the port, and as whom it is seen."""
    calls = {"other4": (host.other, "192.0.2.1"), "other6": (host.other, "2001:db8::1"), "local4": (host, "127.0.0.1"),
             "local6": (host, "::1"), "own4": (host, "10.9.0.1"), "own6": (host, "fd09::1")}
    return {name: {place.ask(protocol, address, 8080, timeout=0.5) for protocol in ("tcp", "udp")}
            for name, (place, address) in calls.items()}


def nobody_is_reached(machine, host):
    return all(answers <= NOBODY for answers in called(machine, host).values())


def test_ports_follow_an_address_that_comes_later_and_goes(host, redd, machine):
    machine.ip("route", "add", "10.9.0.0/24", "dev", "host0")
    machine.ip("route", "add", "default", "via", "10.9.0.1")
    machine.ip("-6", "route", "add", "fd09::/64", "dev", "host0")
    machine.ip("-6", "route", "add", "default", "via", "fd09::1")
    assert noted(host) == [] and nobody_is_reached(machine, host)
    give(machine, "10.9.0.2/24")
    becomes(host, "10.9.0.2")
    runner.until(lambda: called(machine, host)["local4"] == {"10.9.0.1"})
    seen = called(machine, host)
    assert seen["other4"] == {"192.0.2.2"} and seen["own4"] == seen["local4"] == {"10.9.0.1"}
    give(machine, "fd09::2/64")
    becomes(host, "10.9.0.2", "fd09::2")
    runner.until(lambda: called(machine, host)["local6"] == {"fd09::1"})
    seen = called(machine, host)
    assert seen["other4"] == {"192.0.2.2"} and seen["other6"] == {"2001:db8::2"} and seen["own6"] == {"fd09::1"}
    assert seen["local4"] == {"10.9.0.1"} and seen["local6"] == {"fd09::1"}
    # it moves
    move(machine, "10.9.0.2/24", "10.9.0.77/24")
    becomes(host, "10.9.0.77", "fd09::2")
    runner.until(lambda: called(machine, host)["other4"] == {"192.0.2.2"})
    assert called(machine, host)["other6"] == {"2001:db8::2"}
    take(machine, "fd09::2/64")
    becomes(host, "10.9.0.77")
    runner.until(lambda: called(machine, host)["other6"] <= NOBODY)
    take(machine, "10.9.0.77/24")
    becomes(host)
    runner.until(lambda: nobody_is_reached(machine, host))


def test_the_host_knows_its_name(host, redd, machine):
    path = "/run/redd/hosts/" + MACHINE
    assert host.run("test", "-e", path, check=False).code == 1
    give(machine, "10.9.0.2/24", "fd09::2/64")
    becomes(host, "10.9.0.2", "fd09::2")
    text = runner.until(lambda: host.run("cat", path, check=False).out)
    assert "10.9.0.2" in text and "fd09::2" in text
    take(machine, "10.9.0.2/24", "fd09::2/64")
    becomes(host)
    runner.until(lambda: host.run("test", "-e", path, check=False).code == 1)


@pytest.mark.parametrize("lies", [
    ["10.9.0.1/24", "fd09::1/64"],  # its gateway's
    ["192.0.2.1/24", "2001:db8::1/64"],  # another of the host's
    ["192.0.2.2/24", "2001:db8::2/64"],  # the host's neighbour's
    ["127.0.0.7/8", "169.254.9.9/16"],
    ["10.9.0.255/24", "8.8.8.8/32"],
])
def test_addresses_that_lead_elsewhere_are_not_believed(host, redd, machine, service, lies):
    # the control: what is true is noted, and stays beside a lie
    give(machine, *lies)
    stays(host)
    give(machine, "10.9.0.2/24")
    becomes(host, "10.9.0.2")
    take(machine, "10.9.0.2/24")
    becomes(host)
    assert service.seen == [] and host.connect("tcp", "127.0.0.1", 80) == "127.0.0.1"
    runner.until(lambda: nobody_is_reached(machine, host))
    assert len(service.seen) == 1


def test_nobody_takes_a_siblings_address(host, redd, tree, machine):
    give(machine, "10.9.0.2/24", "fd09::2/64")
    becomes(host, "10.9.0.2", "fd09::2")
    thief = host.machine(redd, "thief", tree, "--network-bridge=br0", "-p", "8081:80", "--ephemeral")
    thief.ip("link", "set", "host0", "up")
    give(thief, "10.9.0.2/24", "fd09::2/64")
    stays(host, name="thief")
    give(thief, "10.9.0.3/24")
    becomes(host, "10.9.0.3", name="thief")
    assert noted(host) == ["10.9.0.2", "fd09::2"]


def test_a_port_of_another_machine_stays_its(host, redd, tree, machine):
    owner = host.machine(redd, "owner", tree, "--network-veth", "-p", "8085:80", "--ephemeral")
    owner.server("tcp", None, 80)
    late = host.machine(redd, "late", tree, "--network-bridge=br0", "-p", "8085:80", "-p", "8086:80", "--ephemeral")
    late.ip("link", "set", "host0", "up")
    late.server("tcp", None, 80)
    give(late, "10.9.0.5/24")
    late.ip("route", "add", "default", "via", "10.9.0.1")
    becomes(host, "10.9.0.5", name="late")
    runner.until(lambda: host.other.ask("tcp", "192.0.2.1", 8086) == "192.0.2.2")
    assert host.other.connect("tcp", "192.0.2.1", 8085) == "192.0.2.2"
    assert len(owner.servers[0].seen) == 1 and len(late.servers[0].seen) >= 1


def test_what_the_host_learns_later_counts_too(host, redd, machine):
    """The guest was first: nothing of its changes, but the host's routes do."""
    give(machine, "10.19.0.2/24")
    stays(host)
    host.ip("address", "add", "10.19.0.1/24", "dev", "br0")
    becomes(host, "10.19.0.2")
    host.ip("address", "delete", "10.19.0.1/24", "dev", "br0")
    becomes(host)


def test_a_guest_that_does_not_stop_changing(host, redd, machine):
    """The supervisor looks now and then, and in the end it is right."""
    with machine.inside(), open("/proc/%d/stat" % machine.process.pid) as file:
        before = sum(int(word) for word in file.read().rsplit(")", 1)[1].split()[11:13])
        end = time.monotonic() + 4
        while time.monotonic() < end:
            for number in range(10, 60):
                machine.ip("address", "add", "10.9.0.%d/24" % number, "dev", "host0", check=False)
                machine.ip("address", "flush", "dev", "host0", check=False)
        file.seek(0)
        used = sum(int(word) for word in file.read().rsplit(")", 1)[1].split()[11:13]) - before
    assert used < 100, "%d ticks in 4 s" % used
    give(machine, "10.9.0.9/24")
    becomes(host, "10.9.0.9")


def test_a_supervisors_new_program_goes_on(host, redd, machine):
    give(machine, "10.9.0.2/24")
    machine.ip("route", "add", "default", "via", "10.9.0.1")
    becomes(host, "10.9.0.2")
    host.machinectl(redd, "reexec", MACHINE).ok()
    assert host.other.connect("tcp", "192.0.2.1", 8080) == "192.0.2.2"
    move(machine, "10.9.0.2/24", "10.9.0.3/24")
    becomes(host, "10.9.0.3")
    runner.until(lambda: host.other.ask("tcp", "192.0.2.1", 8080) == "192.0.2.2")


def test_ports_are_added_while_it_runs(host, redd, machine):
    give(machine, "10.9.0.2/24")
    machine.ip("route", "add", "default", "via", "10.9.0.1")
    becomes(host, "10.9.0.2")
    host.machinectl(redd, "port", "add", MACHINE, "9090:80").ok()
    assert host.other.connect("tcp", "192.0.2.1", 9090) == "192.0.2.2"
    assert host.connect("tcp", "127.0.0.1", 9090) == "10.9.0.1"
    move(machine, "10.9.0.2/24", "10.9.0.3/24")
    becomes(host, "10.9.0.3")
    runner.until(lambda: host.other.ask("tcp", "192.0.2.1", 9090) == "192.0.2.2")
    runner.until(lambda: host.ask("tcp", "127.0.0.1", 9090) == "10.9.0.1")


def test_a_killed_supervisors_rules_are_cleaned_up(host, redd, machine):
    give(machine, "10.9.0.2/24", "fd09::2/64")
    becomes(host, "10.9.0.2", "fd09::2")
    machine.crash()
    host.machinectl(redd, "reap", MACHINE).ok()
    host.machines.remove(machine)
    assert not host.left()


def test_a_link_that_another_program_looks_after(host, redd, tree):
    """As systemd-networkd does on a host that runs it."""
    made = host.machine(redd, MACHINE, tree, "--network-veth", "--network-address=no", "-p", "8080:80")
    made.server("tcp", None, 80)
    link = "ve-" + MACHINE
    for place, name, number in ((host, link, 1), (made, "host0", 2)):
        place.ip("link", "set", name, "up")
        place.ip("address", "add", "10.29.0.%d/28" % number, "dev", name)
        place.ip("address", "add", "fd29::%d/64" % number, "dev", name, "nodad")
    made.ip("route", "add", "default", "via", "10.29.0.1")
    made.ip("-6", "route", "add", "default", "via", "fd29::1")
    becomes(host, "10.29.0.2", "fd29::2")
    runner.until(lambda: host.other.ask("tcp", "192.0.2.1", 8080) == "192.0.2.2")
    assert host.other.connect("tcp", "2001:db8::1", 8080) == "2001:db8::2"
    host.ip("link", "set", link, "down")
    take(made, "10.29.0.2/28", "fd29::2/64")
    becomes(host)
    assert host.other.ask("tcp", "192.0.2.1", 8080) in NOBODY


def test_where_addresses_are_ours_nobody_watches(host, redd, tree):
    made = host.machine(redd, MACHINE, tree, "--network-veth")
    before = noted(host)
    give(made, "10.9.0.2/24")
    stays(host, *before)
    with contextlib.suppress(FileNotFoundError):
        assert "chosen=1" not in host.run("cat", "/run/redd/machines/.%s.network" % MACHINE).out


def test_routers_behind_machines_change_nothing_of_the_host(host, redd, tree):
    """accept_ra of the host's ends is off."""
    host.machine(redd, MACHINE, tree, "--network-zone=z", "--network-veth-extra=extra:extra0")
    assert host.sysctl("ipv6/conf/vz-z/accept_ra") == host.sysctl("ipv6/conf/extra/accept_ra") == "0"
    assert host.sysctl("ipv6/conf/br0/accept_ra") == "1"
    host.stop()
    host.machine(redd, MACHINE, tree, "--network-veth")
    assert host.sysctl("ipv6/conf/ve-%s/accept_ra" % MACHINE) == "0"
