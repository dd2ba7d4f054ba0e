"""What redd apply changes while a machine runs: a declared machine, and a host far away that it talks to."""
import json
import subprocess

from . import dns, runner
from .declared import RUNTIME
from .network import Net

LINK = ["[Network] VirtualEthernet=yes", "[X-Network] Address=10.233.7.2", "[X-Network] HostAddress=10.233.7.1"]
NAMES = {"%s.example.org" % name: [("A", 300, "11.0.0.%d" % number)] for name, number in (("one", 1), ("two", 2), ("three", 3))}


class World:
    """A declared machine, and a far host behind ours, which answers on some addresses."""

    def __init__(self, host, far):
        self.host, self.far = host, far
        self.tree, self.gateway = host.tree("base"), "10.233.7.1"
        subprocess.run(["ip", "link", "add", "cable", "type", "veth", "peer", "name", "eth0", "netns", str(far.pid)], check=True)
        for words in (["address", "add", "192.0.2.1/24", "dev", "cable"], ["link", "set", "cable", "up"],
                      ["route", "add", "11.0.0.0/24", "via", "192.0.2.2"]):
            subprocess.run(["ip", *words], check=True)
        far.ip("address", "add", "192.0.2.2/24", "dev", "eth0")
        far.ip("link", "set", "eth0", "up")
        far.ip("route", "add", "10.233.7.0/24", "via", "192.0.2.1")
        for number in (1, 2, 3, 9):
            far.ip("address", "add", "11.0.0.%d/32" % number, "dev", "lo")
        for port in (80, 443):
            for protocol in ("tcp", "udp"):
                far.server(protocol, None, port)
        self.names = dns.Server(far, "11.0.0.9", NAMES)
        with open("/etc/resolv.conf", "w") as file:
            file.write("nameserver 11.0.0.9\n")

    def define(self, *lines):
        self.host.define("web", "dir:" + self.tree, *LINK, *("[X-Network] " + line for line in lines))

    def net(self):
        return Net("/proc/%s/ns/net" % self.host.leader("web"))

    def ask(self, protocol, address, port=80, timeout=5.0):
        net = self.net()
        try:
            return net.ask(protocol, address, port, timeout=timeout)
        finally:
            net.close()

    def reaches(self, address, port=80, protocol="tcp", expected=True):
        """No answer is soon believed where none is EXPECTED."""
        return self.ask(protocol, address, port, 5.0 if expected else 0.7) not in ("timeout", "unreachable", "refused")

    def resolves(self, name="_host", expected=True):
        net = self.net()
        try:
            answer = dns.ask(net, self.gateway, name, timeout=5.0 if expected else 0.5)
        finally:
            net.close()
        return isinstance(answer, dns.Answer) and answer.code == "ok" and answer.addresses

    def resolv_conf(self):
        return self.host.inside("web", "cat", "/etc/resolv.conf")

    def close(self):
        self.host.machinectl("-q", "stop", "--all")
        subprocess.run(["ip", "link", "del", "cable"], check=True)


def apply_live(host, name, verb="apply"):
    """The plan says that it is live, it is, and nothing is left to do."""
    leader = host.leader(name)
    if verb == "apply":
        acts = {line["act"] for line in json.loads(host.redd("plan", "--json=short").failed(code=2).out)["changes"]}
        assert acts == {"live"}, acts
    host.redd(verb).ok()
    assert host.leader(name) == leader
    if verb == "apply":
        assert host.redd("plan").ok().out == "Nothing to do.\n"
        host.redd("drift").ok()


def reboot(host, name):
    """From inside: its own decision, of which apply knows nothing."""
    leader = host.leader(name)
    host.machinectl("exec", name, "--", "reboot", "-f")

    def is_new():
        found = host.machinectl("show", name, "--property=Leader", "--value")
        return found.code == 0 and found.out.strip() not in ("", "0", leader)
    runner.until(is_new)


def interrupt(host, name, had, wanted):
    """As if apply had been killed while it changed it."""
    path = "%s/applied/%s" % (RUNTIME, name)
    with open(path) as file:
        tag = file.read().split()[0]
    with open(path, "w") as file:
        file.write("%s %d %d\n" % (tag, had, wanted))
