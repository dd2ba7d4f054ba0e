"""The examples of the manual, word by word, applied where their sources can be made: drop-ins say where those are."""
import os
import shutil
import subprocess

import pytest

from support import declared, nix, oci, runner

EXAMPLES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "declare", "examples")
NAMES = sorted(name[:-len(".nspawn")] for name in os.listdir(EXAMPLES))
POLITE = "trap 'exit 0' 37; while :; do busybox usleep 10000; done"
WAIT = "#!/bin/sh\ntrap 'exit 0' TERM INT\nwhile :; do sleep 1000 & wait $!; done\n"
HEALTHY = "#!/bin/sh\ntest -e /etc/web\n"


@pytest.fixture(scope="module")
def store(work_root):
    made = nix.Host(work_root)
    yield made
    made.close()


@pytest.fixture(scope="module")
def host(redd, store, work_root):
    one = declared.Host(redd, os.path.join(work_root, "examples")).open()
    yield one
    one.close()


@pytest.fixture
def sources(host, store):
    """What the examples name, of this host: lines of a drop-in for each."""
    host.clear()
    trees = {name: host.tree(name, files={"etc/" + name: "1\n"}) for name in NAMES}
    for name, path, text in (("web", "usr/bin/curl", HEALTHY), ("dns", "usr/sbin/unbound", WAIT)):
        with open(os.path.join(trees[name], path), "w") as file:
            file.write(text)
        os.chmod(os.path.join(trees[name], path), 0o755)
    archive = subprocess.run(["tar", "-c", "-C", trees["web"], "."], check=True, capture_output=True).stdout
    subprocess.run(["tar", "-c", "-f", host.root + "/dns.tar", "-C", trees["dns"], "."], check=True)
    made = []
    for path, text in (("/srv/www/index.html", "hello\n"), ("/etc/ssl/private/web.key", "secret\n")):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        made.append(path)
    server = oci.Server()
    yield {
        "web": ["[X-Image]", "Source=oci:" + server.serve(oci.Image([archive]), "web-os", "12")],
        "db": ["[X-Image]", "Source=dir:" + trees["db"], "[Exec]", "Boot=yes", "PrivateUsers=pick"],
        "dns": ["[X-Image]", "Source=tar:%s/dns.tar" % host.root],
        "mail": ["[X-Image]", "Source=nix:" + store.system("mail", init=POLITE), "[Exec]", "NotifyReady=no"],
    }
    server.shutdown()
    server.server_close()
    host.clear()
    for path in made:
        os.unlink(path)
    shutil.rmtree("/srv/www")


def test_nothing_is_left_to_do_after_the_examples_were_applied(host, sources):
    """N20, and N25's other side: nothing has drifted either."""
    for name in NAMES:
        shutil.copy(os.path.join(EXAMPLES, name + ".nspawn"), declared.DEFINITIONS)
        os.makedirs("%s/%s.nspawn.d" % (declared.DEFINITIONS, name))
        with open("%s/%s.nspawn.d/10-local.conf" % (declared.DEFINITIONS, name), "w") as file:
            file.write("\n".join(sources[name]) + "\n")
    done = host.redd("apply", timeout=240).ok()
    assert host.running() == ["db", "mail", "web"], done
    assert host.redd("plan").ok().out.endswith("Nothing to do.\n")
    host.redd("drift").ok()
    leaders = [host.leader(name) for name in host.running()]
    host.redd("apply").ok()
    assert host.current() == 1 and leaders == [host.leader(name) for name in host.running()]
    assert host.inside("web", "cat", "/var/www/index.html", "/proc/sys/kernel/hostname") == "hello\nweb"
    assert host.inside("web", "sh", "-c", "ip -o addr show dev host0 | grep -o '10.233.7.2\\|fd00:7::2'").split() == ["10.233.7.2", "fd00:7::2"]
    assert "healthy" in host.machinectl("status", "web").ok().out
    # What does not start by itself starts, and is what was applied.
    host.machinectl("start", "dns").ok()
    assert host.inside("dns", "cat", "/etc/dns") == "1"
    assert "/usr/sbin/unbound" in host.inside("dns", "cat", "/proc/2/cmdline")
    assert host.redd("plan").ok().out.endswith("Nothing to do.\n")
