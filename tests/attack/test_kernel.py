"""S27 to S30, S32, S34 to S36: what of the kernel is within reach."""
import ctypes
import os
import socket
import stat
import subprocess

import pytest

from support import runner


# --- S27, S28

def test_s27_no_release_agent(attack):
    attack("cgroup-v1").held()


def test_s27_without_a_user_namespace_a_v1_hierarchy_is_the_hosts(attack):
    """Not held, and SECURITY.md says so: root with CAP_SYS_ADMIN over the host may mount a v1 hierarchy, if the host has
    one with controllers, and remount it with an agent of its own. Where there is none, it holds."""
    with open("/proc/self/cgroup") as file:
        has_v1 = any(line.split(":")[1] for line in file)
    run = attack("cgroup-v1", options=["--private-users=no"])
    if has_v1:
        run.got_through("release-agent")
    else:
        run.held()


def test_s27_control_outside_it_can_be_written(attack_probe):
    with open("/proc/filesystems") as file:
        if "\tcgroup\n" not in file.read():
            pytest.skip("this kernel has no cgroup v1")
    done = subprocess.run(["unshare", "-m", attack_probe, "cgroup-v1"], capture_output=True, text=True)
    os.rmdir("/tmp/.v1")
    if "FAIL release-agent" not in done.stdout:
        pytest.skip("cgroup v1 cannot be mounted by anybody here")


@pytest.mark.parametrize("extra", [[], ["-a"], ["--private-network"], ["-x"]], ids=lambda o: " ".join(o) or "plain")
def test_s28_the_hosts_cgroups_are_out_of_sight(attack, mode, extra):
    attack("cgroup-host", options=[*mode, *extra]).held()


def test_s28_limits_from_outside_cannot_be_lifted(attack):
    attack("cgroup-limits").held()


def test_s28_control_without_a_cgroup_namespace_the_path_shows(attack):
    attack("cgroup-host", options=["--private-users=no"], env={"SYSTEMD_NSPAWN_USE_CGNS": "0"}).got_through("cgroup-path")


def test_s28_v1_hierarchies_are_not_in_the_container(redd, target, mode):
    assert " cgroup rw" not in redd.run("-q", "--pipe", "-D", target, *mode, "cat", "/proc/self/mounts").ok().out


# --- S29, S30

# open to everybody on every host: a trigger on the pressure of one's own choice, bounded by the kernel
WRITABLE = ["/proc/pressure/"]


def test_s29_s30_nothing_dangerous_can_be_written_or_read(attack, mode):
    attack("dangerous", options=mode).held()


def test_s30_no_file_of_proc_and_sys_opens_for_writing(attack, mode):
    attack("writable", options=mode, timeout=120).held(*WRITABLE)


@pytest.mark.parametrize("extra", [["--private-network"], ["--capability=all"], ["-a"]], ids=" ".join)
def test_s30_no_file_of_proc_and_sys_opens_for_writing_with(attack, extra):
    attack("writable", options=extra, timeout=120).held(*WRITABLE)


def test_s30_control_with_everything_writable_files_open(attack):
    attack("writable", options=["--private-users=no", "--capability=all"], env={"SYSTEMD_NSPAWN_API_VFS_WRITABLE": "1"}, timeout=120).got_through("writable", "/proc/sys/kernel")


def test_s29_a_crash_inside_runs_nothing_outside(redd, target, place):
    before = open("/proc/sys/kernel/core_pattern").read()
    redd.run("-q", "--pipe", "-D", target, "--rlimit=CORE=infinity", "sh", "-c", "cd /tmp; sh -c 'kill -SEGV $$'; true", cwd=place).ok()
    assert os.listdir(place) == [] and open("/proc/sys/kernel/core_pattern").read() == before


# --- S32

@pytest.mark.parametrize("extra", [[], ["--capability=all"], ["--system-call-filter=~mkdir"], ["--suppress-sync=yes"]], ids=lambda o: " ".join(o) or "plain")
def test_s32_numbers_that_nobody_knows_are_not_there(attack, mode, extra):
    attack("numbers", options=[*mode, *extra]).held()


def test_s32_the_filter_denies_what_it_promises(attack, mode):
    attack("filter", options=mode).held()


def test_s32_control_without_the_filter_calls_get_through(attack):
    attack("filter", options=["--private-users=no", "--capability=all"], env={"SYSTEMD_SECCOMP": "0"}).got_through("filter")


def test_s32_deny_and_allow_lists(redd, target):
    denied = redd.run("-q", "--pipe", "-D", target, "--system-call-filter=~mkdir mkdirat", "mkdir", "/tmp/x")
    assert denied.code == 1 and "not permitted" in denied.err, denied
    redd.run("-q", "--pipe", "-D", target, "mkdir", "/tmp/x").ok()


# --- S34

@pytest.fixture
def evil_nodes(fresh, attack_probe):
    import shutil
    tree = fresh()
    shutil.copy(attack_probe, tree + "/usr/bin/attack")
    os.mkdir(tree + "/evil-nodes")
    for name, kind, major, minor in (("loop0", stat.S_IFBLK, 7, 0), ("mem", stat.S_IFCHR, 1, 1), ("control", stat.S_IFCHR, 10, 237), ("kmsg", stat.S_IFCHR, 1, 11),
                                     ("disk", stat.S_IFBLK, 254, 0)):
        os.mknod(os.path.join(tree, "evil-nodes", name), kind | 0o666, os.makedev(major, minor))
        os.chmod(os.path.join(tree, "evil-nodes", name), 0o666)
    return tree


@pytest.mark.parametrize("extra", [[], ["--capability=all"], ["-x"], ["--volatile=overlay"], ["--private-network"]], ids=lambda o: " ".join(o) or "plain")
def test_s34_device_nodes_do_not_open(attack, evil_nodes, mode, extra):
    attack("devices", tree=evil_nodes, options=[*mode, *extra]).held()


def test_s34_nodes_behind_a_bind_do_not_open(attack, evil_nodes, fresh, mode):
    volume = fresh()
    os.mkdir(volume + "/n")
    os.mknod(volume + "/n/loop0", stat.S_IFBLK | 0o666, os.makedev(7, 0))
    os.chmod(volume + "/n/loop0", 0o666)
    attack("devices", tree=evil_nodes, options=[*mode, "--bind=%s/n:/evil-nodes" % volume]).held()


def test_s34_control_a_device_that_was_asked_for_opens(attack, evil_nodes):
    # loop-control is there on every host with loop devices
    attack("devices", tree=evil_nodes, options=["--private-users=no", "--bind=/dev/loop-control:/evil-nodes/control"]).got_through("device-of-the-tree", "control")


# --- S35, S36

def test_s35_we_have_no_abstract_sockets(attack, mode):
    attack("abstract", options=mode).held()


def test_s35_control_an_abstract_socket_of_the_host_is_seen(attack):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("\0redd-canary")
    listener.listen()
    try:
        attack("abstract").got_through("redd-canary")
        attack("abstract", options=["--private-network"]).held()
    finally:
        listener.close()


@pytest.fixture
def canary_keys():
    libc = ctypes.CDLL(None, use_errno=True)
    session, user = -3, -4
    serials = [(libc.syscall(248, b"user", b"redd-canary", b"secret", 6, session), session),
               (libc.syscall(248, b"user", b"redd-canary-user", b"secret", 6, user), user)]
    yield
    for serial, ring in serials:
        libc.syscall(250, 9, serial, ring, 0, 0)


@pytest.mark.parametrize("extra", [[], ["-a"], ["-u", "user"]], ids=lambda o: " ".join(o) or "plain")
def test_s36_keys_of_the_host_are_out_of_reach(attack, canary_keys, extra):
    attack("keys", options=extra).held()


@pytest.mark.parametrize("filter", ["1", "0"])
def test_s36_the_session_keyring_is_fresh(attack, canary_keys, mode, filter):
    verdicts = attack("keys", options=mode, env={"SYSTEMD_SECCOMP": filter})
    assert not [line for line in verdicts.failed if "key-session" in line], verdicts.failed


def test_s36_control_without_filter_and_user_namespace_the_users_keys_are_found(attack, canary_keys):
    attack("keys", options=["--private-users=no"], env={"SYSTEMD_SECCOMP": "0"}).got_through("key-user")
