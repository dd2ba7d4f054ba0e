"""redd apply: what is changed while the machine runs, taken back likewise, and the same after a reboot."""
import fcntl
import os
import re
import signal
import subprocess
import threading

import pytest

from support import runner
from support.declared import RUNTIME, clean, host  # noqa: F401
from support.live import LINK, World, apply_live, interrupt, reboot
from support.network import QUESTION, Server

CREDENTIALS = "/run/host/credentials"


def layers(host, name):
    return sum(line.split()[4] == CREDENTIALS for line in host.inside(name, "cat", "/proc/self/mountinfo").splitlines())


@pytest.mark.parametrize("users", ["no", "pick"])
def test_credentials(clean, place, users):
    tree = clean.tree("base")

    def define(*credentials):
        clean.define("web", "dir:" + tree, *("[X-Credential] " + line for line in credentials), exec_=["PrivateUsers=" + users])

    def seen():
        names = clean.inside("web", "ls", CREDENTIALS).split()
        return {name: clean.inside("web", "cat", "%s/%s" % (CREDENTIALS, name)) for name in names}

    with open(place + "/key", "w") as file:
        file.write("from a file")
    define("Set=key:one", "Set=other:same")
    clean.redd("apply").ok()
    assert seen() == {"key": "one", "other": "same"}
    for text in ("two", "three"):
        define("Set=key:" + text, "Set=other:same", "Load=file:%s/key" % place)
        apply_live(clean, "web")
        assert seen() == {"key": text, "other": "same", "file": "from a file"}
    # Whatever is changed how often, there is what it was started with and one more.
    assert layers(clean, "web") == 2
    # As at the start: whose they are, and that nobody writes there, nor makes it writable.
    assert clean.inside("web", "stat", "-c", "%u:%g %a", CREDENTIALS, CREDENTIALS + "/key") == "0:0 500\n0:0 400"
    assert clean.machinectl("exec", "web", "--", "sh", "-c", "echo x >%s/key" % CREDENTIALS).code != 0
    if users == "pick":
        assert clean.machinectl("exec", "web", "--", "mount", "-o", "remount,bind,rw", CREDENTIALS).code != 0
    apply_live(clean, "web", "rollback")
    assert seen() == {"key": "two", "other": "same", "file": "from a file"}
    # As the manual says: its root finds what it was started with below, until it is started again.
    below = "umount %s; cat %s/key" % (CREDENTIALS, CREDENTIALS)
    assert clean.inside("web", "unshare", "-m", "sh", "-c", below) == "one"
    reboot(clean, "web")
    assert seen() == {"key": "two", "other": "same", "file": "from a file"} and layers(clean, "web") == 1
    assert clean.machinectl("exec", "web", "--", "unshare", "-m", "sh", "-c", below).out in ("", "two")
    # The first one needs a directory, and to be told where it is.
    define()
    assert re.search("web +restart", clean.redd("plan").failed(code=2).out)
    clean.redd("apply").ok()
    define("Set=key:one")
    assert re.search("web +restart", clean.redd("plan").failed(code=2).out)
    clean.redd("apply").ok()
    assert seen() == {"key": "one"}


def test_credentials_that_cannot_be_read_change_nothing(clean, place):
    tree = clean.tree("base")
    clean.define("web", "dir:" + tree, "[X-Credential] Set=key:one")
    clean.redd("apply").ok()
    leader = clean.leader("web")
    clean.define("web", "dir:" + tree, "[X-Credential] Set=key:two", "[X-Credential] Load=none:%s/none" % place)
    clean.redd("apply").failed("cannot load credential 'none'", "generation 1 is current again", code=3)
    assert clean.inside("web", "cat", CREDENTIALS + "/key") == "one" and clean.leader("web") == leader


def test_a_machine_that_puts_a_link_there_gets_none(clean):
    """Where it leads nothing is written."""
    tree = clean.tree("base")
    clean.define("web", "dir:" + tree, "[X-Credential] Set=key:one")
    clean.redd("apply").ok()
    clean.inside("web", "sh", "-c", "mount -t tmpfs none /run/host && mkdir /run/host/elsewhere && ln -s elsewhere /run/host/credentials")
    clean.define("web", "dir:" + tree, "[X-Credential] Set=key:two")
    clean.redd("apply").failed("cannot replace '%s' in machine 'web'" % CREDENTIALS, code=4)
    assert clean.inside("web", "ls", "/run/host/elsewhere") == ""


def test_what_was_interrupted_is_done_by_the_next_one(clean):
    tree = clean.tree("base")
    clean.define("web", "dir:" + tree, "[X-Credential] Set=key:one")
    clean.redd("apply").ok()
    clean.define("web", "dir:" + tree, "[X-Credential] Set=key:two")
    apply_live(clean, "web")
    leader = clean.leader("web")
    interrupt(clean, "web", 1, 2)
    clean.redd("apply").ok()
    assert clean.inside("web", "cat", CREDENTIALS + "/key") == "two" and clean.leader("web") == leader and layers(clean, "web") == 2
    # Another one fails: back again, while it runs.
    bad = clean.tree("bad")
    os.unlink(bad + "/usr/sbin/init")
    clean.define("web", "dir:" + tree, "[X-Credential] Set=key:three")
    clean.define("db", "dir:" + bad, "[X-Unit] After=web.nspawn")
    clean.redd("apply").failed("generation 2 is current again", code=3)
    assert clean.inside("web", "cat", CREDENTIALS + "/key") == "two" and clean.leader("web") == leader


# ---- what the host does for its network ----

class Echo(Server):
    """Says what it hears, for as long as somebody talks."""

    def _tell(self, listener):
        connection = listener.accept()[0]
        threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    @staticmethod
    def _echo(connection):
        with connection:
            while True:
                data = connection.recv(64)
                if not data:
                    return
                connection.sendall(data)


@pytest.fixture
def world(clean, network):
    one = World(clean, network.host("far"))
    yield one
    one.close()


def test_who_is_asked_for_names(world, clean):
    world.define()
    clean.redd("apply").ok()
    assert world.resolv_conf() == "nameserver 10.233.7.1" and world.resolves() == ["10.233.7.1"]
    world.define("DNS=192.0.2.2")
    apply_live(clean, "web")
    assert world.resolv_conf() == "nameserver 192.0.2.2" and not world.resolves(expected=False)
    world.define("DNS=192.0.2.3")
    apply_live(clean, "web")
    assert world.resolv_conf() == "nameserver 192.0.2.3"
    # A new supervisor, and a new start: as it is now, not as it began.
    clean.machinectl("reexec", "web").ok()
    assert not world.resolves(expected=False)
    reboot(clean, "web")
    assert world.resolv_conf() == "nameserver 192.0.2.3" and not world.resolves(expected=False)
    world.define()
    apply_live(clean, "web")
    assert world.resolv_conf() == "nameserver 10.233.7.1" and world.resolves() == ["10.233.7.1"]
    clean.machinectl("reexec", "web").ok()
    assert world.resolves() == ["10.233.7.1"]
    leader = clean.leader("web")
    interrupt(clean, "web", 3, 4)
    clean.redd("apply").ok()
    assert world.resolves() == ["10.233.7.1"] and clean.leader("web") == leader
    apply_live(clean, "web", "rollback")
    assert world.resolv_conf() == "nameserver 192.0.2.3" and not world.resolves(expected=False)


def test_what_the_host_resolves_by_costs_a_restart(world, clean):
    world.define()
    clean.redd("apply").ok()
    for word in ("host", "no"):
        world.define("DNS=" + word)
        assert re.search("web +restart +dns", clean.redd("plan").failed(code=2).out)


def test_whether_it_is_hidden(world, clean):
    hidden, own = "192.0.2.1", "10.233.7.2"
    world.define()
    clean.redd("apply").ok()
    assert world.ask("tcp", "192.0.2.2") == world.ask("udp", "11.0.0.1") == own
    net = world.net()
    one, place = net.socket("udp", "11.0.0.1", 80)
    net.close()

    def still():
        """Of a flow that never ends."""
        one.sendto(QUESTION, place)
        return one.recv(64).decode()
    one.settimeout(5)
    assert still() == own
    world.define("NAT=yes")
    apply_live(clean, "web")
    assert world.ask("tcp", "192.0.2.2") == world.ask("udp", "11.0.0.1") == still() == hidden
    clean.machinectl("reexec", "web").ok()
    assert still() == hidden
    apply_live(clean, "web", "rollback")
    assert world.ask("tcp", "192.0.2.2") == world.ask("udp", "11.0.0.1") == still() == own
    one.close()
    world.define("NAT=yes")
    apply_live(clean, "web")
    reboot(clean, "web")
    assert world.ask("tcp", "192.0.2.2") == hidden
    # Nobody elsewhere reaches a hidden one.
    net = world.net()
    net.server("tcp", None, 81)
    assert world.far.ask("tcp", own, 81, timeout=1) == "timeout"
    world.define()
    apply_live(clean, "web")
    assert world.far.ask("tcp", own, 81) == "192.0.2.2"
    net.close()


def test_addresses_of_the_pool_are_hidden_unless_it_says_otherwise(world, clean):
    tree = "dir:" + world.tree
    clean.define("web", tree, "[Network] VirtualEthernet=yes", "[X-Network] NAT=no")
    clean.redd("apply").ok()
    own = clean.inside("web", "sh", "-c", "ip -4 -o address show host0 | tr -s ' ' | cut -d ' ' -f 4 | cut -d / -f 1")
    world.far.ip("route", "add", own, "via", "192.0.2.1")
    assert world.ask("tcp", "192.0.2.2") == own
    clean.define("web", tree, "[Network] VirtualEthernet=yes")
    apply_live(clean, "web")
    assert world.ask("tcp", "192.0.2.2") == "192.0.2.1"
    apply_live(clean, "web", "rollback")
    assert world.ask("tcp", "192.0.2.2") == own


def test_a_further_link_of_the_pool_hides_nobody(world, clean):
    own = "10.233.7.2"

    def define(*lines):
        clean.define("web", "dir:" + world.tree, *LINK, "[Network] VirtualEthernetExtra=lan1", "[X-Network:lan1] Address=auto",
                     *("[X-Network] " + line for line in lines))
    define()
    clean.redd("apply").ok()
    assert world.ask("tcp", "192.0.2.2") == own
    define("DNS=192.0.2.2")
    apply_live(clean, "web")
    assert world.ask("tcp", "192.0.2.2") == own
    define("NAT=yes")
    apply_live(clean, "web")
    assert world.ask("tcp", "192.0.2.2") == "192.0.2.1"


def test_without_a_supervisor_nothing_is_changed(world, clean):
    world.define()
    clean.redd("apply").ok()
    os.kill(int(clean.machinectl("show", "web", "--property=Supervisor", "--value").ok().out), signal.SIGKILL)
    runner.until(lambda: "abandoned" in clean.machinectl("show", "web", "-p", "State", "--value").out)
    world.define("NAT=yes", "DNS=192.0.2.2")
    clean.redd("apply").failed("it has no supervisor (try 'machinectl adopt web')", code=4)
    assert world.ask("tcp", "192.0.2.2") == "10.233.7.2" and world.resolv_conf() == "nameserver 10.233.7.1"
    clean.machinectl("adopt", "web").ok()
    clean.redd("apply").ok()
    assert world.ask("tcp", "192.0.2.2") == "192.0.2.1"


def test_a_machine_that_takes_its_time_keeps_nobody_waiting(world, clean, place):
    """Its /etc/resolv.conf is written without the lock, and what that needs is gone when the machine is."""
    world.define()
    clean.redd("apply").ok()
    world.define("DNS=192.0.2.2")
    words = ["strace", "-f", "-qq", "-o", place + "/log", "-P", ".web.resolv", "-e", "inject=rename,renameat,renameat2:signal=STOP:when=1",
             os.path.join(clean.programs, "redd"), "apply"]
    running = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    runner.until(lambda: os.path.exists(place + "/log") and "stopped by SIGSTOP" in open(place + "/log").read())
    assert os.path.exists(RUNTIME + "/machines/.web.resolv")
    with open(RUNTIME + "/machines/web") as record:
        fcntl.flock(record, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    clean.machinectl("terminate", "web").ok()
    runner.until(lambda: not os.path.exists(RUNTIME + "/machines/web"))
    runner.until(lambda: not os.path.exists(RUNTIME + "/machines/.web.resolv"), 5)


@pytest.mark.parametrize("link", ["VirtualEthernet=yes", "Zone=z"])
def test_what_it_may_reach(world, clean, link):
    one, two, three = ("11.0.0.%d" % number for number in (1, 2, 3))

    def define(*lines):
        # in a zone too its supervisor has the gateway's addresses
        network = ["[Network] " + link, "[X-Network] Address=auto"]
        clean.define("web", "dir:" + world.tree, *network, *("[X-Network] " + line for line in lines))

    def reached(*numbers, protocol="tcp"):
        """Those, and no others."""
        found = [number for number, address in enumerate((one, two, three), 1) if world.reaches(address, 80, protocol, number in numbers)]
        assert found == list(numbers)
        return True

    def resolved(*names):
        found = [name for name in ("one", "two", "three") if world.resolves(name + ".example.org", name in names)]
        assert found == list(names)
        return True
    define()
    clean.redd("apply").ok()
    world.gateway = clean.inside("web", "sh", "-c", "ip -4 route show default | cut -d ' ' -f 3")
    assert reached(1, 2, 3) and reached(1, 2, 3, protocol="udp") and resolved("one", "two", "three")
    define("Egress=tcp:%s:80 two.example.org" % one)
    apply_live(clean, "web")
    assert reached(1) and reached(protocol="udp")
    assert resolved("two") and reached(1, 2) and reached(2, protocol="udp")
    # Another name: what was learnt for the other one is over.
    define("Egress=tcp:%s:80 three.example.org" % one)
    apply_live(clean, "web")
    assert reached(1) and resolved("three") and reached(1, 3)
    for again in (lambda: clean.machinectl("reexec", "web").ok(), lambda: reboot(clean, "web")):
        again()
        assert resolved("three") and reached(1, 3)
    leader = clean.leader("web")
    interrupt(clean, "web", 2, 3)
    clean.redd("apply").ok()
    assert reached(1, 3) and resolved("three") and clean.leader("web") == leader
    # Nothing at all, not even names; and everything again.
    define("Egress=")
    apply_live(clean, "web")
    assert reached() and resolved()
    apply_live(clean, "web", "rollback")
    assert reached(1) and resolved("three")
    define()
    apply_live(clean, "web")
    assert reached(1, 2, 3) and reached(1, 2, 3, protocol="udp") and resolved("one", "two", "three")
    # As if it had never been restricted: it is guarded no more, and comes in by link-local addresses.
    rules = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
    assert not re.search("table .* redd-[0-9]|egress-|: goto refused", rules), rules


def test_another_link_is_no_other_list(clean, world):
    """What was learnt from names stays when a link comes and goes."""
    world.define("NAT=yes", "Egress=tcp:one.example.org:80")
    clean.redd("apply").ok()
    assert world.resolves("one.example.org") == ["11.0.0.1"]
    assert world.reaches("11.0.0.1") and not world.reaches("11.0.0.2", expected=False)
    link = clean.machinectl("network", "attach", "web", "zone:lab").ok().out.split()[0]
    for words in (["list"], ["detach", link]):
        clean.machinectl("network", words[0], "web", *words[1:]).ok()
        # Whoever has answered twice has also done what it was told before.
        assert world.resolves() and world.resolves()
        assert world.reaches("11.0.0.1") and not world.reaches("11.0.0.2", expected=False)


@pytest.mark.parametrize("back", [False, True], ids=["there", "back"])
@pytest.mark.parametrize("then", ["apply", "reexec", "stop"])
def test_who_is_killed_before_anybody_was_told(world, clean, place, then, back):
    """The new list is noted, and the supervisor goes on with the old one."""
    one, two = "11.0.0.1", "11.0.0.2"

    def reached(*addresses):
        """Those, and no others."""
        found = [address for address in (one, two) if world.reaches(address, expected=address in addresses)]
        assert found == list(addresses), clean.redd("plan")

    def define(restricted):
        world.define(*(["NAT=yes", "Egress=tcp:%s:80" % one] if restricted else []))
    define(back)
    # so that there are tables when the other one ends
    clean.define("db", "dir:" + world.tree, "[Network] VirtualEthernet=yes")
    clean.redd("apply").ok()
    leader = clean.leader("web")
    reached(*([one] if back else [one, two]))
    define(not back)
    words = ["strace", "-f", "-qq", "-o", place + "/log", "-e", "trace=pidfd_send_signal", "-e",
             "inject=pidfd_send_signal:error=EINTR:signal=STOP:when=1", os.path.join(clean.programs, "redd"), "apply"]
    running = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    runner.until(lambda: os.path.exists(place + "/log") and "stopped by SIGSTOP" in open(place + "/log").read())
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    reached(*([one] if back else [one, two]))
    if then == "stop":
        clean.machinectl("stop", "web").ok()
        rules = subprocess.run(["nft", "list", "table", "inet", "redd"], capture_output=True, text=True, check=True).stdout
        assert "10.233.7.2" not in rules and "egress-" not in rules, rules
        # What guards it is its supervisor's own, and ends with that.
        runner.until(lambda: "redd-" not in subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout)
        return
    if then == "reexec":
        clean.machinectl("reexec", "web").ok()
        reached(*([one, two] if back else [one]))
    clean.redd("apply").ok()
    reached(*([one, two] if back else [one]))
    assert clean.leader("web") == leader
    clean.redd("drift").ok()


def test_a_connection_that_it_may_have_no_more_ends(world, clean):
    """And one that it may have goes on, with all that came before."""
    address = "11.0.0.%d"
    world.define()
    clean.redd("apply").ok()
    held = [world.far.server("tcp", address % number, 7, kind=Echo) for number in (1, 2)]
    net = world.net()
    calls = []
    for number in (1, 2):
        one, place = net.socket("tcp", address % number, 7)
        one.settimeout(1)
        one.connect(place)
        calls.append(one)
    net.close()

    def still(one):
        one.send(b"x")
        try:
            return one.recv(1) == b"x"
        except OSError:
            return False
    assert all(still(one) for one in calls)
    world.define("Egress=tcp:%s:7" % (address % 1))
    apply_live(clean, "web")
    assert still(calls[0]) and not still(calls[1])
    for one in calls:
        one.close()
    assert held


@pytest.mark.parametrize("then", ["adopt", "stop"])
@pytest.mark.parametrize("back", [False, True], ids=["there", "back"])
def test_a_supervisor_that_is_killed_while_it_follows(world, clean, place, back, then):
    """However far it came: the list holds afterwards, be it the new one or the old one, and is found at the end."""
    one, two = "11.0.0.1", "11.0.0.2"
    restricted = ["NAT=yes", "Egress=tcp:%s:80" % one]

    def define(wanted):
        world.define(*(restricted if wanted else []))

    def turn_and_kill(when):
        """Whether it was killed."""
        define(back)
        clean.redd("apply").ok()
        define(not back)
        supervisor = clean.machinectl("show", "web", "--property=Supervisor", "--value").ok().out.strip()
        tracer = subprocess.Popen(["strace", "-o", place + "/log", "-p", supervisor, "-e", "trace=sendto", "-e",
                                   "inject=sendto:signal=KILL:when=%d" % when], stderr=subprocess.PIPE, text=True)
        assert "attached" in tracer.stderr.readline()
        done = clean.redd("apply")
        killed = done.code != 0
        if killed:
            done.failed("it has no supervisor", code=4)
        else:
            tracer.terminate()
        tracer.communicate()
        return killed

    # so that there are tables when the other one ends
    clean.define("db", "dir:" + world.tree, "[Network] VirtualEthernet=yes")
    counts = range(1, 100, 3) if then == "adopt" else (4, 7, 10)
    for when in counts:
        if not turn_and_kill(when):
            break
        if then == "adopt":
            clean.machinectl("adopt", "web").ok()
            assert world.reaches(one), when
            assert not world.reaches(two, expected=False), when
            continue
        clean.machinectl("terminate", "web").ok()
        # nobody but the next command is there to clean up
        runner.until(lambda: "web" not in clean.machinectl("list").ok().out)
        rules = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
        assert "table inet redd" in rules and "10.233.7.2" not in rules and "egress-" not in rules, (when, rules)
    assert when > 8
    if then == "adopt":
        clean.machinectl("terminate", "web").ok()
        runner.until(lambda: "web" not in clean.machinectl("list").ok().out)
