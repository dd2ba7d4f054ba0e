"""S1 to S3, S5: the runner's own binary, descriptors, memory and names."""
import hashlib
import os
import shutil
import socket
import subprocess

import pytest

from support import runner

from .conftest import LONG, compiled

SHARED_PIDS = {"SYSTEMD_NSPAWN_SHARE_NS_PID": "1"}


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


# --- S1

@pytest.mark.parametrize("extra", [[], ["-a"]], ids=["pid1", "pid2"])
def test_s1_no_process_in_sight_is_the_hosts_binary(attack, mode, extra):
    attack("binary", options=[*mode, *extra]).held()


def test_s1_control_with_the_hosts_processes_in_sight(attack):
    attack("binary", options=["--private-users=no"], env=SHARED_PIDS).got_through("exe-is-ours")


@pytest.fixture
def evil(fresh):
    """A tree in which every way to execute something leads back to the program that executes it."""
    tree = fresh()
    loader = compiled("evil-loader", "-nostdlib", "-nostartfiles", "-ffreestanding", "-fno-stack-protector", "-fno-pic", "-no-pie")
    os.makedirs(tree + "/lib64") if not os.path.exists(tree + "/lib64") else None
    for name in ("/lib64/ld-linux-x86-64.so.2", "/usr/lib/ld-linux-x86-64.so.2"):
        shutil.copy(loader, tree + name)
    shutil.copy(compiled("evil-second"), tree + "/evil-second")
    for name in ("/usr/bin/itself", "/usr/bin/getent"):
        with open(tree + name, "w") as file:
            file.write("#!/proc/self/exe\n")
        os.chmod(tree + name, 0o755)
    return tree


@pytest.mark.parametrize("extra", [[], ["-a"], ["-u", "user"]], ids=["pid1", "pid2", "user"])
def test_s1_a_tree_that_executes_its_executor_never_gets_it_for_writing(redd, evil, mode, extra):
    before = digest(redd.path)
    for _ in range(100 if LONG else 3):
        done = redd.run("-q", "--pipe", "-D", evil, *mode, *extra, "itself", timeout=30)
        assert "FAIL" not in done.out, done
    assert digest(redd.path) == before


def test_s1_control_the_loader_gets_a_binary_that_nobody_runs(evil, place):
    helper = os.path.join(place, "helper")
    # a dynamic program of the host that enters the tree and executes, without keeping itself running
    shutil.copy(shutil.which("chroot") or "/usr/sbin/chroot", helper)
    subprocess.run(["mkdir", "-p", evil + "/proc"], check=True)
    done = subprocess.run(["unshare", "-m", "sh", "-c", "mount -t proc proc %s/proc && exec %s %s itself" % (evil, helper, evil)],
                          capture_output=True, text=True, env={"PATH": "/usr/bin:/bin:/usr/sbin"}, timeout=30)
    assert "loader reached" in done.stdout and "FAIL exe-for-writing opened" in done.stdout, done


# --- S2

@pytest.mark.parametrize("extra", [[], ["-a"], ["-x"], ["--private-network"], ["--volatile=overlay"], ["--bind=/etc:/mnt/b"]], ids=lambda o: " ".join(o) or "plain")
def test_s2_nothing_but_stdio_is_inherited(attack, victim, mode, extra):
    attack("descriptors", options=[*mode, *extra]).held()


def test_s2_with_many_descriptors_open_in_the_caller(redd, target, victim):
    opened = [os.open("/media", os.O_RDONLY | os.O_DIRECTORY) for _ in range(100)]
    try:
        done = redd.run("-q", "--pipe", "-D", target, "/usr/bin/attack", "descriptors", pass_fds=opened)
    finally:
        for descriptor in opened:
            os.close(descriptor)
    assert done.code == 0 and "FAIL" not in done.out, done


def test_s2_control_a_directory_handed_over_on_purpose(redd, target, victim):
    argv = ["sh", "-c", 'exec 3</media; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"', "sh", *redd.argv("-q", "--pipe", "-D", target, "/usr/bin/attack", "descriptors")]
    done = subprocess.run(argv, capture_output=True, text=True, env=redd.env, stdin=subprocess.DEVNULL, timeout=30)
    assert "FAIL descriptor 3" in done.stdout, done


def test_s2_a_working_directory_through_a_descriptor(redd, fresh, victim):
    tree = fresh()
    numbers = range(3, 1024 if LONG else 24)
    for number in numbers:
        link = tree + "/w%d" % number
        os.symlink("/proc/self/fd/%d" % number, link)
        os.symlink("/proc/1/fd/%d/../../../../../media" % number, link + "x")
        for name in ("/w%d" % number, "/w%dx" % number):
            done = redd.run("-q", "--pipe", "-D", tree, "--chdir=" + name, "sh", "-c", "pwd -P; cat CANARY ../CANARY ../../../media/CANARY")
            assert "canary" not in done.out, (name, done)
            assert done.code == 1 or done.lines[0].startswith("/"), (name, done)


# --- S3

def test_s3_no_stranger_to_trace(attack, mode):
    attack("trace", options=[*mode, "-a"]).held("parent-is-not-here")
    attack("trace", options=mode).held()


def test_s3_control_with_the_hosts_processes_in_sight(attack):
    attack("trace", options=["--private-users=no"], env=SHARED_PIDS).got_through("stranger")


def test_s3_descriptors_are_closed_before_exec(redd, target, place):
    log = place + "/log"
    redd.with_prefix("strace", "-f", "-qq", "-o", log, "-e", "trace=close_range,execve,execveat").run("-q", "--pipe", "-D", target, "true").ok()
    lines = open(log).read().splitlines()
    execs = [number for number, line in enumerate(lines) if 'true"' in line and "exec" in line and "= 0" in line]
    assert execs and any("close_range(" in line for line in lines[:execs[-1]]), lines[-10:]


# --- S5

NAMES = ["..", ".", "a/b", "-x", "x" * 300, "a\nb", "%n", "ä", ".hidden", "../../etc/x", "a\x01b", "a\\b", "a b", "x" * 64 + "y"]


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_s5_a_hostile_name_touches_nothing(redd, target, place, name):
    log = place + "/log"
    done = redd.with_prefix("strace", "-f", "-qq", "-o", log, "-e", "trace=mkdir,mkdirat,unlink,unlinkat,rename,renameat2,symlinkat,mknodat").run(
        "-q", "--pipe", "-D", target, "-M", name, "true")
    assert done.code == 1, done
    assert open(log).read().strip() == "", open(log).read()


def test_s5_control_a_harmless_name_makes_something(redd, target, place):
    log = place + "/log"
    redd.with_prefix("strace", "-f", "-qq", "-o", log, "-e", "trace=mkdir,mkdirat,rename,renameat2").run("-q", "--pipe", "-D", target, "-M", "harmless", "true").ok()
    assert open(log).read().strip()


def test_s5_a_hostile_directory_name_becomes_a_harmless_machine_name(redd, work_root, target):
    path = os.path.join(work_root, "we ird\n..%n")
    shutil.copytree(target, path, symlinks=True)
    try:
        done = redd.run("-q", "--pipe", "-D", path, "hostname")
        assert done.code in (0, 1)
        if done.code == 0:
            assert set(done.out.strip()) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-."), done
    finally:
        shutil.rmtree(path)
