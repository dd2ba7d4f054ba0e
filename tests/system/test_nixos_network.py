"""NixOS containers from their confs: their networks, at both ends (N09, N10, N11)."""
import json
import os
import subprocess
import urllib.request

import pytest

from support import nix
from support.nix import container, host  # noqa: F401

PING = "busybox ping -c 1 -W 5 10.233.1.1 >/dev/null && echo reached >/var/reached"
PING6 = "busybox ping6 -c 1 -W 5 fc00::1 >/dev/null && echo reached >/var/reached"


def ip(*words):
    return json.loads(subprocess.run(["ip", "-j", *words], capture_output=True, text=True, check=True).stdout or "[]")


def link(name):
    return ip("-d", "link", "show", "dev", name)[0]


def exists(name):
    return name in [each["ifname"] for each in ip("link")]


def addresses(name):
    """Those that somebody gave it."""
    return ["%s/%d" % (each["local"], each["prefixlen"]) for one in ip("address", "show", "dev", name) for each in one["addr_info"]
            if each["scope"] == "global"]


def routes(name, family="-4"):
    return [each["dst"] for each in ip(family, "route", "show", "dev", name) if not each["dst"].startswith("fe80")]


class Inside:
    """What a container says of its network."""

    def __init__(self, one):
        self.one = one

    def names(self):
        return sorted(set(self.one.inside("ls", "/sys/class/net").ok().out.split()) - {"lo"})

    def is_up(self, name):
        return int(self.one.inside("cat", "/sys/class/net/%s/flags" % name).ok().out, 16) & 1 == 1

    def addresses(self, name):
        words = [line.split() for line in self.one.inside("ip", "-o", "address", "show", "dev", name, "scope", "global").ok().lines]
        return [each[each.index(kind) + 1] for each in words for kind in ("inet", "inet6") if kind in each]

    def routes(self, family="-4"):
        """"default via 10.233.1.1 dev eth0", without what the kernel adds."""
        lines = self.one.inside("ip", family, "route").ok().lines
        return sorted(" ".join(line.split()[:5 if " via " in line else 3]) for line in lines if not line.startswith(("fe80", "ff00")))

    def reaches(self, address):
        return self.one.inside("ping6" if ":" in address else "ping", "-c1", "-W5", address).code == 0


def reaches(address):
    return subprocess.run(["busybox", "ping6" if ":" in address else "ping", "-c1", "-W5", address], stdout=subprocess.DEVNULL).returncode == 0


# ---- N09, N10: a cable


def test_the_network_is_up_before_the_first_instruction(container, host):
    web = container(SYSTEM_PATH=host.system("net", init=PING), PRIVATE_NETWORK=1, HOST_ADDRESS="10.233.1.1", LOCAL_ADDRESS="10.233.1.2")
    web.start()
    inside = Inside(web)
    assert web.inside("cat", "/var/reached").ok().out == "reached\n"
    assert addresses("ve-web") == ["10.233.1.1/32"] and routes("ve-web") == ["10.233.1.2"]
    assert inside.names() == ["eth0"] and inside.addresses("eth0") == ["10.233.1.2/32"]
    assert inside.routes() == ["10.233.1.1 dev eth0", "default via 10.233.1.1 dev eth0"]
    assert inside.reaches("10.233.1.1") and reaches("10.233.1.2")
    web.stop()
    assert not exists("ve-web")


def test_ipv6_alone(container, host):
    web = container(SYSTEM_PATH=host.system("net6", init=PING6), PRIVATE_NETWORK=1, HOST_ADDRESS6="fc00::1", LOCAL_ADDRESS6="fc00::2").start()
    inside = Inside(web)
    assert web.inside("cat", "/var/reached").ok().out == "reached\n"
    assert addresses("ve-web") == ["fc00::1/128"] and "fc00::2" in routes("ve-web", "-6")
    assert inside.addresses("eth0") == ["fc00::2/128"] and inside.routes() == []
    assert "default via fc00::1 dev eth0" in inside.routes("-6") and "fc00::1 dev eth0" in inside.routes("-6")
    assert inside.reaches("fc00::1") and reaches("fc00::2")


def test_both_families_with_masks_and_an_address_of_its_own(container, host):
    web = container(SYSTEM_PATH=host.system(), PRIVATE_NETWORK=1, HOST_ADDRESS="10.233.2.1/24", LOCAL_ADDRESS="10.233.2.2/24",
                    HOST_ADDRESS6="fc00:2::1/64", LOCAL_ADDRESS6="fc00:2::2/64", LOCAL_MAC_ADDRESS="02:00:00:00:00:07").start()
    inside = Inside(web)
    assert addresses("ve-web") == ["10.233.2.1/24", "fc00:2::1/64"]
    assert inside.addresses("eth0") == ["10.233.2.2/24", "fc00:2::2/64"]
    assert inside.routes() == ["10.233.2.0/24 dev eth0", "default via 10.233.2.1 dev eth0"]
    assert web.inside("cat", "/sys/class/net/eth0/address").ok().out == "02:00:00:00:00:07\n"
    for address in ("10.233.2.2", "fc00:2::2"):
        assert reaches(address)


def test_only_a_hardware_address(container, host):
    """The host's end is the host's affair then."""
    web = container(SYSTEM_PATH=host.system(), PRIVATE_NETWORK=1, LOCAL_MAC_ADDRESS="02:00:00:00:00:08").start()
    inside = Inside(web)
    assert web.inside("cat", "/sys/class/net/eth0/address").ok().out == "02:00:00:00:00:08\n"
    assert inside.is_up("eth0") and inside.addresses("eth0") == [] and addresses("ve-web") == []
    assert "UP" not in link("ve-web")["flags"]


def test_ports_lead_inside(container, host):
    web = container(SYSTEM_PATH=host.system(), PRIVATE_NETWORK=1, HOST_ADDRESS="10.233.1.1", LOCAL_ADDRESS="10.233.1.2",
                    HOST_PORT="tcp:8080:80,tcp:8081").start()
    for port in ("80", "8081"):
        web.inside("httpd", "-p", port, "-h", "/run/current-system").ok()
    for place in ("10.233.1.1:8080", "127.0.0.1:8080", "10.233.1.1:8081"):
        with urllib.request.urlopen("http://%s/system" % place, timeout=9) as answer:
            assert answer.read() == b"x86_64-linux"
    web.stop()
    with pytest.raises(OSError):
        urllib.request.urlopen("http://127.0.0.1:8080/system", timeout=9)


# ---- N10: links of the host


@pytest.fixture(scope="module")
def links():
    """A bridge, and interfaces like a network card's. Not every kernel has dummy ones."""
    subprocess.run(["ip", "link", "add", "br0", "up", "type", "bridge"], check=True)
    subprocess.run(["ip", "address", "add", "10.233.3.1/24", "dev", "br0"], check=True)
    for number in "01":
        if subprocess.run(["ip", "link", "add", "card" + number, "type", "dummy"], stderr=subprocess.DEVNULL).returncode != 0:
            subprocess.run(["ip", "link", "add", "card" + number, "type", "veth", "peer", "name", "far" + number], check=True)
            subprocess.run(["ip", "link", "set", "far" + number, "up"], check=True)
        subprocess.run(["ip", "link", "set", "card" + number, "up"], check=True)
    yield
    for name in ("br0", "card0", "card1"):
        subprocess.run(["ip", "link", "del", name], check=True)


def test_a_bridge(container, host, links):
    """Of HOST_ADDRESS only the default route is made."""
    web = container(SYSTEM_PATH=host.system(), PRIVATE_NETWORK=1, HOST_BRIDGE="br0", LOCAL_ADDRESS="10.233.3.2/24", HOST_ADDRESS="10.233.3.1").start()
    two = container("two", SYSTEM_PATH=host.system(), PRIVATE_NETWORK=1, HOST_BRIDGE="br0", LOCAL_ADDRESS="10.233.3.3/24").start()
    assert link("vb-web")["master"] == "br0" and "UP" in link("vb-web")["flags"] and addresses("vb-web") == []
    assert addresses("br0") == ["10.233.3.1/24"]
    inside = Inside(web)
    assert inside.names() == ["eth0"] and inside.addresses("eth0") == ["10.233.3.2/24"]
    assert "default via 10.233.3.1 dev eth0" in inside.routes()
    assert Inside(two).routes() == ["10.233.3.0/24 dev eth0"]
    assert reaches("10.233.3.2") and inside.reaches("10.233.3.3") and Inside(two).reaches("10.233.3.1")
    web.stop()
    assert not exists("vb-web") and exists("br0")


def test_a_bridge_without_an_address(container, host, links):
    """The guest asks whoever answers there, over a link that is up."""
    web = container(SYSTEM_PATH=host.system(), PRIVATE_NETWORK=1, HOST_BRIDGE="br0").start()
    inside = Inside(web)
    assert inside.names() == ["eth0"] and inside.is_up("eth0") and inside.addresses("eth0") == [] and inside.routes() == []
    assert link("vb-web")["master"] == "br0"
    web.inside("ip", "address", "add", "10.233.3.9/24", "dev", "eth0").ok()
    assert inside.reaches("10.233.3.1")


def test_a_macvlan(container, host, links):
    web = container(SYSTEM_PATH=host.system(), PRIVATE_NETWORK=1, MACVLANS="card0").start()
    two = container("two", SYSTEM_PATH=host.system(), PRIVATE_NETWORK=1, MACVLANS="card0").start()
    for number, one in enumerate((web, two)):
        assert Inside(one).names() == ["mv-card0"]
        one.inside("ip", "address", "add", "10.233.4.%d/24" % (number + 1), "dev", "mv-card0").ok()
        one.inside("ip", "link", "set", "mv-card0", "up").ok()
    assert Inside(web).reaches("10.233.4.2") and exists("card0")


def test_a_moved_interface_comes_back(container, host, links):
    number = link("card1")["ifindex"]
    web = container(SYSTEM_PATH=host.system(), PRIVATE_NETWORK=1, INTERFACES="card1").start()
    assert Inside(web).names() == ["card1"] and not exists("card1")
    web.stop()
    assert link("card1")["ifindex"] == number
    web.write(SYSTEM_PATH=host.system(), PRIVATE_NETWORK=1, INTERFACES='"card0 card1"')
    web.start()
    assert Inside(web).names() == ["card0", "card1"]
    web.stop()
    assert exists("card0") and exists("card1")


def test_a_network_of_its_own_with_nothing_in_it(container, host, links):
    assert Inside(container(SYSTEM_PATH=host.system(), PRIVATE_NETWORK=1).start()).names() == []


def test_the_network_of_the_host(container, host, links):
    web = container(SYSTEM_PATH=host.system()).start()
    assert "br0" in Inside(web).names()
    assert web.inside("readlink", "/proc/self/ns/net").ok().out.strip() == os.readlink("/proc/self/ns/net")


def test_a_network_namespace_of_somebody_else(container, host):
    subprocess.run(["ip", "netns", "add", "other"], check=True)
    try:
        web = container(SYSTEM_PATH=host.system(), NETWORK_NAMESPACE_PATH="/run/netns/other").start()
        own = subprocess.run(["ip", "netns", "exec", "other", "readlink", "/proc/self/ns/net"], capture_output=True, text=True, check=True)
        assert web.inside("readlink", "/proc/self/ns/net").ok().out == own.stdout
        web.stop()
        assert subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout.split()[0] == "other"
    finally:
        subprocess.run(["ip", "netns", "del", "other"], check=True)
        subprocess.run(["umount", "/run/netns"], check=True)
        os.rmdir("/run/netns")


# ---- N10: further cables, which only the companion can tell of

EXTRA = """[Network]
VirtualEthernetExtra=ex-lan:lan
VirtualEthernetExtra=ex-wan:wan

[X-Network:lan]
HostAddress=10.233.5.1
Address=10.233.5.2
HostAddress=fc00:5::1
Address=fc00:5::2
MACAddress=02:00:00:00:00:05

[X-Network:wan]
Bridge=br0
Address=10.233.3.7/24
"""


@pytest.fixture
def companion():
    os.makedirs(nix.COMPANIONS, exist_ok=True)
    path = os.path.join(nix.COMPANIONS, "web.nspawn")

    def write(text):
        with open(path, "w") as file:
            file.write(text)
    yield write
    os.unlink(path)


def test_further_cables(container, host, links, companion):
    companion(EXTRA)
    web = container(SYSTEM_PATH=host.system(), PRIVATE_NETWORK=1, HOST_ADDRESS="10.233.1.1", LOCAL_ADDRESS="10.233.1.2").start()
    inside = Inside(web)
    assert inside.names() == ["eth0", "lan", "wan"]
    assert addresses("ex-lan") == ["10.233.5.1/32", "fc00:5::1/128"] and routes("ex-lan") == ["10.233.5.2"]
    assert inside.addresses("lan") == ["10.233.5.2/32", "fc00:5::2/128"]
    assert web.inside("cat", "/sys/class/net/lan/address").ok().out == "02:00:00:00:00:05\n"
    assert link("ex-wan")["master"] == "br0" and addresses("ex-wan") == [] and inside.addresses("wan") == ["10.233.3.7/24"]
    # only the first one leads to the rest of the world
    assert [line for line in inside.routes() if "default" in line] == ["default via 10.233.1.1 dev eth0"]
    assert "10.233.5.1 dev lan" in inside.routes()
    for address in ("10.233.1.2", "10.233.5.2", "fc00:5::2", "10.233.3.7"):
        assert reaches(address), address
    web.stop()
    assert not any(map(exists, ("ve-web", "ex-lan", "ex-wan")))


# ---- N11: names

VECTORS = {
    "first": ("ve-first", None),
    "abcdefghijkl": ("ve-abcdefghijkl", None),
    "abcdefghijklm": ("ve-abcdefghyhe5", "ve-abcdefghijklm"),
    "my-new-container": ("ve-my-new-cqeGC", "ve-my-new-container"),
    "really-long-name": ("ve-really-l3QgY", "ve-really-long-name"),
    "really-long-long-name-2": ("ve-really-lFYWO", "ve-really-long-long-name-2"),
}


def test_a_long_name_has_an_alternative_name(container, host):
    """All at once, so that their names must not collide either."""
    made = [container(name, SYSTEM_PATH=host.system(), PRIVATE_NETWORK=1, HOST_ADDRESS="10.233.9.%d" % (2 * number + 1),
                      LOCAL_ADDRESS="10.233.9.%d" % (2 * number + 2)) for number, name in enumerate(VECTORS)]
    for one in made:
        one.process = one.starter.start("start", one.name)
    for number, one in enumerate(made):
        one.wait()
        name, alternative = VECTORS[one.name]
        # one more is Redd's own mark
        names = [each for each in link(name).get("altnames", []) if not each.startswith("redd-")]
        assert names == ([alternative] if alternative else [])
        assert addresses(alternative or name) == ["10.233.9.%d/32" % (2 * number + 1)]
