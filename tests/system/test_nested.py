"""Redd in Redd, and Redd in rootless Podman."""
import os
import shutil
import subprocess

import pytest

from support import runner, trees


@pytest.fixture
def outer(redd, fresh):
    """A tree that holds the program (with its libraries) and another tree."""
    tree = fresh("bookworm")
    shutil.copy(redd.path, tree + "/usr/local/bin/systemd-nspawn")
    done = subprocess.run(["ldd", redd.path], capture_output=True, text=True).stdout
    for line in done.splitlines():
        words = line.split()
        if "=>" in words and words[2].startswith("/") and not os.path.exists(tree + words[2]):
            target = tree + "/usr/lib/x86_64-linux-gnu/" + os.path.basename(words[2])
            if not os.path.exists(target):
                shutil.copy(words[2], target)
    trees.unpack("busybox", tree + "/srv/inner")
    return tree


def nested(redd, outer, *options, inner=(), script="id -u; cat /proc/self/uid_map; exit 8"):
    return redd.run("-q", "--pipe", "-D", outer, *options, "/usr/local/bin/systemd-nspawn", "-q", "--pipe", "-D", "/srv/inner", *inner, "/bin/sh", "-c", script)


@pytest.mark.parametrize("inner", [[], ["--private-users=no"], ["--private-network"], ["--private-users=identity"], ["-x"], ["--read-only"]], ids=lambda o: " ".join(o) or "plain")
def test_redd_in_redd_with_nesting(redd, outer, inner):
    done = nested(redd, outer, "--nesting", inner=inner)
    assert done.code == 8 and done.lines[0] == "0", done


@pytest.mark.parametrize("options", [["--private-users=no"], ["--private-network"]])
def test_redd_in_redd_with_nesting_and(redd, outer, options):
    assert nested(redd, outer, "--nesting", *options).code == 8


def test_three_deep(redd, outer):
    shutil.copytree(outer + "/usr", outer + "/srv/middle/usr", symlinks=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        if os.path.islink(os.path.join(outer, name)):
            os.symlink(os.readlink(os.path.join(outer, name)), os.path.join(outer, "srv/middle", name))
    shutil.copytree(outer + "/srv/inner", outer + "/srv/middle/srv/inner", symlinks=True)
    os.makedirs(outer + "/srv/middle/etc")
    program = "/usr/local/bin/systemd-nspawn"
    done = redd.run("-q", "--pipe", "--nesting", "-D", outer, program, "-q", "--pipe", "--nesting", "-D", "/srv/middle",
                    program, "-q", "--pipe", "-D", "/srv/inner", "/bin/sh", "-c", "echo deep; exit 9")
    assert done.code == 9 and done.lines == ["deep"], done


def test_without_nesting_it_is_refused_and_the_option_is_named(redd, outer):
    # The container's root can take the covers off its own /proc; for anybody else in there they are locked.
    as_user = ["/bin/sh", "-c", "install -d -o 1000 /run/u; chown -R 1000 /srv/inner; export XDG_RUNTIME_DIR=/run/u HOME=/tmp;"
               " exec setpriv --reuid=1000 --regid=1000 --clear-groups /usr/local/bin/systemd-nspawn -q --pipe -D /srv/inner /bin/sh -c 'exit 8'"]
    done = redd.run("-q", "--pipe", "-D", outer, *as_user)
    assert done.code == 1 and "--nesting" in done.err, done
    assert redd.run("-q", "--pipe", "--nesting", "-D", outer, *as_user).code == 8


def test_a_booted_inner_system(redd, outer):
    trees.unpack("trixie", outer + "/srv/debian")
    one = redd.console("-q", "--nesting", "-D", outer, "/usr/local/bin/systemd-nspawn", "-b", "-D", "/srv/debian")
    try:
        one.expect("login:", 90)
        one.send("\x1d\x1d\x1d")
        assert one.wait(20) == 1
    finally:
        one.close()


def podman(user, *words, timeout=120):
    # crun wants a host with one cgroup2 mount
    pure = ["unshare", "-m", "sh", "-c", 'umount -R -l /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec "$@"', "sh"]
    return subprocess.run([*pure, *user.prefix(), "podman", *words], capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL, cwd="/",
                          env=dict(user.environment(), PATH="/usr/sbin:/usr/bin:/sbin:/bin"))


@pytest.mark.leaky(reason="podman leaves its pause process and its storage; both are gone with the sandbox")
def test_in_rootless_podman(redd, user, outer):
    if not shutil.which("podman"):
        pytest.skip("needs podman")
    root = os.path.join(user.home, "podman-tree")
    subprocess.run(["cp", "-a", outer, root], check=True)
    subprocess.run(["chown", "-Rh", "%d:%d" % (user.uid, user.gid), root], check=True)
    options = ["--cgroup-manager=cgroupfs", "run", "--rm", "--network=host", "--cgroups=disabled", "--rootfs", root]
    plain = podman(user, *options, "/bin/true")
    if plain.returncode != 0:
        pytest.skip("podman does not run here: " + plain.stderr.strip()[-200:])
    done = podman(user, *options[:2], *options[2:4], "--security-opt=unmask=ALL", *options[4:],
                  "/usr/local/bin/systemd-nspawn", "-q", "--pipe", "-D", "/srv/inner", "/bin/sh", "-c", "echo inside; exit 8")
    assert done.returncode == 8 and "inside" in done.stdout, done
