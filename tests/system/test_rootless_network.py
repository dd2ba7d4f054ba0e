"""A normal user's container on the network, through pasta."""
import os
import shutil
import signal

import pytest

from support import dns, machines, runner
from support.rootless import FAR4, FAR6, HOST4, HOST6, ask, host, pastas, serve, start  # noqa: F401

pytestmark = pytest.mark.skipif(not shutil.which("pasta"), reason="pasta is not installed (package passt)")

def sh(host, mine, script, *options, **more):
    return host.redd(mine, "-q", "--pipe", "-D", mine.tree, "--network-veth", *options, "sh", "-c", script, **more)


def test_the_interface_is_there_before_the_program(host, mine, ids):
    done = sh(host, mine, "ip -o addr show host0; ip route; ip -6 route; cat /etc/resolv.conf").ok()
    text = " ".join(done.out.split())
    assert " inet 10.213." in text and "/30 scope global host0" in text, done
    assert " inet6 fd" in text and "/64 scope global" in text and "tentative" not in text.split("scope global flags")[0], done
    assert "default via 10.213." in text and "default via fd" in text, done
    assert "nameserver 10.213." in text, done


def test_it_is_the_same_at_every_start(host, mine):
    shown = [sh(host, mine, "cat /sys/class/net/host0/address; ip -o -4 addr show host0; ip -o -6 addr show host0 scope global").ok().out for _ in range(2)]
    assert shown[0] == shown[1]


def test_it_reaches_the_host_and_others(host, start, ids):
    machine = start()
    for net, v4, v6 in ((host, HOST4, HOST6), (host.far, FAR4, FAR6)):
        for protocol in ("tcp", "udp"):
            serve(net, protocol, None, 7000)
            assert ask(machine, protocol, v4, 7000) == HOST4
            assert ask(machine, protocol, v6, 7000) == HOST6


def test_what_listens_on_the_hosts_loopback_is_out_of_reach(host, start):
    machine = start()
    for address in ("127.0.0.1", "::1"):
        for protocol in ("tcp", "udp"):
            serve(host, protocol, address, 7001)
            assert ask(host, protocol, address, 7001) == address  # it can be told whether one reaches it
    gateways = [line.split()[2] for line in (machine.ip("route") + machine.ip("-6", "route")).splitlines() if line.startswith("default via")]
    assert len(gateways) >= 2
    for address in ["127.0.0.1", "127.0.0.2", "::1", HOST4, HOST6, *gateways, *machine.addresses("host0")]:
        for protocol in ("tcp", "udp"):
            assert ask(machine, protocol, address, 7001, timeout=0.5) == "nothing", (protocol, address)


def test_nothing_is_forwarded_that_nobody_asked_for(host, start):
    machine = start()
    serve(machine, "tcp", None, 7002)
    serve(machine, "udp", None, 7002)
    for protocol in ("tcp", "udp"):
        for address in ("127.0.0.1", "::1", HOST4):
            assert ask(host, protocol, address, 7002, timeout=0.5) == "nothing"


def test_ports(host, start, ids):
    # the pasta of 2023 forgets the new number of a udp port for who comes from localhost
    machine = start("--port=tcp:8080:80", "--port=udp:5353", "--port=udp:5454:5400", "--port=9000-9002:90-92")
    serve(machine, "tcp", None, 80)
    serve(machine, "udp", None, 5353)
    serve(machine, "udp", None, 5400)
    serve(machine, "tcp", None, 92)
    for address in ("127.0.0.1", "::1", HOST4, HOST6):
        assert ask(host, "tcp", address, 8080) != "nothing", address
        assert ask(host, "udp", address, 5353) != "nothing", address
        assert ask(host, "tcp", address, 9002) != "nothing", address
    assert ask(host.far, "tcp", HOST4, 8080) == FAR4
    assert ask(host.far, "udp", HOST4, 5353) == ask(host.far, "udp", HOST4, 5454) == FAR4
    assert ask(host.far, "tcp", HOST6, 8080) != "nothing"


def test_a_port_of_one_address(host, start):
    machine = start("--port=127.0.0.1:8080:80")
    serve(machine, "tcp", None, 80)
    assert ask(host, "tcp", "127.0.0.1", 8080) != "nothing"
    assert ask(host, "tcp", HOST4, 8080) == "nothing"
    assert ask(host.far, "tcp", HOST4, 8080) == "nothing"


def test_a_port_can_be_had_again_at_once(host, mine):
    for _ in range(3):
        sh(host, mine, "true", "--port=8080:80").ok()


def test_a_port_that_somebody_has_is_refused(host, mine):
    serve(host, "tcp", "127.0.0.1", 8080)
    sh(host, mine, "true", "--port=8080:80").failed("cannot forward the port 'tcp:8080': somebody else on the host has it")
    sh(host, mine, "true", "--port=%s:8080:80" % HOST4).ok()


def test_a_low_port_is_refused_with_the_remedy(host, mine):
    sh(host, mine, "true", "--port=80").failed("cannot forward the port 'tcp:80'", "ip_unprivileged_port_start to 80")
    host.sysctl("ipv4/ip_unprivileged_port_start", 80)
    sh(host, mine, "true", "--port=80").ok()


def test_an_address_that_the_host_has_not_is_refused(host, mine):
    sh(host, mine, "true", "--port=198.51.100.1:8080:80").failed("the host has no address '198.51.100.1'")


@pytest.mark.parametrize("resolver", ["127.0.0.53", HOST4, FAR4])
def test_names(host, start, mine, resolver):
    host.file("/etc/resolv.conf", "nameserver %s\n" % resolver)
    host.before = host.picture()
    dns.Server(host.far if resolver == FAR4 else host, resolver, {"there.example": [("A", 60, "203.0.113.7")]})
    machine = start()
    with open(mine.tree + "/etc/resolv.conf") as file:
        server = file.readline().split()[1]
    assert dns.ask(machine, server, "there.example").addresses == ["203.0.113.7"]


def test_its_name_and_addresses_are_as_asked(host, mine):
    done = sh(host, mine, "ip -o addr show lan0; ip route; ip link show lan0", "--network-address=10.9.8.7/24",
              "--network-gateway=10.9.8.1", "--network-name=lan0", "--network-mac=02:00:00:00:00:07")
    assert " 10.9.8.7/24 " in done.out and "default via 10.9.8.1 dev lan0" in done.out and "02:00:00:00:00:07" in done.out, done
    assert "inet6 fd" not in done.out, done


def test_given_addresses_work(host, start):
    machine = start("--network-address=10.9.8.7/24", "--network-gateway=10.9.8.1", "--port=8080:80")
    serve(host.far, "tcp", None, 7000)
    serve(machine, "tcp", None, 80)
    assert ask(machine, "tcp", FAR4, 7000) == HOST4
    assert ask(machine, "tcp", FAR6, 7000) == "nothing"
    assert ask(host.far, "tcp", HOST4, 8080) == FAR4


def test_a_dhcp_client_inside_gets_the_same(host, mine):
    script = "ip addr flush dev host0; udhcpc -i host0 -n -q -f -t 3 -T 1 -s /bin/script"
    with open(mine.tree + "/bin/script", "w") as file:
        file.write("#!/bin/sh\n[ \"$1\" != bound ] || echo got $ip $router $mask\n")
    os.chmod(mine.tree + "/bin/script", 0o755)
    before = sh(host, mine, "ip -o -4 addr show host0").ok().out.split()[3].split("/")[0]
    done = sh(host, mine, script)
    assert "got %s 10.213." % before in done.out, (before, done)
    # and also where nobody sets an address
    done = sh(host, mine, "ip -o -4 addr show host0; ip link set host0 up; udhcpc -i host0 -n -q -f -t 3 -T 1 -s /bin/script", "--network-address=off")
    assert "inet" not in done.out and "got %s " % before in done.out, (before, done)


def test_without_the_program_there_is_a_sentence(host, mine, place):
    os.chmod(place, 0o755)
    os.symlink(shutil.which("setpriv"), place + "/setpriv")
    without = mine.with_prefix("env", "PATH=" + place)
    sentence = "cannot make a network for a container of a normal user: 'pasta' is not installed (install the package passt, or leave out --network-veth)"
    for options in (["--network-veth"], ["--network-veth", "--print-plan"]):
        done = host.redd(without, "-q", "--pipe", "-D", mine.tree, *options, "true")
        assert done.code == 1 and done.err.strip() == sentence, done
    host.redd(without, "-q", "--pipe", "-D", mine.tree, "/bin/true").ok()


def test_its_words_are_passed_on(host, mine, place):
    """A program in its place that cannot do it."""
    os.chmod(place, 0o755)
    with open(place + "/pasta", "w") as file:
        file.write("#!/bin/sh\necho first >&2; echo '12.5: No such luck' >&2; exit 3\n")
    os.chmod(place + "/pasta", 0o755)
    done = sh(host, mine, "true", env={"PATH": place + ":/usr/bin:/bin"})
    assert done.code == 1 and done.err.strip() == "cannot make a network for the container: 'pasta' says 'No such luck'", done


def test_it_is_quiet(host, mine):
    done = sh(host, mine, "echo inside").ok()
    assert done.out == "inside\n" and done.err == "", done


def test_without_ipv6_on_the_host_there_is_none_inside(host, mine):
    host.ip("-6", "route", "del", "default")
    done = sh(host, mine, "ip -o addr show host0").ok()
    assert " inet 10." in done.out and " inet6 fd" not in done.out, done


@pytest.mark.parametrize("option", ["--network-bridge=br0", "--network-interface=eth0", "--network-macvlan=eth0", "--network-ipvlan=eth0",
                                    "--network-veth-extra=a:b", "--network-nat=no"])
def test_what_only_root_can_do_is_refused(host, mine, option):
    done = sh(host, mine, "true", option)
    assert done.code == 1 and "without root" in done.err and len(done.err.strip().splitlines()) == 1, done


def test_a_port_needs_a_link(host, mine):
    host.redd(mine, "-q", "--pipe", "-D", mine.tree, "--private-network", "--port=8080", "true").failed("try --network-veth")


def test_a_killed_supervisor_takes_it_along(host, start):
    machine = start()
    assert len(pastas()) == 1
    machine.crash()
    runner.until(lambda: not pastas(), 10)
    host.machines.remove(machine)
    start(name="web").stop()


def test_it_ends_with_the_container(host, start):
    machine = start()
    machine.stop()
    runner.until(lambda: not pastas(), 10)


def test_its_end_is_told_and_survived(host, start, mine):
    machine = start()
    os.kill(pastas()[0], signal.SIGKILL)
    assert "machine 'web' has no network any more: 'pasta' has ended" in machine.process.stderr.readline()
    assert machine.process.poll() is None
    assert machines.machinectl(host.program(mine)).run("exec", "web", "echo", "there").ok().out == "there\n"


def test_a_reboot_brings_a_new_one(host, mine, probe):
    shutil.copy(probe, mine.tree + "/usr/bin/probe")
    script = "touch /count; echo x >> /count; ip -o -4 addr show host0 | grep -c 10.213; [ $(wc -l < /count) -ge 3 ] || probe reboot restart; sleep 0.2"
    done = sh(host, mine, script)
    assert done.out.split() == ["1", "1", "1"], done
    runner.until(lambda: not pastas(), 10)


def test_it_outlives_its_supervisor_if_the_machine_does(host, start, mine):
    control = machines.machinectl(host.program(mine))
    machine = start("--on-supervisor-death=keep", "--port=8080:80")
    number = pastas()
    serve(machine, "tcp", None, 80)
    machine.process.kill()
    machine.process.wait()
    assert ask(host, "tcp", "127.0.0.1", 8080) != "nothing" and pastas() == number
    control.run("adopt", "web").ok()
    assert ask(host, "tcp", "127.0.0.1", 8080) != "nothing" and pastas() == number
    control.run("terminate", "web").ok()
    runner.until(lambda: not pastas(), 10)
    host.machines.remove(machine)


def test_an_abandoned_one_ends_with_its_machine(host, start, mine):
    control = machines.machinectl(host.program(mine))
    machine = start("--on-supervisor-death=keep")
    machine.process.kill()
    machine.process.wait()
    assert pastas()
    control.run("terminate", "web").ok()
    runner.until(lambda: not pastas(), 10)
    host.machines.remove(machine)


def test_a_newer_program_goes_on_with_it(host, start, mine):
    control = machines.machinectl(host.program(mine))
    machine = start("--port=8080:80")
    number = pastas()
    control.run("reexec", "web").ok()
    serve(machine, "tcp", None, 80)
    assert ask(host, "tcp", "127.0.0.1", 8080) != "nothing" and pastas() == number
    os.kill(number[0], signal.SIGKILL)
    assert "has no network any more" in machine.process.stderr.readline()


def test_its_addresses_are_listed(host, start, mine):
    start()
    assert "10.213." in machines.machinectl(host.program(mine)).run("list").ok().out


def test_nothing_of_it_is_done_for_others(host, mine, place):
    os.chmod(place, 0o777)
    log = place + "/log"
    host.program(mine).with_prefix("strace", "-f", "-qq", "-o", log).run("-q", "--pipe", "-D", mine.tree, "true").ok()
    with open(log) as file:
        text = file.read()
    assert "pasta" not in text and "NETLINK" not in text and "network.conf" not in text


def test_a_device_that_is_closed_is_told_with_the_remedy(host, mine):
    host.run("chmod", "600", "/dev/net/tun")
    failed = sh(host, mine, "true").failed("chmod 666 /dev/net/tun")
    assert failed.err.count("\n") == 1
