"""Hosts with networks of their own, on this one.

A Host is a network and a mount namespace with a fresh /run, so that the programs under test run there as on a machine that
is otherwise empty; hosts are joined by cables and switches. Nothing of the real host's network is touched. All hosts share
processes, cgroups and /tmp, so machines on different hosts have different names.

    def test_x(network, redd, tree):
        host, other = network.host("host"), network.host("other")
        network.lan(host, other)                                    # 192.0.2.1 and .2, 2001:db8::1 and ::2
        machine = host.machine(redd, "web", tree, "--network-veth")
        machine.server("tcp", None, 80)
        assert other.connect("tcp", "192.0.2.1", 8080) == "192.0.2.2"  # the peer's address that the server saw

A Machine is a Net like a Host: servers and clients in it need no program in its tree, as only their sockets are there.
"""
import contextlib
import ctypes
import ipaddress
import json
import os
import selectors
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time

from . import leaks, machines, runner, sandbox

NEWNET = 0x40000000
MS_SLAVE = 1 << 19
QUESTION = b"who am I?\n"
PKTINFO = ((socket.IPPROTO_IP, 8), (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO))
KEPT = ("/run/redd", "/run/systemd", "/run/lock", "/run/mount", "/run/netns")


def plain(address):
    """An address as text, without the zone, and not as an IPv4 one in IPv6's clothes."""
    ip = ipaddress.ip_address(address.split("%")[0])
    return str(getattr(ip, "ipv4_mapped", None) or ip)


class Server:
    """Tells everybody who asks which address they have. `seen`: all of them, in order."""

    def __init__(self, sockets, protocol):
        self.sockets, self.protocol, self.seen = sockets, protocol, []
        self.port = sockets[0].getsockname()[1]
        self.selector = selectors.DefaultSelector()
        self.wake, wake = socket.socketpair()
        self.selector.register(wake, selectors.EVENT_READ, None)
        for one in sockets:
            if protocol == "udp" and one.family == socket.AF_INET:
                one.setsockopt(socket.IPPROTO_IP, PKTINFO[0][1], 1)
            elif protocol == "udp":
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
            one.setblocking(False)
            self.selector.register(one, selectors.EVENT_READ, one)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _tell(self, listener):
        if self.protocol == "udp":
            # from the address that was asked, as a good server does
            _, told, _, peer = listener.recvmsg(1024, 256)
            self.seen.append(plain(peer[0]))
            listener.sendmsg([self.seen[-1].encode()], [each for each in told if each[:2] in PKTINFO], 0, peer)
            return
        connection, peer = listener.accept()
        with connection:
            self.seen.append(plain(peer[0]))
            connection.settimeout(5)
            connection.sendall(self.seen[-1].encode())

    def _serve(self):
        while True:
            for key, _ in self.selector.select():
                if key.data is None:
                    return
                with contextlib.suppress(OSError):
                    self._tell(key.data)

    def close(self):
        self.wake.close()
        self.thread.join()
        for one in self.sockets:
            one.close()
        self.selector.close()


class Net:
    """A network namespace."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.servers = []

    @contextlib.contextmanager
    def inside(self):
        """This thread is there meanwhile: for sockets, which stay there, and files below /proc/sys/net."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        sandbox._check(sandbox.libc.setns(self.fd, NEWNET), "setns")
        try:
            yield
        finally:
            sandbox._check(sandbox.libc.setns(home, NEWNET), "setns")
            os.close(home)

    def socket(self, protocol, address, port=0, listen=False):
        """A new one, and what to bind or connect it to. "fe80::1%eth0" is understood."""
        kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
        with self.inside():
            info = socket.getaddrinfo(address, port, type=kind, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV)[0]
            one = socket.socket(info[0], kind)
        if listen:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if info[0] == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        return one, info[4]

    def server(self, protocol, address, port, kind=Server):
        """A Server, or another KIND of one, at ADDRESS (None: at every one of both families). PORT 0: a free one, see its `port`."""
        sockets = []
        for each in [address] if address else ["0.0.0.0", "::"]:
            one, place = self.socket(protocol, each, sockets[0].getsockname()[1] if sockets else port, listen=True)
            one.bind(place)
            if protocol == "tcp":
                one.listen(64)
            sockets.append(one)
        self.servers.append(kind(sockets, protocol))
        return self.servers[-1]

    def connect(self, protocol, address, port, source=None, timeout=3.0):
        """What the server answers. Raises what the kernel says: ConnectionRefusedError, TimeoutError, OSError."""
        one, place = self.socket(protocol, address, port)
        with one:
            one.settimeout(timeout)
            if source:
                one.bind((source, 0))
            one.connect(place)
            if protocol == "udp":
                one.send(QUESTION)
            answer = one.recv(1024)
            if not answer:
                raise ConnectionResetError("the connection ended without an answer")
            return answer.decode()

    def ask(self, protocol, address, port, source=None, timeout=5.0):
        """The same for tables: the answer, or "refused", "timeout", "unreachable", or the error's text.

        Say a shorter TIMEOUT where no answer is the one that is expected."""
        try:
            return self.connect(protocol, address, port, source, timeout)
        except ConnectionRefusedError:
            return "refused"
        except (TimeoutError, socket.timeout):
            return "timeout"
        except OSError as error:
            unreachable = (101, 113, 1, 13)  # ENETUNREACH, EHOSTUNREACH, EPERM, EACCES
            return "unreachable" if error.errno in unreachable else str(error)

    def sysctl(self, name, value=None):
        """Of net: sysctl("ipv4/ip_forward") reads, with a value it is set."""
        with self.inside(), open("/proc/sys/net/" + name, "r+" if value is not None else "r") as file:
            if value is None:
                return file.read().strip()
            file.write(str(value))
            return str(value)

    def ip(self, *args, check=True):
        """ip(8), in that namespace."""
        with self.inside():
            done = subprocess.run(["ip", *[str(each) for each in args]], capture_output=True, text=True, timeout=30)
        assert not check or done.returncode == 0, (args, done.stdout, done.stderr)
        return done.stdout

    def links(self):
        """All interfaces, by name: what ip(8) knows, and "addresses": a list of "ADDRESS/LENGTH"."""
        found = {}
        for link in json.loads(self.ip("-json", "-details", "address", "show")):
            link["addresses"] = ["%s/%d" % (each["local"], each["prefixlen"]) for each in link["addr_info"] if "local" in each]
            found[link["ifname"]] = link
        return found

    def addresses(self, link, scope="global"):
        """Of one interface, without lengths."""
        return [each["local"] for each in self.links()[link]["addr_info"] if each["scope"] == scope]

    def close(self):
        for server in self.servers:
            server.close()
        self.servers = []
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1


class Machine(machines.Machine, Net):
    """A running machine of a Host: see machines.Machine, and Net."""

    def __init__(self, redd, name, tree, *options, **more):
        machines.Machine.__init__(self, redd, name, tree, *options, **more)
        Net.__init__(self, "/proc/%d/ns/net" % self.leader)

    def stop(self):
        Net.close(self)
        machines.Machine.stop(self)

    def crash(self):
        """The supervisor alone is killed; what runs in the machine ends with it."""
        Net.close(self)
        self.process.kill()
        self.process.wait()
        runner.until(lambda: not os.path.exists("/proc/%d" % self.leader))


class Host(Net):
    """See above. `machine_id` (32 digits) is what /etc/machine-id says there; names and addresses are derived from it.

    After machines ran there it must be as before when it ends; unless the test says that it is `dirty`."""

    def __init__(self, name, machine_id=None):
        self.name, self.processes, self.machines = name, [], []
        self.dirty = self.used = False
        ready, told = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self._live(ready, told, machine_id)
        os.close(told)
        answer = os.read(ready, 512)
        os.close(ready)
        assert answer == b"ready", (name, answer)
        Net.__init__(self, "/proc/%d/ns/net" % self.pid)
        self.before = self.picture()

    def _live(self, ready, told, machine_id):
        """The process that holds the namespaces."""
        try:
            os.close(ready)
            sandbox.libc.prctl(1, signal.SIGKILL)
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            sandbox.unshare(NEWNET | sandbox.NEWNS)
            # what tests mount later is seen here too, and nothing travels back
            sandbox.mount(None, "/", None, sandbox.MS_REC | MS_SLAVE)
            self._mount()
            if machine_id:
                with open("/run/lock/machine-id", "w") as file:
                    file.write(machine_id + "\n")
                sandbox.mount("/run/lock/machine-id", "/etc/machine-id", None, sandbox.MS_BIND)
            sandbox.mount(None, "/", None, sandbox.MS_REC | sandbox.MS_SHARED)
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            os.write(told, b"ready")
            # holds nobody's pipes
            os.closerange(0, 256)
            while True:
                signal.pause()
        except BaseException as error:
            os.write(told, repr(error).encode()[:512])
        finally:
            os._exit(1)

    @staticmethod
    def _mount():
        groups = os.open("/sys/fs/cgroup", os.O_PATH | os.O_DIRECTORY)
        sandbox.mount("sysfs", "/sys", "sysfs", sandbox.MS_NOSUID | sandbox.MS_NODEV | sandbox.MS_NOEXEC)
        with contextlib.suppress(FileNotFoundError):
            sandbox.mount("/proc/self/fd/%d" % groups, "/sys/fs/cgroup", None, sandbox.MS_BIND | sandbox.MS_REC)
        os.close(groups)
        Host._open_tun()
        sandbox.hide("/run", "0755", (runner.TOP, os.path.dirname(os.path.realpath(runner.program()))))
        os.mkdir("/run/lock", 0o1777)

    @staticmethod
    def _open_tun():
        """As on a host with udev: everybody may make an interface where they are allowed to."""
        place = "/dev/net/tun"
        if os.path.exists(place):
            sandbox.mount("tmpfs", os.path.dirname(place), "tmpfs", 0, "mode=0755")
            os.mknod(place, stat.S_IFCHR, os.makedev(10, 200))
            os.chmod(place, 0o666)

    # ---- programs ----

    @property
    def prefix(self):
        return ["nsenter", "--net=/proc/%d/ns/net" % self.pid, "--mount=/proc/%d/ns/mnt" % self.pid, "--"]

    def program(self, redd):
        """REDD (a runner.Redd), as it is called on this host."""
        return redd.with_prefix(*self.prefix)

    def redd(self, redd, *args, **options):
        self.used = True
        return self.program(redd).run(*args, **options)

    def control(self, redd):
        """machinectl of this host: a runner.Redd."""
        return machines.machinectl(self.program(redd))

    def machinectl(self, redd, *args, **options):
        return self.control(redd).run(*args, **options)

    def run(self, *argv, check=True, **options):
        done = subprocess.run([*self.prefix, *[str(each) for each in argv]], capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL, **options)
        assert not check or done.returncode == 0, (argv, done.stdout, done.stderr)
        return runner.Result(list(argv), done)

    def start(self, *argv, **options):
        """A process that ends with the host."""
        for name in ("stdout", "stderr"):
            options.setdefault(name, subprocess.PIPE)
        self.processes.append(subprocess.Popen([*self.prefix, *[str(each) for each in argv]], text=True, stdin=subprocess.DEVNULL,
                                               **options))
        return self.processes[-1]

    def machine(self, redd, name, tree, *options, **more):
        """A running Machine of this host, which ends with it."""
        self.used = True
        self.machines.append(Machine(self.program(redd), name, tree, *options, **more))
        return self.machines[-1]

    def file(self, path, text):
        """PATH has another TEXT on this host; below /etc it need not exist on the real one."""
        script = """
            own=/run/lock/file$(echo "$1" | tr / -)
            cat > "$own" || exit
            if [ -d /run/lock/etc ] && [ "${1#/etc/}" != "$1" ]; then
                mkdir -p "${1%/*}" && cp "$own" "$1"
            elif [ -e "$1" ]; then
                mountpoint -q "$1" || mount --bind "$own" "$1"
            else
                mkdir -p /run/lock/etc "/run/lock/work" "/run/lock${1%/*}" && cp "$own" "/run/lock$1" || exit
                mountpoint -q /etc/machine-id && cat /etc/machine-id > /run/lock/etc/machine-id
                mountpoint -q /etc/resolv.conf && cat /etc/resolv.conf > /run/lock/etc/resolv.conf
                mount -t overlay -o lowerdir=/etc,upperdir=/run/lock/etc,workdir=/run/lock/work overlay /etc
            fi"""
        done = subprocess.run([*self.prefix, "sh", "-c", script, "-", path], input=text, text=True, capture_output=True)
        assert done.returncode == 0, done.stderr
        self.before["mounts"] = self.picture()["mounts"]

    # ---- what is left ----

    def ruleset(self):
        """Of nftables, as text; "" where there is no nft(8)."""
        if shutil.which("nft") is None:
            return ""
        with self.inside():
            return subprocess.run(["nft", "-n", "list", "ruleset"], capture_output=True, text=True, timeout=30).stdout

    def picture(self):
        files = self.run("find", "/run", "-xdev", "-not", "-type", "d").out.split("\n")
        return {
            "interfaces": sorted(self.links()),
            "ruleset": self.ruleset(),
            "rules": self.ip("rule", "show") + self.ip("-6", "rule", "show", check=False),
            "mounts": sorted(self.run("findmnt", "-rno", "TARGET").out.split()),
            # lock files without content stay
            "files": sorted(each for each in files if each and not each.startswith("/run/lock/") and not each.endswith(leaks.KEPT_FILES) and self._has_content(each)),
        }

    def _has_content(self, path):
        if not any(path.startswith(keep + "/") for keep in KEPT):
            return True
        return os.path.exists("/proc/%d/root%s" % (self.pid, path)) and os.lstat("/proc/%d/root%s" % (self.pid, path)).st_size > 0

    def left(self, seconds=10.0):
        """What is other than at the beginning, after a moment: links go a little later than who had them."""
        end = time.monotonic() + seconds
        while True:
            found = self._compare(self.picture())
            if not found or time.monotonic() > end:
                return found
            time.sleep(0.05)

    def _compare(self, now):
        lines = lambda value: value.split("\n") if isinstance(value, str) else value
        found = {}
        for what, before in self.before.items():
            if before != now[what]:
                old, new = lines(before), lines(now[what])
                found[what] = ["new " + each.strip() for each in new if each not in old] + \
                              ["gone " + each.strip() for each in old if each not in new]
        return found

    def stop(self):
        for machine in reversed(self.machines):
            machine.stop()
        self.machines = []

    def close(self):
        self.stop()
        for process in self.processes:
            runner.terminate(process)
        self.processes = []
        if self.pid:
            Net.close(self)
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        self.pid = 0


class Network:
    """Makes hosts, and what joins them. Switches are hosts too, which nobody looks at."""

    def __init__(self):
        self.hosts, self.lans = [], 0

    def host(self, name, machine_id=None):
        self.hosts.append(Host(name, machine_id))
        return self.hosts[-1]

    def cable(self, a, b, a_name="eth0", b_name="eth0"):
        """A veth pair between two hosts, up at both ends."""
        a.ip("link", "add", a_name, "type", "veth", "peer", "name", b_name, "netns", b.pid)
        for host, name in ((a, a_name), (b, b_name)):
            host.sysctl("ipv6/conf/%s/accept_dad" % name, 0)
            host.ip("link", "set", name, "up")
            host.before["interfaces"] = sorted(host.links())

    def lan(self, *hosts, name="eth0", v4="192.0.2.0/24", v6="2001:db8::/64"):
        """HOSTS on one switch: each gets an interface NAME, with the first, second, … address of both nets."""
        switch = self.host("switch%d" % self.lans)
        self.lans += 1
        switch.ip("link", "add", "br0", "type", "bridge", "forward_delay", "0")
        switch.ip("link", "set", "br0", "up")
        for number, host in enumerate(hosts, 1):
            port = "p%d" % number
            self.cable(host, switch, name, port)
            switch.ip("link", "set", port, "master", "br0")
            for net in (v4, v6):
                if net:
                    net = ipaddress.ip_network(net)
                    host.ip("address", "add", "%s/%d" % (net[number], net.prefixlen), "dev", name)
        return switch

    def close(self):
        left = {}
        for host in self.hosts:
            host.stop()
        for host in self.hosts:
            if host.used and not host.dirty and host.left():
                left[host.name] = host.left(0)
        for host in self.hosts:
            host.close()
        self.hosts = []
        assert not left, "left behind on hosts: %s" % left
