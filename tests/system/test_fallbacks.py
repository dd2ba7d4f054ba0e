"""A short list of tests with each newer system call answered by ENOSYS, so that the fallbacks stay alive."""
import os
import stat

import pytest

from support import runner

# without these, user namespaces with mapped mounts are impossible: a clear error is the fallback, --private-users=no must still work
MAPPING = {"mount_setattr"}
CALLS = ["openat2", "clone3", "close_range", "pidfd_send_signal", "pidfd_open", "pidfd_getfd", "epoll_pwait2", "faccessat2", "fchmodat2", "copy_file_range",
         "statmount", "listmount", "open_tree_attr", "keyctl", "mount_setattr"]
# the mount interface by descriptors is the floor (Linux 5.2): what cannot be had is said
FLOOR = ["open_tree", "move_mount", "fsopen", "fsmount"]


@pytest.fixture(scope="module")
def deny():
    return runner.compile_static(os.path.join(runner.TOP, "tests/system/deny.c"))


def without(redd, deny, call):
    return redd.with_prefix(deny, call)


@pytest.mark.parametrize("call", CALLS + ["openat2,clone3,close_range,pidfd_send_signal,faccessat2,statmount,listmount"])
def test_the_short_list_without(redd, deny, fresh, call):
    tree, lame = fresh(), without(redd, deny, call)
    users = ["--private-users=no"] if call in MAPPING else []
    assert lame.run("-D", tree, *users, "sh", "-c", "exit 7").code == 7
    assert lame.run("-q", "--pipe", "-D", tree, *users, "echo", "out").ok().lines == ["out"]
    assert lame.run("-D", tree, *users, "-a", "sh", "-c", "exit 6").code == 6
    done = lame.run("-q", "--pipe", "-D", tree, *users, "--bind=/etc:/mnt/b", "--tmpfs=/mnt/t", "--private-network", "sh", "-c", "ls /mnt/b/passwd; ls /proc/self/fd | wc -l")
    assert done.code == 0 and done.lines == ["/mnt/b/passwd", "4"], done
    lame.run("-q", "--pipe", "-D", tree, *users, "-x", "true").ok()
    lame.run("-q", "--pipe", "-D", tree, *users, "-u", "user", "true").ok()
    process = lame.start("-q", "--pipe", "-D", tree, *users, "sh", "-c", "echo ready; sleep 67")
    assert process.stdout.readline() == "ready\n", process.communicate()
    process.terminate()
    process.communicate(timeout=10)
    assert process.returncode == 1


@pytest.mark.parametrize("call", ["mount_setattr", *FLOOR])
def test_what_cannot_be_done_without_is_said(redd, deny, tree, call):
    done = without(redd, deny, call).run("-D", tree, "true")
    if done.code == 0:
        return
    assert done.code == 1 and len(done.err.strip()) > 20, done
    if call in MAPPING:
        assert "--private-users=no" in done.err, done


@pytest.mark.parametrize("call", ["openat2", "clone3,close_range"])
def test_a_debian_boots_without(redd, deny, fresh, call):
    one = without(redd, deny, call).console("-b", "-D", fresh("trixie"))
    try:
        one.expect("login:", 60)
        one.send("\x1d\x1d\x1d")
        assert one.wait(20) == 1
    finally:
        one.close()


def is_filtered(work_root):
    """Whether somebody else's device filter holds here: no driver has this number."""
    path = os.path.join(work_root, "node")
    os.mknod(path, stat.S_IFBLK | 0o600, os.makedev(60, 0))
    try:
        os.open(path, os.O_RDONLY)
    except PermissionError:
        return True
    except OSError:
        return False
    finally:
        os.unlink(path)


def test_without_bpf_devices_are_not_left_open(redd, deny, fresh, work_root):
    """Class S34: only where another filter holds already is none of Redd's own needed; see test_nixos_nested."""
    if is_filtered(work_root):
        pytest.skip("this host's own filter holds")
    tree = fresh()
    without(redd, deny, "!bpf").run("-D", tree, "--private-users=no", "true").failed("cannot restrict which devices the container may open", "BPF")
    assert without(redd, deny, "!bpf").run("-D", tree, "sh", "-c", "exit 7").code == 7
