"""A normal user's machines in zones, and with restricted egress: the namespace between them and pasta."""
import concurrent.futures
import os
import shutil
import signal
import subprocess

import pytest

from support import dns, machines, network, runner
from support.rootless import FAR4, FAR6, HOST4, HOST6, ask, end, host, pastas, serve  # noqa: F401

pytestmark = pytest.mark.skipif(not shutil.which("pasta"), reason="pasta is not installed (package passt)")

DEFAULTS = ("route", "show", "default"), ("-6", "route", "show", "default")
SIBLINGS = [(protocol, family) for protocol in ("tcp", "udp") for family in (4, 6)]


@pytest.fixture
def start(host, mine):
    """start("web", "--network-zone=z"): a Machine of the user's."""
    def start(name, *options, **more):
        return host.machine(mine, name, mine.tree, "-x", *options, **more)
    yield start
    end(host)


@pytest.fixture
def control(host, mine):
    return machines.machinectl(host.program(mine))


def address(machine, family=4):
    """Its own, of the zone or the link."""
    found = [each for each in machine.addresses("host0") if (":" in each) == (family == 6) and not each.startswith("fe80")]
    return found[0].split("/")[0]


def parent(number):
    with open("/proc/%d/stat" % number) as file:
        return int(file.read().rsplit(")", 1)[1].split()[1])


def gateway(machine, family=4):
    return machine.ip(*DEFAULTS[family == 6]).split()[2]


def resolve(machine, name, kind="A"):
    return dns.ask(machine, gateway(machine), name, kind)


def test_siblings_reach_each_other_by_address_and_name(host, start, ids):
    web, db = start("web", "--network-zone=z"), start("db", "--network-zone=z")
    for protocol in ("tcp", "udp"):
        serve(db, protocol, None, 7000)
    for protocol, family in SIBLINGS:
        assert ask(web, protocol, address(db, family), 7000) == address(web, family)
    assert resolve(web, "db").addresses == [address(db)]
    assert resolve(db, "web.z").addresses == [address(web)]
    assert len(pastas()) == 2
    # the one that was first may go
    web.stop()
    host.machines.remove(web)
    late = start("late", "--network-zone=z")
    for protocol, family in SIBLINGS:
        assert ask(late, protocol, address(db, family), 7000) == address(late, family)


def test_siblings_are_found_by_further_names(host, start, control, user):
    place = user.home + "/.config/systemd/nspawn"
    subprocess.run([*user.prefix(), "mkdir", "-p", place], check=True)
    with open(place + "/db.nspawn", "w") as file:
        file.write("[X-Network]\nNames=data web\n")
    try:
        web, db = start("web", "--network-zone=z"), start("db", "--network-zone=z")
    finally:
        shutil.rmtree(user.home + "/.config")
    for machine in (web, db):
        assert resolve(machine, "data").addresses == resolve(machine, "DATA.z").addresses == [address(db)]
        assert resolve(machine, "web").addresses == [address(web)]
    claims = user.environment()["XDG_RUNTIME_DIR"] + "/redd/hosts"
    assert "=data" in host.run("ls", "-A", claims).out.split()
    db.crash()
    assert resolve(web, "data").addresses == []
    control.run("reap").ok()
    assert "=" not in host.run("ls", "-A", claims).out


def test_it_reaches_the_host_and_others(host, start, ids):
    first, machine = start("first", "--network-zone=z"), start("web", "--network-zone=z")
    for each in (machine, first):
        for net, v4, v6 in ((host, HOST4, HOST6), (host.far, FAR4, FAR6)):
            for protocol in ("tcp", "udp"):
                server = serve(net, protocol, None, 7000)
                assert ask(each, protocol, v4, 7000) == HOST4
                assert ask(each, protocol, v6, 7000) == HOST6
                server.close()
                net.servers.remove(server)


def test_other_zones_are_out_of_reach(host, start):
    web, other = start("web", "--network-zone=z"), start("other", "--network-zone=y")
    for protocol in ("tcp", "udp"):
        serve(other, protocol, None, 7000)
    for protocol, family in SIBLINGS:
        assert ask(web, protocol, address(other, family), 7000, timeout=0.5) == "nothing"
        assert ask(other, protocol, address(other, family), 7000) != "nothing"
    # nor is the middle between
    assert resolve(web, "other").addresses == []


def test_what_listens_on_the_hosts_loopback_is_out_of_reach(host, start):
    machine = start("web", "--network-zone=z")
    for loopback in ("127.0.0.1", "::1"):
        for protocol in ("tcp", "udp"):
            serve(host, protocol, loopback, 7001)
            assert ask(host, protocol, loopback, 7001) == loopback
    for target in ["127.0.0.1", "::1", HOST4, HOST6, gateway(machine), gateway(machine, 6), "169.254.64.1", "169.254.64.2", "fd52:6564:6400::1"]:
        for protocol in ("tcp", "udp"):
            assert ask(machine, protocol, target, 7001, timeout=0.3) == "nothing", (protocol, target)


def test_ports(host, start, ids):
    web = start("web", "--network-zone=z", "--port=tcp:8080:80", "--port=udp:5353", "--port=9000-9002:90-92")
    db = start("db", "--network-zone=z", "--port=tcp:8081:80")
    for protocol, port in (("tcp", 80), ("udp", 5353), ("tcp", 92)):
        serve(web, protocol, None, port)
    serve(db, "tcp", None, 80)
    for place in ("127.0.0.1", "::1", HOST4, HOST6):
        for protocol, port in (("tcp", 8080), ("tcp", 8081), ("tcp", 9002)):
            assert ask(host, protocol, place, port) != "nothing", (place, port)
    for place in ("127.0.0.1", HOST4, HOST6):
        assert ask(host, "udp", place, 5353) != "nothing", place
    for port in (8080, 8081):
        assert ask(host.far, "tcp", HOST4, port) == FAR4
        assert ask(host.far, "tcp", HOST6, port) == FAR6
    assert ask(host.far, "udp", HOST4, 5353) == FAR4
    # and by a sibling
    assert ask(db, "tcp", gateway(db), 8080) != "nothing"


def test_a_port_of_one_address(host, start):
    web = start("web", "--network-zone=z", "--port=127.0.0.1:8080:80", "--port=%s:8081:80" % HOST4)
    serve(web, "tcp", None, 80)
    assert ask(host, "tcp", "127.0.0.1", 8080) != "nothing"
    assert ask(host.far, "tcp", HOST4, 8080) == "nothing"
    assert ask(host.far, "tcp", HOST4, 8081) == FAR4
    assert ask(host.far, "tcp", HOST6, 8081) == "nothing"


@pytest.mark.parametrize("resolver", ["127.0.0.53", FAR4])
def test_names_of_others(host, start, resolver):
    host.file("/etc/resolv.conf", "nameserver %s\n" % resolver)
    host.before = host.picture()
    dns.Server(host.far if resolver == FAR4 else host, resolver, {"there.example": [("A", 60, "11.0.0.7")]})
    assert resolve(start("web", "--network-zone=z"), "there.example").addresses == ["11.0.0.7"]


@pytest.mark.parametrize("zone", [[], ["--network-zone=z"]], ids=["alone", "zone"])
def test_egress(host, start, control, zone, ids):
    host.file("/etc/resolv.conf", "nameserver %s\n" % FAR4)
    host.before = host.picture()
    host.far.ip("address", "add", "11.0.0.7/32", "dev", "lo")
    host.far.ip("address", "add", "198.51.100.1/32", "dev", "lo")
    dns.Server(host.far, FAR4, {"good.example": [("A", 60, "11.0.0.7")], "evil.example": [("A", 60, "198.51.100.1")]})
    serve(host.far, "tcp", None, 443)
    options = zone or ["--network-veth"]
    guarded = start("guarded", *options, "--network-egress=good.example:443 tcp:[%s]:443" % FAR6)
    free = start("free", "--network-zone=z")
    events = machines.Events(control, "guarded")
    try:
        assert [event["event"] for event in events.upto("running")] == ["running"]
        assert ask(free, "tcp", "198.51.100.1", 443) == HOST4  # it is there
        assert ask(guarded, "tcp", "11.0.0.7", 443, timeout=0.5) == "nothing"  # not before it asked
        assert resolve(guarded, "good.example").addresses == ["11.0.0.7"]
        assert ask(guarded, "tcp", "11.0.0.7", 443) == HOST4
        assert ask(guarded, "tcp", FAR6, 443) == HOST6
        assert resolve(guarded, "evil.example").code == "refused"
        for target, port in (("198.51.100.1", 443), ("11.0.0.7", 80), (FAR4, 53), (HOST4, 22), (HOST6, 443)):
            assert ask(guarded, "tcp", target, port, timeout=0.3) == "nothing"
        # what its own root does to its own rules changes nothing
        guarded.ip("route", "add", "198.51.100.1", "via", gateway(guarded))
        assert ask(guarded, "tcp", "198.51.100.1", 443, timeout=0.3) == "nothing"
        seen = []
        while {"name": "evil.example"} not in seen or {"protocol": "tcp", "address": FAR4, "port": 53} not in seen:
            event = events.next()
            seen.append({key: event[key] for key in ("name", "protocol", "address", "port") if key in event})
    finally:
        runner.terminate(events.process)


def test_nothing_may_be_reached(host, start):
    serve(host.far, "tcp", None, 443)
    guarded = start("guarded", "--network-veth", "--network-egress=")
    for target in (FAR4, FAR6, HOST4):
        assert ask(guarded, "tcp", target, 443, timeout=0.3) == "nothing"


def test_a_killed_supervisor_takes_its_part_along(host, start, control):
    db, web = start("db", "--network-zone=z"), start("web", "--network-zone=z", "--port=8080:80")
    old = address(web)
    web.crash()
    host.machines.remove(web)
    runner.until(lambda: len(pastas()) == 1, 10)
    again = start("web", "--network-zone=z", "--port=8080:80")
    assert address(again) == old
    serve(again, "tcp", None, 80)
    assert ask(host.far, "tcp", HOST4, 8080) == FAR4
    assert ask(db, "tcp", address(again), 80) == address(db)


def test_what_a_killed_one_left_is_removed_by_the_next_command(host, start, control):
    db, web = start("db", "--network-zone=z"), start("web", "--network-zone=z", "--port=8080:80")
    web.crash()
    host.machines.remove(web)
    control.run("reap", "web").ok()
    other = start("other", "--network-zone=z", "--port=8080:80")  # whose port it was is forgotten
    serve(other, "tcp", None, 80)
    assert ask(host.far, "tcp", HOST4, 8080) == FAR4


def test_all_that_were_killed(host, start, control):
    for name in ("web", "db"):
        start(name, "--network-zone=z")
    for machine in list(host.machines):
        machine.crash()
        host.machines.remove(machine)
    runner.until(lambda: not pastas(), 10)
    for name in ("web", "db"):
        control.run("reap", name).ok()
    web, db = start("web", "--network-zone=z"), start("db", "--network-zone=z")
    serve(db, "tcp", None, 7000)
    assert ask(web, "tcp", address(db), 7000) == address(web)


def test_a_reboot_finds_it_as_it_was(host, mine, probe):
    shutil.copy(probe, mine.tree + "/usr/bin/probe")
    script = ("touch /count; echo x >> /count; ip -o -4 addr show host0 | grep -c 10.213; nslookup -type=a there.example | grep -c 11.0.0.7; "
              "[ $(wc -l < /count) -ge 3 ] || probe reboot restart; sleep 0.2")
    host.file("/etc/resolv.conf", "nameserver %s\n" % FAR4)
    host.before = host.picture()
    dns.Server(host.far, FAR4, {"there.example": [("A", 60, "11.0.0.7")]})
    done = host.redd(mine, "-q", "--pipe", "-D", mine.tree, "--network-zone=z", "sh", "-c", script)
    assert done.out.split() == ["1"] * 6, done
    runner.until(lambda: not pastas(), 10)


def test_a_newer_program_goes_on_with_it(host, start, control):
    web, db = start("web", "--network-zone=z", "--port=8080:80"), start("db", "--network-zone=z")
    number = pastas()
    control.run("reexec", "web").ok()
    serve(web, "tcp", None, 80)
    assert ask(host.far, "tcp", HOST4, 8080) == FAR4 and pastas() == number
    assert ask(host, "tcp", "127.0.0.1", 8080) != "nothing"
    assert resolve(web, "db").addresses == [address(db)]
    late = start("late", "--network-zone=z")
    assert ask(late, "tcp", address(web), 80) == address(late)


def test_it_outlives_its_supervisor_if_the_machine_does(host, start, control):
    web = start("web", "--network-zone=z", "--on-supervisor-death=keep", "--port=8080:80")
    number = pastas()
    serve(web, "tcp", None, 80)
    web.process.kill()
    web.process.wait()
    assert ask(host.far, "tcp", HOST4, 8080) == FAR4 and pastas() == number
    late = start("late", "--network-zone=z")  # the same middle
    assert ask(late, "tcp", address(web), 80) == address(late)
    control.run("adopt", "web").ok()
    assert ask(host.far, "tcp", HOST4, 8080) == FAR4
    assert ask(host, "tcp", "127.0.0.1", 8080) != "nothing"
    assert resolve(web, "late").addresses == [address(late)]
    control.run("terminate", "web").ok()
    runner.until(lambda: len(pastas()) == 1, 10)
    host.machines.remove(web)


def test_many_at_once(host, mine, start):
    """All that come first make one namespace together."""
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        started = list(pool.map(lambda number: start("m%d" % number, "--network-zone=z"), range(6)))
    serve(started[0], "tcp", None, 7000)
    for machine in started[1:]:
        assert ask(machine, "tcp", address(started[0]), 7000) == address(machine)


def test_who_has_other_ids_is_refused(host, mine, start):
    start("web", "--network-zone=z")
    done = host.redd(mine, "-q", "--pipe", "-x", "-D", mine.tree, "--network-zone=z", "--private-users=1000000:65536", "true")
    done.failed("cannot join the network of this user's other machines: their ids are others")


def test_its_end_is_told_and_survived(host, start):
    web, db = start("web", "--network-zone=z"), start("db", "--network-zone=z")
    serve(host.far, "tcp", None, 7000)
    assert ask(web, "tcp", FAR4, 7000) == HOST4
    os.kill(next(number for number in pastas() if parent(number) == web.process.pid), signal.SIGKILL)
    assert "machine 'web' has no network any more" in web.process.stderr.readline()
    serve(db, "tcp", None, 7000)
    assert ask(web, "tcp", address(db), 7000) == address(web)
    assert ask(db, "tcp", FAR4, 7000) == HOST4


def test_addresses_are_listed(host, start, control):
    web = start("web", "--network-zone=z")
    assert address(web) in control.run("list").ok().out


def test_the_plan_shows_it(host, mine):
    done = host.redd(mine, "-q", "-D", mine.tree, "--network-zone=z", "--print-plan", "true").ok()
    assert "(user) -> u-" in done.out and "vz-z" in done.out
    assert not host.left(), host.left()


def test_a_machine_without_a_zone_cleans_up_as_well(host, start, control):
    """From its user namespace it could not."""
    db, web = start("db", "--network-zone=z"), start("web", "--network-zone=z", "--port=8080:80")
    web.crash()
    host.machines.remove(web)
    start("web", "--network-veth").stop()
    host.machines.pop()
    other = start("other", "--network-zone=z", "--port=8080:80")
    serve(other, "tcp", None, 80)
    assert ask(host.far, "tcp", HOST4, 8080) == FAR4
    assert ask(db, "tcp", address(other), 80) == address(db)


def test_who_gives_itself_an_address_has_no_way_out(host, start):
    """By whose would it be?"""
    web, stray = start("web", "--network-zone=z"), start("stray", "--network-zone=z", "--network-address=no")
    serve(host.far, "tcp", None, 7000)
    free = address(web).rsplit(".", 1)[0] + ".250"
    stray.ip("link", "set", "host0", "up")
    stray.ip("address", "add", free + "/24", "dev", "host0")
    stray.ip("route", "add", "default", "via", gateway(web))
    serve(web, "tcp", None, 7001)
    assert ask(stray, "tcp", address(web), 7001) == free
    assert ask(stray, "tcp", FAR4, 7000, timeout=0.5) == "nothing"
    assert ask(web, "tcp", FAR4, 7000) == HOST4


def test_ports_of_different_addresses_are_different_ports(host, start):
    """Each leads where it was said, whoever else has the same number."""
    host.ip("address", "add", "192.0.2.9/24", "dev", "eth0")
    host.before = host.picture()
    by = {name: start(name, "--network-zone=z", "--port=%s:8080:80" % place)
          for name, place in (("db", HOST4), ("web", "127.0.0.1"), ("other", "192.0.2.9"))}
    for machine in by.values():
        serve(machine, "tcp", None, 80)
    for name, place, asker in (("db", HOST4, host.far), ("web", "127.0.0.1", host), ("other", "192.0.2.9", host.far)):
        before = {each: len(machine.servers[0].seen) for each, machine in by.items()}
        assert ask(asker, "tcp", place, 8080) != "nothing", name
        assert [each for each, machine in by.items() if len(machine.servers[0].seen) > before[each]] == [name]


def test_another_loopback_address(host, start):
    web = start("web", "--network-zone=z", "--port=127.0.0.2:8090:80")
    serve(web, "tcp", None, 80)
    assert ask(host, "tcp", "127.0.0.2", 8090) != "nothing"


def test_a_long_name_and_none(host, mine, start):
    start("a-rather-long-name-of-a-machine", "--network-zone=z").stop()
    host.machines.pop()
    host.redd(mine, "-q", "--pipe", "-x", "-D", mine.tree, "--network-zone=z", "true").ok()


def test_nothing_is_left_in_the_middle(host, start):
    """While somebody else is in it."""
    db = start("db", "--network-zone=z")

    def picture():
        middle = network.Net("/proc/%d/ns/net" % db.process.pid)
        try:
            return [sorted(middle.links()), middle.ip("rule"), middle.ip("-6", "rule"), middle.ip("route", "show", "table", "all").count("default")]
        finally:
            middle.close()
    before = picture()
    for name in ("web", "other"):
        start(name, "--network-zone=z", "--port=8080:80").stop()
        host.machines.pop()
        runner.until(lambda: len(pastas()) == 1, 10)
        runner.until(lambda: picture() == before, 10)


def test_what_is_between_is_nobodys(host, start):
    """Not even with a list that has it: names are asked of the supervisor."""
    host.file("/etc/resolv.conf", "nameserver %s\nnameserver %s\n" % (FAR4, FAR6))
    host.before = host.picture()
    for place in (FAR4, FAR6):
        dns.Server(host.far, place, {"evil.example": [("A", 60, "11.0.0.7")]})
    start("db", "--network-zone=z")
    for name, options in (("guarded", ["--network-egress=fd00::/8 169.254.0.0/16"]), ("free", [])):
        machine = start(name, "--network-zone=z", *options)
        for slot in (0, 1, 2):
            for server in ("169.254.64.%d" % (4 * slot + 1), "fd52:6564:6400:%x::1" % slot):
                assert not isinstance(dns.ask(machine, server, "evil.example", timeout=0.3), dns.Answer)
    assert resolve(machine, "evil.example").addresses == ["11.0.0.7"]


def test_names_are_asked_of_the_present_resolver(host, start):
    """By the machine's own pasta, not by that of who was first."""
    host.file("/etc/resolv.conf", "nameserver 192.0.2.77\n")
    host.before = host.picture()
    start("db", "--network-zone=z")
    host.run("sh", "-c", "echo nameserver %s > /etc/resolv.conf" % FAR4)
    dns.Server(host.far, FAR4, {"there.example": [("A", 60, "11.0.0.7")]})
    assert resolve(start("web", "--network-zone=z"), "there.example").addresses == ["11.0.0.7"]


def test_many_beside_it_do_not_keep_a_port_taken(host, start):
    for number in range(5):
        start("m%d" % number, "--network-zone=z")
    web = start("web", "--network-zone=z", "--port=8080:80")
    web.crash()
    host.machines.remove(web)
    start("web", "--network-veth").stop()
    host.machines.pop()
    start("other", "--network-zone=z", "--port=8080:80")
