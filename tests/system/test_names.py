"""The host resolves the names of machines: libnss_redd.so.2, as libc loads it."""
import os
import subprocess

import pytest

from support import runner, sandbox

HOSTS = "/run/redd/hosts"
LIBRARY = "libnss_redd.so.2"
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]

LOOK_UP = r"""
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct addrinfo *found = NULL;
	char text[INET6_ADDRSTRLEN];
	int r = getaddrinfo(argv[1], NULL, NULL, &found);

	if (r != 0)
		return puts(gai_strerror(r)), 2;
	inet_ntop(AF_INET, &((struct sockaddr_in *)found->ai_addr)->sin_addr, text, sizeof(text));
	return printf("%d %s\n", geteuid(), text) < 0;
}
"""


def libraries():
    """Where libc looks for libraries of its own."""
    with open("/proc/self/maps") as maps:
        return next(os.path.dirname(line.split()[-1]) for line in maps if line.rstrip().endswith("/libc.so.6"))


@pytest.fixture(scope="module")
def host(work_root):
    """This host, with the library installed and named in nsswitch.conf."""
    built = os.path.join(os.path.dirname(os.path.realpath(runner.program())), "src/nss", LIBRARY)
    if not os.path.exists(built):
        pytest.skip("no %s in this build" % LIBRARY)
    place, above = libraries(), os.path.join(work_root, "nss")
    os.makedirs(above)
    subprocess.run(["cp", built, above], check=True)
    with open(above + "/nsswitch.conf", "w") as file:
        file.write("passwd: files\nhosts: files redd\n")
    sandbox.mount("overlay", place, "overlay", 1, "lowerdir=%s:%s" % (above, place))
    sandbox.mount(above + "/nsswitch.conf", "/etc/nsswitch.conf", None, sandbox.MS_BIND)
    # getent(1) asks for the families that the host has addresses of
    for command in ("link add names0 type veth peer name names1", "address add 198.51.100.1/32 dev names0",
                    "address add 2001:db8::1/128 dev names0 nodad", "link set names0 up", "link set names1 up"):
        subprocess.run(["ip", *command.split()], check=True)
    yield
    subprocess.run(["ip", "link", "delete", "names0"], check=True)
    sandbox.umount("/etc/nsswitch.conf")
    sandbox.umount(place)
    subprocess.run(["rm", "-r", above], check=True)


def start_time(pid):
    with open("/proc/%d/stat" % pid) as file:
        return int(file.read().rpartition(")")[2].split()[19])


@pytest.fixture
def tell(host):
    """tell(NAME, ADDRESS…): a machine of that name, whose supervisor is this test."""
    told = set()

    def tell(name, *addresses, pid=None, start=None):
        pid = pid or os.getpid()
        os.makedirs(HOSTS, exist_ok=True)
        path = os.path.join(HOSTS, name)
        told.add(path)
        with open(path, "w") as file:
            file.write("pid %d %d\ntag 0123456789abcdef\n" % (pid, start or start_time(pid)))
            file.write("".join("address %s\n" % address for address in addresses))
        os.chmod(path, 0o644)
        return path

    yield tell
    for path in told:
        os.unlink(path)


def getent(*args, prefix=()):
    done = subprocess.run([*prefix, "getent", *args], capture_output=True, text=True, timeout=20)
    return [line.split() for line in done.stdout.splitlines()], done.returncode


def test_names(tell):
    tell("names-web", "10.213.0.2", "fd12:3456:789a:1::2")
    assert getent("hosts", "names-web") == ([["fd12:3456:789a:1::2", "names-web"]], 0)
    assert getent("ahostsv4", "names-web")[0][0] == ["10.213.0.2", "STREAM", "names-web"]
    assert getent("ahostsv6", "names-web")[0][0] == ["fd12:3456:789a:1::2", "STREAM", "names-web"]
    found = {line[0] for line in getent("ahosts", "names-web")[0]}
    assert found == {"10.213.0.2", "fd12:3456:789a:1::2"}
    assert {line[0] for line in getent("ahosts", "names-web.machine")[0]} == found
    tell("names-four", "10.213.0.6")
    assert getent("hosts", "names-four.machine") == ([["10.213.0.6", "names-four.machine"]], 0)
    assert getent("hosts", "names-none") == ([], 2)
    assert getent("ahosts", "names-none.machine") == ([], 2)
    assert getent("hosts", "../hosts/names-web") == ([], 2)


def test_further_names(tell):
    tell("names-web", "10.213.0.2", "fd12:3456:789a:1::2")
    link = HOSTS + "/=names-www"
    os.symlink("0123456789abcdef/names-web", link)
    try:
        assert getent("hosts", "names-www") == ([["fd12:3456:789a:1::2", "names-www"]], 0)
        assert getent("ahostsv4", "NAMES-WWW.machine")[0][0][0] == "10.213.0.2"
        assert getent("hosts", "10.213.0.2") == ([["10.213.0.2", "names-web"]], 0)
        tell("names-www", "10.213.0.9")
        assert getent("hosts", "names-www") == ([["10.213.0.9", "names-www"]], 0)
    finally:
        os.unlink(link)
    tell("names-www", "10.213.0.9", start=1)
    assert getent("hosts", "names-www") == ([], 2)


def test_addresses(tell):
    tell("names-web", "10.213.0.2", "fd12:3456:789a:1::2")
    tell("names-other", "10.213.0.6")
    assert getent("hosts", "10.213.0.2") == ([["10.213.0.2", "names-web"]], 0)
    assert getent("hosts", "10.213.0.6") == ([["10.213.0.6", "names-other"]], 0)
    assert getent("hosts", "fd12:3456:789a:1::2") == ([["fd12:3456:789a:1::2", "names-web"]], 0)
    assert getent("hosts", "10.213.0.7") == ([], 2)


def test_more_addresses_than_fit_at_once(tell):
    """libc comes again with more memory."""
    many = ["fd12:3456:789a:1::%x" % i for i in range(1, 9)]
    tell("names-many", *many)
    assert sorted({line[0] for line in getent("ahosts", "names-many")[0]}) == many
    assert sorted({line[0] for line in getent("hosts", "names-many")[0]}) == many


def test_anybody_may_ask(tell):
    path = tell("names-web", "10.213.0.2")
    assert getent("hosts", "names-web", prefix=NOBODY) == ([["10.213.0.2", "names-web"]], 0)
    assert getent("hosts", "10.213.0.2", prefix=NOBODY) == ([["10.213.0.2", "names-web"]], 0)
    # but what anybody could have written says nothing
    os.chown(path, 65534, 65534)
    assert getent("hosts", "names-web", prefix=NOBODY) == ([], 2)
    os.chown(path, 0, 0)
    os.chmod(path, 0o666)
    assert getent("hosts", "names-web") == ([], 2)


def test_a_program_with_more_rights(tell, place):
    """It is given neither another directory nor another library by its caller."""
    tell("names-web", "10.213.0.2")
    with open(place + "/look-up.c", "w") as file:
        file.write(LOOK_UP)
    program = place + "/look-up"
    subprocess.run(["cc", "-o", program, program + ".c"], check=True)
    os.chmod(place, 0o755)
    os.chmod(program, 0o4755)
    with open(place + "/" + LIBRARY, "w") as file:
        file.write("no library")
    environment = dict(os.environ, LD_LIBRARY_PATH=place, REDD_HOSTS=place, XDG_RUNTIME_DIR=place)
    done = subprocess.run([*NOBODY, program, "names-web"], env=environment, capture_output=True, text=True, timeout=20)
    assert done.stdout.splitlines() == ["0 10.213.0.2"]


def test_a_dead_supervisor_has_no_machine(tell):
    child = subprocess.Popen(["sleep", "60"])
    tell("names-dead", "10.213.0.2", pid=child.pid)
    assert getent("hosts", "names-dead")[1] == 0
    child.kill()
    child.wait()
    assert getent("hosts", "names-dead") == ([], 2)
    assert getent("hosts", "10.213.0.2") == ([], 2)
    # its number is somebody else's now
    tell("names-dead", "10.213.0.2", start=start_time(os.getpid()) + 1)
    assert getent("hosts", "names-dead") == ([], 2)


def test_without_a_machine(host):
    """There is not even the directory."""
    assert not os.path.exists(HOSTS) or not os.listdir(HOSTS)
    assert getent("hosts", "names-web") == ([], 2)
    assert getent("hosts", "10.213.0.2") == ([], 2)
    assert getent("hosts", "localhost")[1] == 0
