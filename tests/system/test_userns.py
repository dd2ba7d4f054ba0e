"""User namespaces: each mode on each file system, ownership on disk, what is refused and how."""
import os
import shutil
import subprocess

import pytest

from support import disks, runner, trees

KINDS = ["ext4", "btrfs", "xfs", "tmpfs", "overlay"]


@pytest.fixture(scope="module", params=KINDS)
def filesystem(request, work_root):
    """A busybox tree on a file system of each kind."""
    with disks.mounted(request.param, os.path.join(work_root, "fs-" + request.param)) as top:
        yield request.param, top


@pytest.fixture
def on(filesystem):
    kind, top = filesystem
    tree = os.path.join(top, "tree")
    if kind == "btrfs":
        subprocess.run(["btrfs", "-q", "subvolume", "create", tree], check=True)
    trees.unpack("busybox", tree)
    yield kind, tree
    if kind == "btrfs":
        subprocess.run(["btrfs", "-q", "subvolume", "delete", tree], check=True)
    else:
        shutil.rmtree(tree)


def sh(redd, tree, script, *options):
    return redd.run("-q", "--pipe", "-D", tree, *options, "sh", "-c", script)


LOOK = "cat /proc/self/uid_map | tr -s ' '; stat -c %u / /etc/passwd; touch /made; chown 1000 /made; stat -c %u /made"


@pytest.mark.parametrize("mode,expected", [(None, None), ("pick", None), ("identity", "0 0 65536"), ("no", "0 0 4294967295"),
                                           ("1000000", "0 1000000 65536"), ("1000000:70000", "0 1000000 70000")])
def test_each_mode_on_each_file_system(redd, on, mode, expected):
    kind, tree = on
    options = ["--private-users=" + mode] if mode else []
    if mode and mode[0] == "1":
        options.append("--private-users-ownership=map")
    done = sh(redd, tree, LOOK, *options)
    if kind == "overlay" and mode not in ("no", "identity"):
        # an overlay mount cannot be mapped: an error that names the tree and the remedies
        done.failed(tree, "--private-users-ownership=chown", "--private-users=no")
        return
    assert done.code == 0, done
    lines = [line.strip() for line in done.lines]
    if expected:
        assert lines[0] == expected, done
    else:
        base = int(lines[0].split()[1])
        assert lines[0].split()[2] == "65536" and 0x80000 <= base <= 0x6fff0000 and base % 65536 == 0, done
    assert lines[1:] == ["0", "0", "1000"], done
    assert os.stat(tree + "/made").st_uid == 1000 and os.stat(tree).st_uid == 0


@pytest.mark.parametrize("how", ["-x", "--volatile=overlay", "--volatile=state", "--volatile=yes", "--read-only"])
def test_throw_away_runs_on_each_file_system(redd, on, how):
    kind, tree = on
    done = sh(redd, tree, "head -c 5 /usr/lib/os-release >/dev/null && stat -c %u /usr", how)
    if kind == "overlay" and how in ("--volatile=state", "--volatile=yes", "--read-only"):
        assert done.code in (0, 1)
        if done.code == 1:
            done.failed("--private-users=no")
        return
    if kind == "overlay" and done.code == 1:
        # its layers are not ours to map either
        done.failed("--private-users=no")
        return
    assert done.code == 0 and done.lines == ["0"], done


def test_chown_on_each_file_system(redd, on):
    kind, tree = on
    base = 10 << 16
    subprocess.run(["setfacl", "-m", "u:1000:r", tree + "/etc/passwd"], check=True)
    os.chown(tree + "/etc/group", 1000, 1000)
    os.chmod(tree + "/usr/bin/busybox", 0o4755)
    done = sh(redd, tree, "stat -c %u / /etc/passwd /etc/group; stat -c %a /usr/bin/busybox", "--private-users=%d" % base, "--private-users-ownership=chown")
    assert done.code == 0 and done.lines == ["0", "0", "1000", "4755"], done
    assert os.stat(tree).st_uid == base and os.lstat(tree + "/bin").st_uid == base and os.stat(tree + "/etc/group").st_uid == base + 1000
    acl = subprocess.run(["getfacl", "-n", tree + "/etc/passwd"], capture_output=True, text=True).stdout
    assert "user:%d:r--" % (base + 1000) in acl
    # the tree now says its own base
    done = sh(redd, tree, "cat /proc/self/uid_map", "--private-users=yes")
    assert done.code == 0 and done.out.split() == ["0", str(base), "65536"], done
    done = sh(redd, tree, "cat /proc/self/uid_map", "--private-users=pick")
    assert done.code == 0 and done.out.split()[1] == str(base), done


def test_nothing_is_ever_chowned_silently(redd, on):
    kind, tree = on
    before = subprocess.run("cd %s; find . -printf '%%p %%U %%G %%m\n' | sort" % tree, shell=True, capture_output=True, text=True).stdout
    for options in ([], ["--private-users=pick"], ["--private-users=pick", "--private-users-ownership=auto"], ["--private-users=1000000", "--private-users-ownership=auto"]):
        sh(redd, tree, "true", *options)
    after = subprocess.run("cd %s; find . -printf '%%p %%U %%G %%m\n' | sort" % tree, shell=True, capture_output=True, text=True).stdout
    known = set(before.splitlines())
    # what a start adds (resolv.conf, mount points) belongs to the container's root; what was there is as it was
    assert known <= set(after.splitlines()), known - set(after.splitlines())
    assert not [line for line in after.splitlines() if int(line.split()[1]) >= 65536]


def test_ephemeral_uses_a_snapshot_where_there_is_one(redd, on):
    kind, tree = on
    done = redd.run("--print-plan", "-x", "-D", tree, "true")
    assert done.code == 0, done
    line = [line for line in done.lines if " snapshot " in line]
    assert line and any(word in line[0] for word in {"btrfs": ["btrfs"], "xfs": ["reflink", "overlay"]}.get(kind, ["overlay"])), done


def test_suid_files_work_inside(redd, fresh, probe):
    tree = fresh()
    shutil.copy(probe, tree + "/usr/bin/suid")
    os.chmod(tree + "/usr/bin/suid", 0o4755)
    done = redd.run("-q", "--pipe", "-D", tree, "-u", "user", "/usr/bin/suid", "ids").ok()
    assert "uid 1000 0 0" in done.lines


def test_two_machines_get_two_ranges(redd, fresh):
    one, two = fresh(), fresh()
    first = redd.start("--pipe", "-D", one, "sh", "-c", "cat /proc/self/uid_map; sleep 60")
    base = first.stdout.readline().split()[1]
    try:
        assert sh(redd, two, "cat /proc/self/uid_map").ok().out.split()[1] != base
        assert os.path.exists("/run/systemd/nspawn-uid/" + base)
    finally:
        first.terminate()
        first.communicate()


def test_the_same_name_gets_the_same_range(redd, tree):
    bases = {sh(redd, tree, "cat /proc/self/uid_map", "-M", "steady").ok().out.split()[1] for _ in range(3)}
    assert len(bases) == 1


def test_the_range_of_a_name_is_the_documented_hash(redd, tree):
    # SipHash-2-4 of the name, low 32 bits, folded into the container range
    def siphash(data, key):
        def rotate(x, b):
            return (x << b | x >> (64 - b)) & (1 << 64) - 1
        k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
        v = [k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573]
        mask = (1 << 64) - 1

        def step():
            v[0] = v[0] + v[1] & mask; v[1] = rotate(v[1], 13) ^ v[0]; v[0] = rotate(v[0], 32)
            v[2] = v[2] + v[3] & mask; v[3] = rotate(v[3], 16) ^ v[2]
            v[0] = v[0] + v[3] & mask; v[3] = rotate(v[3], 21) ^ v[0]
            v[2] = v[2] + v[1] & mask; v[1] = rotate(v[1], 17) ^ v[2]; v[2] = rotate(v[2], 32)
        padded = data + bytes(7 - len(data) % 8) + bytes([len(data) & 255])
        for at in range(0, len(padded), 8):
            word = int.from_bytes(padded[at:at + 8], "little")
            v[3] ^= word; step(); step(); v[0] ^= word
        v[2] ^= 0xff
        for _ in range(4):
            step()
        return v[0] ^ v[1] ^ v[2] ^ v[3]
    key = bytes.fromhex("e156e0f04af041af9641cf413394ff72")
    low = siphash(b"steady", key) & 0xffffffff
    expected = ((low % (0x6FFF0000 - 0x80000)) + 0x80000) & 0xFFFF0000
    assert sh(redd, tree, "cat /proc/self/uid_map", "-M", "steady").ok().out.split()[1] == str(expected)


def test_setgroups_stays_allowed(redd, tree):
    assert redd.run("-q", "--pipe", "-D", tree, "/usr/bin/probe", "maps").ok().lines[-1].endswith("allow")


def test_capabilities_are_the_documented_set(redd, tree):
    default = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 18, 19, 21, 22, 23, 24, 26, 27, 28, 29, 30, 31]
    with open("/proc/self/status") as file:
        own = int([line for line in file if line.startswith("CapBnd")][0].split()[1], 16)

    def found(*options):
        lines = redd.run("-q", "--pipe", "-D", tree, *options, "grep", "CapBnd", "/proc/self/status").ok().out.split()
        return int(lines[1], 16)

    def mask(numbers):
        return sum(1 << n for n in numbers)
    # a new user namespace has all capabilities over itself; without one, what we lack cannot be had
    assert found("--private-users=no") == mask(default) & own
    assert found() == mask(n for n in default if n != 10)
    assert found("--private-network") == mask([*default, 12])
    assert found("--drop-capability=CAP_SYS_ADMIN,mknod") == mask(n for n in default if n not in (10, 21, 27))
    assert found("--capability=all", "--private-users=no") == own
    assert found("--capability=CAP_SYS_TIME", "--private-users=no") == mask([*default, 25]) & own
    assert found("--capability=CAP_SYS_TIME", "--drop-capability=CAP_SYS_TIME", "--private-users=no") == mask(default) & own


def test_ambient_capabilities(redd, tree):
    done = redd.run("-q", "--pipe", "-D", tree, "-u", "user", "--ambient-capability=CAP_KILL,CAP_CHOWN", "grep", "Cap", "/proc/self/status").ok()
    found = dict(line.split(":\t") for line in done.lines)
    assert int(found["CapAmb"], 16) == int(found["CapPrm"], 16) == 0b100001
    redd.run("-D", tree, "-b", "--ambient-capability=CAP_KILL").failed()
    redd.run("-D", tree, "--ambient-capability=CAP_SYS_TIME", "true").failed()


@pytest.mark.parametrize("word", ["x", "0:0", "4294967295:65536", "-5", "1:2:3", "managedx"])
def test_a_wrong_value_is_refused(redd, tree, word):
    redd.run("-D", tree, "--private-users=" + word, "true").failed()


def test_a_submount_that_cannot_be_mapped_is_named(redd, fresh):
    tree = fresh()
    os.makedirs(tree + "/srv/sub")
    os.makedirs(tree + "/srv/low")
    subprocess.run(["mount", "-t", "overlay", "x", "-o", "lowerdir=%s/srv/low:%s/etc" % (tree, tree), tree + "/srv/sub"], check=True)
    try:
        redd.run("-D", tree, "true").failed("/srv/sub", "--private-users=no")
        redd.run("-D", tree, "--private-users=no", "true").ok()
    finally:
        subprocess.run(["umount", tree + "/srv/sub"], check=True)


def test_submounts_are_mapped_too(redd, fresh):
    tree = fresh()
    os.makedirs(tree + "/srv/sub")
    subprocess.run(["mount", "-t", "tmpfs", "x", tree + "/srv/sub"], check=True)
    try:
        assert sh(redd, tree, "stat -c %u /srv/sub; touch /srv/sub/x && echo fine").ok().lines == ["0", "fine"]
        assert os.stat(tree + "/srv/sub/x").st_uid == 0
    finally:
        subprocess.run(["umount", tree + "/srv/sub"], check=True)
