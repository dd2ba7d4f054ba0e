"""S42: somebody has taken over the process that reads bytes from outside. What he tries in there reaches nothing; without the
sandbox the same does."""
import gzip
import hashlib
import os
import shutil
import signal
import socket
import subprocess

import pytest

from support import machines, oci, runner, sandbox
from support.archives import entry, tar

PROBE = os.path.join(os.path.dirname(os.path.realpath(runner.program())), "tests/system/worker-probe")

# What a view is for: downloads use the host's network, gpgv is a program.
MEANT = {"tree": [], "nothing": [], "programs": ["fork", "program", "pidfd"], "network": ["tcp"]}
# Kernels may lack these, or refuse them to everybody.
MAYBE = {"bpf", "io_uring", "userfaultfd", "perf", "module", "swap", "packet-socket", "netlink-netfilter", "program"}


def probe(*words):
    done = subprocess.run([PROBE, *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done
    lines = [line for line in done.stdout.splitlines() if line.startswith(("ok ", "FAIL "))]
    return {line.split()[1]: line.startswith("FAIL ") for line in lines}, done.stdout


@pytest.mark.parametrize("view", MEANT)
def test_s42_a_worker_that_was_taken_over_reaches_nothing(victim, place, view):
    os.mkdir(place + "/tree")
    reached, out = probe(view, place + "/tree", "/media")
    assert len(reached) > 40, out
    assert [name for name, got in reached.items() if got and name not in MEANT[view]] == [], out
    assert os.listdir(place) == ["tree"] and set(os.listdir(place + "/tree")) <= {"evil", "renamed", "made", "link", "kmsg"}
    victim.check()


def test_s42_control_without_a_sandbox_all_of_that_is_reached(place):
    for name in ("tree", "outside"):
        os.mkdir(os.path.join(place, name))
    for name in ("CANARY", "public"):
        with open(os.path.join(place, "outside", name), "w") as file:
            file.write("canary\n")
    reached, out = probe("control", place + "/tree", place + "/outside")
    assert len(reached) > 40 and [name for name, got in reached.items() if not got and name not in MAYBE] == [], out


def test_s42_another_abi_is_no_way_round_the_filter():
    if subprocess.run([PROBE, "control-compat"], capture_output=True, timeout=60).returncode == -signal.SIGSEGV:
        pytest.skip("this machine takes no system calls of another ABI from anybody")
    assert probe("compat")[0].get("compat") in (None, False)
    reached, out = probe("control-compat")
    assert set(reached) == {"compat"}, out


# ---- S42, S44: it says that the bytes are those that are wished ----

@pytest.fixture
def liar():
    """What makes the worker of that name say it: for the environment of importctl."""
    library = "/tmp/redd-test-bin/lying-worker.so"
    os.makedirs(os.path.dirname(library), exist_ok=True)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-D_GNU_SOURCE", "-iquote", os.path.join(runner.TOP, "src"), "-o", library,
                    os.path.join(runner.TOP, "tests/attack/lying-worker.c"), "-ldl"], check=True)

    def environment(name, claim, of):
        return {"LD_PRELOAD": library, "LIAR": name, "LIE": claim, "LIE_OF": of, "ASAN_OPTIONS": "verify_asan_link_order=0"}
    return environment


@pytest.fixture
def control(redd):
    """importctl, in a /var/lib of the test's own."""
    sandbox.mount("tmpfs", "/var/lib", "tmpfs", 0, "mode=0755")
    yield machines.importctl(redd)
    sandbox.umount("/var/lib")


def gone(name):
    return [found for found in os.listdir("/var/lib/machines") if name in found] == []


GOOD = hashlib.sha256(b"what its publisher made").hexdigest()
FORMS = {"pull-tar": ("unpack", "file://", tar(entry(b"evil", b"evil"))), "import-tar": ("unpack", "", gzip.compress(tar(entry(b"evil", b"evil")))),
         "import-raw": ("write-image", "", b"evil" * 1024), "pull-raw": ("write-image", "file://", gzip.compress(b"evil" * 1024))}


@pytest.mark.parametrize("verb", FORMS)
def test_s42_who_unpacks_cannot_say_what_it_was(control, liar, place, verb):
    name, scheme, data = FORMS[verb]
    with open(place + "/image", "wb") as file:
        file.write(data)
    words = ["-m", "--keep-download=no", "--verify=" + GOOD, verb, scheme + place + "/image", "web"]
    control.run(*words).failed(hashlib.sha256(data).hexdigest())
    for of in ("in", "out"):
        control.run(*words, env=liar(name, GOOD, of)).failed(hashlib.sha256(data).hexdigest())
    assert gone("web")
    # the control: who sums is believed, and does nothing else
    control.run(*words, env=liar("sum", GOOD, "out")).ok()
    assert not gone("web")


@pytest.mark.parametrize("compress", [gzip.compress, lambda data: data], ids=["gzip", "plain"])
def test_s44_who_unpacks_a_layer_cannot_give_it_the_name_of_another(control, liar, place, compress):
    """From then on all images with that one would be made of it."""
    good, evil = (oci.Image([oci.tar({name: b""})], compress=compress) for name in ("good", "evil"))
    evil.config["rootfs"] = good.config["rootfs"]
    layout, claim = evil.finish().layout(place + "/evil"), good.config["rootfs"]["diff_ids"][0].split(":")[1]
    control.run("-m", "import-oci", layout, "web").failed("configuration says")
    for name in ("unpack", "decompress"):
        control.run("-m", "import-oci", layout, "web", env=liar(name, claim, "out")).failed("configuration says")
    assert not os.path.exists("/var/lib/redd/layers/sha256/" + claim)
    done = control.run("-m", "import-oci", layout, "web", env=liar("sum", claim, "out"))  # the control
    if compress is gzip.compress:
        assert os.path.exists("/var/lib/redd/layers/sha256/%s/evil" % claim), done
    else:
        done.failed("not those of its digest")  # one sum for both


@pytest.fixture
def serve_probe(work_root):
    """Where programs are, which redd-dissect shows it; and a canary that it does not."""
    program = runner.compile_static(os.path.join(runner.TOP, "tests/attack/serve-probe.c"))
    at = "/usr/local/bin/redd-serve-probe"
    shutil.copy(program, at)
    os.makedirs("/tmp/redd-attack")
    with open("/tmp/redd-attack/CANARY", "w") as file:
        file.write("canary\n")
    os.chmod("/tmp/redd-attack/CANARY", 0o644)
    yield at
    shutil.rmtree("/tmp/redd-attack")
    os.unlink(at)


def lines_of(path):
    with open(path) as file:
        return {line.split()[1]: line.startswith("FAIL ") for line in file if line.startswith(("ok ", "FAIL "))}


@pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="this kernel has no fuse")
@pytest.mark.parametrize("mode", ["rw", "ro"])
def test_s42_a_program_that_shows_an_image_and_was_taken_over_reaches_nothing(place, serve_probe, mode):
    dissect = os.path.join(os.path.dirname(runner.program()), "redd-dissect")
    with open(place + "/image", "wb") as file:
        file.truncate(4096)
    os.mkdir(place + "/mnt")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs, open(place + "/image", "r+b") as locked, open(place + "/image", "r+b" if mode == "rw" else "rb") as image, \
            open("/dev/fuse", "r+b", buffering=0) as device, open(place + "/said", "w") as said, open(os.eventfd(0)) as never:
        sandbox.mount("x", place + "/mnt", "fuse", 0, "fd=%d,rootmode=40000,user_id=0,group_id=0" % device.fileno())
        try:
            socket.send_fds(ours, [b"x"], [locked.fileno(), image.fileno(), device.fileno(), never.fileno()])
            done = subprocess.run(["unshare", "--user", "--map-root-user", dissect, "serve", serve_probe, "ext4", mode, "0"],
                                  stdin=theirs, stderr=said, timeout=30)
            assert done.returncode == 0, open(place + "/said").read()
            runner.until(lambda: "end" in lines_of(place + "/said"), 10)
        finally:
            sandbox.umount(place + "/mnt")
    reached = lines_of(place + "/said")
    assert len(reached) > 20 and [name for name, got in reached.items() if got] == ["image-written"] * (mode == "rw"), reached
    assert os.listdir("/tmp/redd-attack") == ["CANARY"]
    assert os.stat(place + "/image").st_blocks * 512 <= 4096


def test_s42_control_without_redd_dissect_all_of_that_is_reached(place, serve_probe):
    with open(place + "/said", "w") as said, open(place + "/said") as stray:
        subprocess.run(["unshare", "--mount", serve_probe, "control"], stderr=said, check=True, timeout=30, pass_fds=[stray.fileno()])
    reached = lines_of(place + "/said")
    assert len(reached) > 20 and [name for name, got in reached.items() if not got and name not in MAYBE | {"end"}] == [], reached
