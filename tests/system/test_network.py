"""The links of a machine: which there are, what they are called, and that they are gone, or at home, at the end."""
import pytest

LONGEST = "abcdefghijklmnopqrstuvwxyz-bcdefghijklmnopqrstuvwxyz.0123456789A"
# Names and hardware addresses are derived from the machine's name and this one.
MACHINE_ID = "0123456789abcdef0123456789abcdef"
SHOW = "ip -o link show | sed -n 's/^[0-9]*: \\([^:@]*\\).*/\\1/p'"


@pytest.fixture(scope="module")
def host(network_module):
    """With a neighbour behind eth0, and a bridge of the administrator's."""
    host, other = network_module.host("host", MACHINE_ID), network_module.host("other")
    network_module.lan(host, other)
    host.ip("link", "add", "br0", "address", "02:00:00:00:00:b0", "type", "bridge")
    host.ip("link", "set", "br0", "up")
    host.before["interfaces"] = sorted(host.links())
    host.other = other
    return host


@pytest.fixture(autouse=True)
def as_before(host):
    """What a test started ends with it, and leaves nothing."""
    yield
    host.stop()
    assert host.left() == {}


@pytest.fixture
def cable(host):
    """cable("p0"): an interface like a network card's, to nobody; gone at the end."""
    made, home = [], list(host.before["interfaces"])

    def cable(name):
        host.ip("link", "add", name, "type", "veth", "peer", "name", "to-" + name[:8], "netns", host.other.pid)
        made.append(name)
        host.before["interfaces"] = sorted(host.links())
        return name
    yield cable
    host.stop()
    for name in made:
        host.other.ip("link", "delete", "to-" + name[:8], check=False)
    host.before["interfaces"] = home


def seen(host):
    """What of the host's interfaces nobody else changes."""
    return {name: [link[key] for key in ("ifindex", "address", "addresses", "flags")] for name, link in host.links().items()}


def altnames(link):
    """But for the one that a killed machine's links are found by."""
    return [name for name in link.get("altnames", []) if not name.startswith("redd-")]


# ---- names and hardware addresses: what systemd-nspawn 252 made with this machine id ----

VECTORS = [
    # machine, with a link of its own, in a bridge, and the two ends' addresses
    ("a", "ve-a", "vb-a", "fe:a0:8b:c0:5c:28", "f6:34:b0:92:3b:a4"),
    ("first", "ve-first", "vb-first", "8e:9d:40:f1:77:0b", "ea:85:93:ab:48:97"),
    ("abcdefghijkl", "ve-abcdefghijkl", "vb-abcdefghijkl", "e2:ef:26:91:35:75", "22:3e:ef:af:f2:02"),
    ("abcdefghijklm", "ve-abcdefghyhe5", "vb-abcdefghgd3w", "3e:5d:b8:4d:a9:c1", "7a:05:f1:85:7f:61"),
    ("web.example.org", "ve-web.exam2pVG", "vb-web.examzx3K", "02:aa:35:39:35:e3", "5a:46:80:fe:24:9a"),
    ("UPPER-case.Mixed", "ve-UPPER-cao3Rx", "vb-UPPER-caWJQw", "7a:95:2a:fd:b8:bf", "12:24:75:de:10:41"),
    ("my-new-container", "ve-my-new-cqeGC", "vb-my-new-c0KJS", None, None),
    ("really-long-name", "ve-really-l3QgY", "vb-really-lE9s9", None, None),
    ("really-long-long-name-2", "ve-really-lFYWO", "vb-really-lJAdS", None, None),
    (LONGEST, "ve-abcdefghGgCp", "vb-abcdefghbiPx", "92:82:fc:1e:18:39", "ce:ad:fd:b9:e5:fa"),
]


@pytest.mark.parametrize("mode", ["--network-veth", "--network-zone=z", "--network-bridge=br0"])
@pytest.mark.parametrize("name, alone, bridged, here, there", VECTORS, ids=[vector[0][:24] for vector in VECTORS])
def test_names_and_hardware_addresses_are_those_of_the_original(host, redd, tree, mode, name, alone, bridged, here, there):
    machine = host.machine(redd, name, tree, mode)
    expected, prefix = (alone, "ve-") if mode == "--network-veth" else (bridged, "vb-")
    link, guest = host.links()[expected], machine.links()["host0"]
    assert altnames(link) == ([] if expected == prefix + name else [prefix + name])
    assert link["linkinfo"]["info_kind"] == guest["linkinfo"]["info_kind"] == "veth"
    assert link.get("master") == {"--network-veth": None, "--network-zone=z": "vz-z", "--network-bridge=br0": "br0"}[mode]
    assert sorted(machine.links()) == ["host0", "lo"]
    if here:
        assert (link["address"], guest["address"]) == (here, there)


def test_extra_links_are_made_as_they_are_called_and_left_alone(host, redd, tree):
    machine = host.machine(redd, "first", tree, "--network-zone=z", "--network-veth-extra=one", "--network-veth-extra=two:inside",
                           "--network-veth-extra=three")
    outside, inside = host.links(), machine.links()
    assert [(outside[a]["address"], inside[b]["address"]) for a, b in (("one", "one"), ("two", "inside"), ("three", "three"))] == [
        ("ba:6f:a6:65:14:b0", "d2:76:72:62:da:9b"), ("b6:9c:94:f9:c9:fe", "46:bb:3b:18:fb:0c"), ("3a:4b:61:bb:46:a8", "ce:a7:43:49:64:b9")]
    for link in (outside["one"], outside["two"], inside["one"], inside["inside"]):
        assert "UP" not in link["flags"] and link["addresses"] == [] and "master" not in link


def test_an_extra_link_alone_is_the_admins_matter(host, redd, tree):
    machine = host.machine(redd, "first", tree, "--network-veth-extra=one")
    assert sorted(machine.links()) == ["lo", "one"] and host.ruleset() == host.before["ruleset"]


def test_two_interfaces_of_one_name_are_refused_before_anything_is_made(host, redd, tree):
    for options in (["-n", "--network-veth-extra=one:host0"], ["--network-macvlan=eth0:same", "--network-veth-extra=x:same"]):
        done = host.redd(redd, "-q", "-D", tree, "-M", "first", *options, "true")
        done.failed("cannot call two interfaces of the container '%s'" % ("host0" if "-n" in options else "same"))


def test_an_interface_that_is_there_already_is_not_touched(host, redd, tree, cable):
    cable("ve-first")
    cable("one")
    before = seen(host)
    host.redd(redd, "-q", "-D", tree, "-M", "first", "-n", "true").failed("cannot make the interface 've-first'", "there already")
    # the first link is made by then, and goes again
    host.redd(redd, "-q", "-D", tree, "-M", "second", "-n", "--network-veth-extra=one", "true").failed("cannot make the interface 'one'")
    assert host.left() == {} and seen(host) == before


# ---- loopback ----

def test_a_private_network_has_a_loopback_interface_that_is_up(host, redd, tree):
    done = host.redd(redd, "-q", "--pipe", "-D", tree, "--private-network", "sh", "-c", SHOW + "; ip -o address show lo").ok()
    assert done.lines[0] == "lo" and len([line for line in done.lines if " lo " in line]) == 2
    assert "127.0.0.1/8" in done.out and "::1/128" in done.out


def test_without_an_address_the_hosts_end_stays_down(host, redd, tree):
    """As the original, where the host's network manager does the rest."""
    machine = host.machine(redd, "first", tree, "-n", "--network-address=no")
    assert "UP" not in host.links()["ve-first"]["flags"] and "UP" not in machine.links()["host0"]["flags"]
    assert host.links()["ve-first"]["addresses"] == [] and host.ruleset() == host.before["ruleset"]


# ---- bridges ----

def test_a_bridge_is_the_admins(host, redd, tree):
    machine = host.machine(redd, "first", tree, "--network-bridge=br0")
    links = host.links()
    assert "UP" in links["vb-first"]["flags"] and links["br0"]["addresses"] == [] and machine.links()["host0"]["addresses"] == []


def test_machines_on_a_bridge_reach_each_other_with_addresses_of_their_own(host, redd, tree):
    one, two = (host.machine(redd, name, tree, "-x", "--network-bridge=br0", "--network-address=198.51.100.%d/24" % number,
                             "--network-address=2001:db8:5::%d/64" % number) for number, name in enumerate(("one", "two"), 1))
    for protocol in ("tcp", "udp"):
        port = one.server(protocol, None, 0).port
        assert two.ask(protocol, "198.51.100.1", port) == "198.51.100.2"
        assert two.ask(protocol, "2001:db8:5::1", port) == "2001:db8:5::2"


def test_what_is_no_bridge_is_refused(host, redd, tree):
    run = lambda bridge: host.redd(redd, "-q", "-D", tree, "-M", "first", "--network-bridge=" + bridge, "true")
    run("none").failed("cannot use the bridge 'none' (is there one of this name?)")
    run("eth0").failed("cannot use 'eth0' as a bridge: it is none")


# ---- zones ----

def test_a_zone_is_made_with_its_first_machine_and_goes_with_its_last(host, redd, tree):
    one = host.machine(redd, "one", tree, "-x", "--network-zone=z")
    bridge = host.links()["vz-z"]
    assert bridge["linkinfo"]["info_kind"] == "bridge" and "UP" in bridge["flags"]
    two = host.machine(redd, "two", tree, "-x", "--network-zone=z")
    one.stop()
    # who stays notices nothing
    assert {key: host.links()["vz-z"][key] for key in ("ifindex", "address", "addresses")} == {
        key: bridge[key] for key in ("ifindex", "address", "addresses")}
    assert two.ip("-4", "route", "show", "default").split()[2] in [each.split("/")[0] for each in bridge["addresses"]]
    assert host.ask("tcp", two.addresses("host0")[0], two.server("tcp", None, 0).port) in bridge["addresses"][0]
    two.stop()
    assert "vz-z" not in host.links()


def test_a_zones_gateway_has_the_same_hardware_address_every_time(host, redd, tree):
    seen = set()
    for name in ("one", "two"):
        machine = host.machine(redd, name, tree, "--network-zone=z")
        seen.add(host.links()["vz-z"]["address"])
        machine.stop()
        assert "vz-z" not in host.links()
    assert len(seen) == 1


def test_a_zone_whose_name_is_too_long_is_refused(host, redd, tree):
    done = host.redd(redd, "-q", "-D", tree, "--network-zone=abcdefghijklm", "true").failed("abcdefghijklm")
    assert len(done.err.strip().splitlines()) == 1


def test_what_somebody_else_put_into_a_zones_bridge_keeps_it(host, redd, tree, cable):
    machine = host.machine(redd, "one", tree, "--network-zone=z")
    host.ip("link", "set", cable("p0"), "master", "vz-z")
    machine.stop()
    assert host.links()["p0"]["master"] == "vz-z"
    host.ip("link", "delete", "vz-z")
    host.before["interfaces"] = sorted(host.links())


# ---- macvlan, ipvlan ----

def test_a_macvlan_interface_is_a_neighbour_among_the_hosts_neighbours(host, redd, tree, cable):
    cable("averylongparent")
    machine = host.machine(redd, "first", tree, "--network-macvlan=eth0", "--network-macvlan=eth0:inside", "--network-macvlan=averylongparent",
                           "--network-address=192.0.2.77/24", "--network-address=2001:db8::77/64")
    links = machine.links()
    assert [links[name]["address"] for name in ("mv-eth0", "inside", "mv-averylonCwaz")] == [
        "32:09:1b:fc:0f:6a", "0a:5b:48:88:c6:4b", "3e:06:08:16:bd:e3"]
    assert altnames(links["mv-averylonCwaz"]) == ["mv-averylongparent"]
    assert all(links[name]["linkinfo"]["info_data"]["mode"] == "bridge" for name in ("mv-eth0", "inside"))
    # the first has the addresses, and is up
    assert links["inside"]["addresses"] == [] and "UP" not in links["inside"]["flags"]
    port = machine.server("tcp", None, 0).port
    assert host.other.ask("tcp", "192.0.2.77", port) == "192.0.2.2"
    assert host.other.ask("tcp", "2001:db8::77", port) == "2001:db8::2"


def test_an_ipvlan_interface_or_a_sentence_that_the_kernel_has_none(host, redd, tree):
    can = host.run("ip", "link", "add", "link", "eth0", "name", "try", "type", "ipvlan", check=False).code == 0
    if not can:
        done = host.redd(redd, "-q", "-D", tree, "-M", "first", "--network-ipvlan=eth0", "true")
        done.failed("cannot make the interface 'iv-eth0': this kernel has none of its kind")
        assert len(done.err.strip().splitlines()) == 1
        return
    host.ip("link", "delete", "try")
    machine = host.machine(redd, "first", tree, "--network-ipvlan=eth0", "--network-address=192.0.2.77/24")
    link = machine.links()["iv-eth0"]
    assert link["linkinfo"]["info_data"]["mode"] == "l2" and link["address"] == host.links()["eth0"]["address"]
    assert host.other.ask("tcp", "192.0.2.77", machine.server("tcp", None, 0).port) == "192.0.2.2"


def test_ports_without_a_link_of_ours_are_told(host, redd, tree):
    done = host.redd(redd, "-q", "--pipe", "-D", tree, "-M", "noport", "--network-macvlan=eth0", "--port=8080:80", "true").ok()
    assert "leads nowhere" in done.err and "--network-veth" in done.err


@pytest.mark.parametrize("option", ["macvlan", "interface"])
def test_an_interface_that_the_host_does_not_have(host, redd, tree, option):
    host.redd(redd, "-q", "-D", tree, "-n", "--network-%s=none" % option, "true").failed("cannot find the interface 'none' of the host")


# ---- moved interfaces ----

@pytest.mark.parametrize("inside", ["p0", "lan"])
def test_a_moved_interface_comes_home_under_its_name(host, redd, tree, cable, inside):
    cable("p0")
    address = host.links()["p0"]["address"]
    machine = host.machine(redd, "first", tree, "--network-interface=p0" + ("" if inside == "p0" else ":" + inside))
    assert sorted(machine.links()) == sorted([inside, "lo"]) and "p0" not in host.links()
    machine.stop()
    assert host.links()["p0"]["address"] == address


def test_a_moved_interface_can_be_asked_for_by_any_of_its_names(host, redd, tree, cable):
    host.ip("link", "property", "add", "dev", cable("p0"), "altname", "the-long-name")
    machine = host.machine(redd, "first", tree, "--network-interface=the-long-name:lan")
    assert altnames(machine.links()["lan"]) == ["the-long-name"]
    machine.stop()
    assert altnames(host.links()["p0"]) == ["the-long-name"]


LONG = "the-cable-that-leads-to-the-other-room"


def test_a_moved_interface_may_be_named_by_a_long_name(host, redd, tree, cable):
    """It keeps the one that the kernel knows it by."""
    host.ip("link", "property", "add", "dev", cable("p0"), "altname", LONG)
    machine = host.machine(redd, "first", tree, "--network-interface=" + LONG, "--network-address=198.51.100.2/24")
    assert altnames(machine.links()["p0"]) == [LONG] and machine.addresses("p0") == ["198.51.100.2"]
    machine.stop()
    machine = host.machine(redd, "first", tree, "--network-interface=%s:lan" % LONG)
    assert altnames(machine.links()["lan"]) == [LONG]
    machine.stop()
    assert altnames(host.links()["p0"]) == [LONG]


def test_what_an_interface_stands_on_may_be_named_by_a_long_name(host, redd, tree, cable):
    host.ip("link", "property", "add", "dev", cable("p0"), "altname", LONG)
    machine = host.machine(redd, "first", tree, "--network-macvlan=" + LONG)
    link, = [link for name, link in machine.links().items() if name != "lo"]
    assert altnames(link) == ["mv-" + LONG]
    host.machinectl(redd, "network", "attach", "first", "macvlan:%s:more" % LONG).ok()
    assert "more" in machine.links()


def test_a_moved_interface_comes_home_from_whatever_it_is_called_inside(host, redd, tree, cable):
    cable("p0")
    machine = host.machine(redd, "first", tree, "--network-interface=p0:lan")
    machine.ip("link", "set", "lan", "name", "hidden")
    machine.ip("link", "set", "hidden", "up")
    machine.stop()
    assert "p0" in host.links()


def test_a_moved_interface_whose_name_was_taken_meanwhile_comes_home_all_the_same(host, redd, tree, cable):
    cable("p0")
    address = host.links()["p0"]["address"]
    machine = host.machine(redd, "first", tree, "--network-interface=p0")
    cable("p0-new")
    host.ip("link", "set", "p0-new", "name", "p0")
    host.other.ip("link", "set", "to-p0", "alias", "mine")
    machine.process.terminate()
    error = machine.process.communicate(timeout=20)[1]
    home = [link for link in host.links().values() if link["address"] == address]
    assert len(home) == 1 and home[0]["ifname"] != "p0" and "p0" in host.links()
    assert "the interface 'p0' comes back under another name" in error
    host.before["interfaces"] = sorted(host.links())


def test_a_moved_interface_can_have_the_machines_address(host, redd, tree, cable):
    host.other.ip("address", "add", "198.51.100.1/24", "dev", "to-" + cable("p0"))
    host.other.ip("link", "set", "to-p0", "up")
    machine = host.machine(redd, "first", tree, "--network-interface=p0:lan", "--network-address=198.51.100.2/24", "--network-mac=02:00:00:00:00:07")
    assert machine.links()["lan"]["address"] == "02:00:00:00:00:07"
    assert host.other.ask("tcp", "198.51.100.2", machine.server("tcp", None, 0).port) == "198.51.100.1"


def test_a_failed_start_leaves_moved_interfaces_at_home(host, redd, tree, cable):
    cable("p0")
    host.redd(redd, "-q", "-D", tree, "--network-interface=p0", "--network-interface=none", "true").failed("'none'")
    host.redd(redd, "-q", "-D", tree, "--network-interface=p0", "/no/such/program").failed()
    assert "p0" in host.links()


# ---- a namespace by path ----

@pytest.fixture
def namespace(host):
    host.run("ip", "netns", "add", "blue")
    yield "/run/netns/blue"
    host.run("ip", "netns", "delete", "blue")
    host.run("umount", "/run/netns")


def test_a_network_namespace_is_joined_as_it_is(host, redd, tree, namespace):
    host.run("ip", "-n", "blue", "link", "add", "name", "mine", "type", "bridge")
    done = host.redd(redd, "-q", "--pipe", "-D", tree, "--network-namespace-path=" + namespace, "sh", "-c",
                     "stat -L -c %i /proc/self/ns/net; ip -o link show; ip link set mine up 2>&1")
    assert done.lines[0] == host.run("stat", "-L", "-c", "%i", namespace).out.strip()
    assert "mine" in done.out and "LOOPBACK,UP" not in done.out, done
    # not the container's own: it cannot be changed
    assert done.code != 0 and "not permitted" in done.out, done


def test_what_is_no_network_namespace_is_refused(host, redd, tree):
    for path in ("/proc/self/ns/mnt", "/etc/passwd", "/no/such/file"):
        done = host.redd(redd, "-q", "-D", tree, "--network-namespace-path=" + path, "true").failed(path)
        assert len(done.err.strip().splitlines()) == 1, done
