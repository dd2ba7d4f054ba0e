"""Images at rest: what machinectl lists, clones, renames, marks, limits and removes, on each file system."""
import errno
import fcntl
import glob
import json
import os
import shutil
import signal
import stat
import subprocess

import pytest

from support import machines, runner, trees

POOL = "/var/lib/machines"
MAKE = {"ext4": ["mkfs.ext4", "-q", "-F"], "btrfs": ["mkfs.btrfs", "-q", "-f"], "xfs": ["mkfs.xfs", "-q", "-f"]}
OS_RELEASE = 'ID=demo\nPRETTY_NAME="Demo 1"\nVERSION_ID=1\n'


@pytest.fixture(scope="module")
def control(redd):
    return machines.machinectl(redd)


@pytest.fixture(scope="module", params=["ext4", "btrfs", "xfs", "tmpfs"])
def disk(request, work_root):
    """A file system of each kind as the directory of images; not mounted while no test runs."""
    kind, image = request.param, os.path.join(work_root, "images-" + request.param)
    if kind in MAKE:
        with open(image, "wb") as file:
            file.truncate(400 << 20)
        subprocess.run([*MAKE[kind], image], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield kind, image
    if kind in MAKE:
        os.unlink(image)


def mounted(kind, image):
    os.makedirs(POOL, exist_ok=True)
    if kind in MAKE:
        subprocess.run(["mount", "-o", "loop", image, POOL], check=True)
    else:
        subprocess.run(["mount", "-t", "tmpfs", "images", POOL], check=True)
    if os.path.isdir(POOL + "/lost+found"):
        os.rmdir(POOL + "/lost+found")
    os.chmod(POOL, 0o700)


def emptied():
    """Nothing is left in it but what a test put there; read-only marks do not protect that."""
    for path in glob.glob(POOL + "/*") + glob.glob(POOL + "/.[!.]*"):
        subprocess.run(["chattr", "-i", path], stderr=subprocess.DEVNULL)
        if subprocess.run(["btrfs", "-q", "subvolume", "delete", path], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL).returncode == 0:
            continue
        shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)


@pytest.fixture
def pool(disk):
    mounted(*disk)
    yield disk[0]
    emptied()
    subprocess.run(["umount", POOL], check=True)
    shutil.rmtree("/etc/systemd/nspawn", ignore_errors=True)


@pytest.fixture
def plain():
    """The directory in memory as the sandbox has it."""
    os.makedirs(POOL, mode=0o700, exist_ok=True)
    yield POOL
    emptied()


def make_tree(path, kind=None):
    if kind == "btrfs":
        subprocess.run(["btrfs", "-q", "subvolume", "create", path], check=True)
    os.makedirs(path + "/usr/lib", exist_ok=True)
    os.makedirs(path + "/etc")
    for name, text in {"usr/lib/os-release": OS_RELEASE, "etc/hostname": "inside\n", "etc/machine-id": "0123456789abcdef" * 2 + "\n",
                       "etc/machine-info": "DEPLOYMENT=test\n"}.items():
        with open(os.path.join(path, name), "w") as file:
            file.write(text)
    os.setxattr(path + "/etc/hostname", "user.note" if kind != "tmpfs" else "trusted.note", b"kept")
    os.chown(path + "/etc/hostname", 7, 8)


def make_raw(path, size=8 << 20):
    with open(path, "wb") as file:
        file.write(b"boot")
        file.truncate(size)


def images(control, *options):
    return {row["name"]: row for row in json.loads(control.run("list-images", "--json=short", *options).ok().out)}


def shown(control, name):
    lines = control.run("show-image", "-a", name).ok().lines
    return dict(line.split("=", 1) for line in lines)


def hidden():
    """What is not for people to see in the directory of images."""
    return sorted(name for name in os.listdir(POOL) if name.startswith(".#"))


# ---- looking ----

def test_kinds_and_marks_are_listed(control, pool):
    make_tree(POOL + "/tree", pool)
    os.makedirs(POOL + "/many.v/many_1/etc")
    os.makedirs(POOL + "/many.v/many_2/etc")
    make_raw(POOL + "/disk.raw")
    make_raw(POOL + "/shut.raw")
    os.chmod(POOL + "/shut.raw", 0o444)
    os.makedirs(POOL + "/stack.mstack/layer@0")
    os.makedirs(POOL + "/.hidden")
    for name in (".#tree.lck", ".#new.x.1", ".sysupdate.x", "plain", "x.nspawn"):
        open(os.path.join(POOL, name), "w").close()
    os.symlink("/var/lib", POOL + "/elsewhere")
    found = images(control)
    kinds = {name: (row["type"], row["ro"]) for name, row in found.items()}
    directory = "subvolume" if pool == "btrfs" else "directory"
    assert kinds == {"tree": (directory, False), "many": ("directory", False), "disk": ("raw", False), "shut": ("raw", True),
                     "stack": ("mstack", True), "elsewhere": ("directory", False)}
    assert found["disk"]["usage"] in range(1, 1 << 20) and found["tree"]["usage"] is None
    assert abs(found["disk"]["modified"] / 1e6 - os.stat(POOL + "/disk.raw").st_mtime) < 1
    assert found["tree"]["created"] or pool == "tmpfs"
    assert (found["tree"]["modified"] is not None) == (pool == "btrfs")
    everything = images(control, "--all")
    assert everything[".hidden"]["ro"] and everything[".host"]["type"] == "directory"
    assert set(everything) == set(found) | {".hidden", ".host"}
    assert list(found) == sorted(found)
    text = control.run("list-images").ok().lines
    assert text[0].split() == ["NAME", "TYPE", "RO", "USAGE", "CREATED", "MODIFIED"] and text[-1] == "6 images listed."
    assert [line.split()[0] for line in text[1:-2]] == sorted(found)


def test_the_first_directory_wins(control, plain):
    os.makedirs("/run/machines/web")
    os.makedirs(POOL + "/web")
    make_raw("/run/machines/tree.raw")
    os.makedirs("/run/machines/tree")
    try:
        assert shown(control, "web")["Path"] == "/run/machines/web"
        assert shown(control, "tree")["Type"] == "directory"
        assert sorted(images(control)) == ["tree", "web"]
        control.run("clone", "tree", "web").failed("cannot use the name 'web': there is an image '/run/machines/web'")
    finally:
        shutil.rmtree("/run/machines")


def test_none_are_none(control, plain):
    assert control.run("list-images").ok().out == "No images.\n"
    assert control.run("list-images", "--json=short").ok().out == "[]\n"
    assert control.run("image-status").ok().out.startswith("\t    Path: /var/lib/machines\n")
    pool = dict(line.split("=") for line in control.run("show-image").ok().lines)
    assert pool["PoolPath"] == POOL and pool["PoolLimit"] == str(2**64 - 1)


def test_status_tells_what_is_inside(control, pool):
    make_tree(POOL + "/web", pool)
    lines = [line.strip() for line in control.run("image-status", "web").ok().lines]
    assert lines[0] == "web" and lines[2] == "Path: /var/lib/machines/web"
    assert "Hostname: inside" in lines and "Machine ID: " + "0123456789abcdef" * 2 in lines
    assert "Deployment: test" in lines and "OS: Demo 1" in lines and "RO: writable" in lines
    control.run("clone", "web", "over").ok()
    told = json.loads(control.run("image-status", "--json=short", "over").ok().out)
    assert (told["hostname"], told["os"], told["version"], told["os_name"]) == ("inside", "demo", "1", "Demo 1")
    two = control.run("image-status", "web", "over").ok().out
    assert "\n\nover\n" in two
    # a link in the tree leads nowhere else
    os.unlink(POOL + "/web/etc/hostname")
    os.symlink("/../../../../../../etc/passwd", POOL + "/web/etc/hostname")
    assert "Hostname" not in control.run("image-status", "web").ok().out
    assert control.run("show-image", "-P", "Type", "-P", "ReadOnly", "over").ok().lines[-1] in ("no", "yes")


# ---- clone ----

def test_a_tree_is_cloned_at_once(control, pool):
    make_tree(POOL + "/web", pool)
    os.makedirs("/etc/systemd/nspawn", exist_ok=True)
    for path in (POOL + "/web.nspawn", "/etc/systemd/nspawn/web.nspawn"):
        with open(path, "w") as file:
            file.write("[Exec]\nBoot=no\n")
    done = control.run("clone", "web", "copy").ok()
    kind = {"btrfs": "subvolume"}.get(pool, "mstack")
    assert images(control)["copy"]["type"] == kind
    assert os.path.exists(POOL + "/copy.nspawn") and os.path.exists("/etc/systemd/nspawn/copy.nspawn")
    assert stat.S_IMODE(os.stat(POOL).st_mode) == 0o700
    if kind == "subvolume":
        assert os.stat(POOL + "/copy/etc/hostname").st_uid == 7 and not done.err
        control.run("remove", "web").ok()
    else:
        assert "'web' is a layer of 'copy' now" in done.err
        assert os.readlink(POOL + "/copy.mstack/layer@0") == "../web"
        assert os.stat(POOL + "/copy.mstack/rw/data").st_mode == os.stat(POOL + "/web").st_mode
        assert stat.S_IMODE(os.stat(POOL + "/copy.mstack").st_mode) == 0o700
        for verb in (["remove", "web"], ["rename", "web", "other"], ["read-only", "web"]):
            expected = 0 if verb[0] == "read-only" and pool != "tmpfs" else 1
            result = control.run(*verb)
            if verb[0] == "read-only":
                continue
            result.failed("it is a layer of 'copy'", code=expected)
        control.run("read-only", "web", "no")
        assert os.path.exists(POOL + "/.#web.base")
        control.run("clone", "copy", "third").ok()
        control.run("remove", "copy").ok()
        control.run("remove", "web").failed("it is a layer of 'third'")
        control.run("remove", "third").ok()
        assert not os.path.exists(POOL + "/.#web.base")
        control.run("remove", "web").ok()
    assert not hidden()


def test_a_disk_image_is_cloned_with_its_holes(control, pool):
    make_raw(POOL + "/disk.raw")
    control.run("clone", "disk", "other").ok()
    control.run("clone", "--read-only", "disk", "shut").ok()
    assert stat.S_IMODE(os.stat(POOL + "/other.raw").st_mode) == 0o644
    assert stat.S_IMODE(os.stat(POOL + "/shut.raw").st_mode) == 0o444
    with open(POOL + "/other.raw", "rb") as one, open(POOL + "/disk.raw", "rb") as two:
        assert one.read() == two.read()
    assert os.stat(POOL + "/other.raw").st_blocks * 512 < 1 << 20


def test_a_full_copy_depends_on_nothing(control, pool):
    make_tree(POOL + "/web", pool if pool == "tmpfs" else None)
    control.run("clone", "--copy", "web", "copy").ok()
    assert images(control)["copy"]["type"] == ("subvolume" if pool == "btrfs" else "directory")
    found = os.stat(POOL + "/copy/etc/hostname")
    assert (found.st_uid, found.st_gid) == (7, 8) and "note" in os.listxattr(POOL + "/copy/etc/hostname")[0]
    control.run("remove", "web").ok()
    control.run("clone", "--copy", "--read-only", "copy", "shut")
    assert images(control).get("shut", {"ro": True})["ro"] or pool == "tmpfs"


def test_a_read_only_clone_cannot_be_written(control, pool):
    make_tree(POOL + "/web", pool)
    control.run("clone", "--read-only", "web", "shut").ok()
    assert images(control)["shut"]["ro"]
    if pool == "btrfs":
        with pytest.raises(OSError):
            open(POOL + "/shut/new", "w")
    else:
        assert not os.path.exists(POOL + "/shut.mstack/rw")
    control.run("remove", "shut").ok()


def test_what_was_written_to_a_layered_image_is_cloned(control, plain):
    make_tree(POOL + "/web", "tmpfs")
    control.run("clone", "web", "one").ok()
    with open(POOL + "/one.mstack/rw/data/new", "w") as file:
        file.write("x")
    os.mknod(POOL + "/one.mstack/rw/data/etc", stat.S_IFCHR, 0)  # taken away
    control.run("clone", "one", "two").ok()
    assert os.readlink(POOL + "/two.mstack/layer@0") == "../web"
    assert os.path.exists(POOL + "/two.mstack/rw/data/new")
    assert stat.S_ISCHR(os.stat(POOL + "/two.mstack/rw/data/etc").st_mode)
    control.run("clone", "--copy", "two", "flat").ok()
    assert sorted(os.listdir(POOL + "/flat")) == ["new", "usr"]
    control.run("clone", "--read-only", "two", "shut").ok()
    assert sorted(os.listdir(POOL + "/shut.mstack")) == ["layer@0", "layer@1"] and images(control)["shut"]["ro"]
    # its upper layer lies in it, and goes with it
    control.run("clone", "shut", "last").ok()
    control.run("remove", "one", "two", "shut").ok()
    assert os.path.exists(POOL + "/last.mstack/layer@1/new")
    told = json.loads(control.run("image-status", "--json=short", "last").ok().out)
    assert (told["deployment"], told["os"]) == (None, "demo")  # what was taken away is not told
    control.run("clone", "--copy", "last", "again").ok()
    assert sorted(os.listdir(POOL + "/again")) == ["new", "usr"]


def test_a_clone_runs_and_its_original_stays_as_it_is(redd, control, pool):
    tree = POOL + "/web"
    if pool == "btrfs":
        subprocess.run(["btrfs", "-q", "subvolume", "create", tree], check=True)
    trees.unpack("busybox", tree)
    control.run("clone", "web", "over").ok()
    control.run("clone", "over", "second").ok()
    for name in ("over", "second"):
        redd.run("-q", "--pipe", "-M", name, "sh", "-c", "test ! -e /new && rm /etc/inittab && echo %s > /new" % name).ok()
    control.run("clone", "over", "third").ok()
    assert redd.run("-q", "--pipe", "-M", "third", "sh", "-c", "test ! -e /etc/inittab && cat /new").ok().out == "over\n"
    assert os.path.exists(tree + "/etc/inittab") and not os.path.exists(tree + "/new")
    control.run("remove", "over", "second", "third").ok()
    redd.run("-q", "--pipe", "-D", tree, "true").ok()


# ---- names, marks, limits ----

def test_an_image_gets_another_name_with_all_that_belongs_to_it(control, pool):
    make_tree(POOL + "/web", pool)
    make_raw(POOL + "/disk.raw")
    for name in ("web.nspawn", "web.oci-config", "disk.roothash", "disk.verity"):
        open(os.path.join(POOL, name), "w").close()
    control.run("read-only", "web") if pool != "tmpfs" else None
    control.run("rename", "web", "site").ok()
    control.run("rename", "disk", "drive").ok()
    assert sorted(images(control)) == ["drive", "site"]
    assert images(control)["site"]["ro"] == (pool != "tmpfs")
    assert {"site.nspawn", "site.oci-config", "drive.roothash", "drive.verity"} < set(os.listdir(POOL))
    control.run("rename", "site", "drive").failed("cannot use the name 'drive': there is an image '/var/lib/machines/drive.raw'")
    for bad in (".#x", "a/b", "..", "a\nb", ""):
        control.run("rename", "site", bad).failed("as the name of an image")
    if pool != "tmpfs":
        control.run("read-only", "site", "no").ok()
    assert not images(control)["site"]["ro"]
    control.run("remove", "site", "drive").ok()
    assert os.listdir(POOL) == []


def test_a_mark_is_set_and_taken_away(control, pool):
    make_tree(POOL + "/web", pool)
    make_raw(POOL + "/disk.raw")
    control.run("read-only", "disk").ok()
    assert stat.S_IMODE(os.stat(POOL + "/disk.raw").st_mode) == 0o444 and images(control)["disk"]["ro"]
    control.run("read-only", "disk", "no").ok()
    assert stat.S_IMODE(os.stat(POOL + "/disk.raw").st_mode) == 0o644
    marked = control.run("read-only", "web", "yes")
    if marked.code:
        marked.failed("its file system has no mark for that")
        assert pool == "tmpfs"
    else:
        assert images(control)["web"]["ro"]
        with pytest.raises(OSError):
            open(POOL + "/web/new", "w")
        control.run("read-only", "web", "off").ok()
        open(POOL + "/web/new", "w").close()
        control.run("read-only", "web").ok()
    control.run("remove", "web").ok()
    control.run("read-only", "disk", "maybe").failed("neither yes nor no")
    os.mkdir(POOL + "/.down")
    control.run("read-only", ".down", "no").failed("hidden images are always read-only")


def test_subvolumes_are_limited(control, pool):
    make_tree(POOL + "/web", pool)
    if pool != "btrfs":
        control.run("set-limit", "web", "10M").failed("cannot limit '/var/lib/machines/web'")
        control.run("set-limit", "10M").failed("cannot limit '/var/lib/machines'")
        return
    control.run("set-limit", "web", "20M").ok()
    assert shown(control, "web")["Limit"] == str(20 << 20)
    with pytest.raises(OSError) as refused:
        with open(POOL + "/web/big", "wb") as file:
            for _ in range(40):
                file.write(os.urandom(1 << 20))
                file.flush()
                os.fsync(file.fileno())
    assert refused.value.errno == 122
    os.unlink(POOL + "/web/big")
    control.run("set-limit", "web", "none").ok()
    assert shown(control, "web")["Limit"] == str(2**64 - 1)
    control.run("set-limit", "300M").ok()
    assert "\t   Limit: 300M\n" in control.run("image-status").ok().out
    control.run("set-limit", "-").ok()
    subprocess.run(["btrfs", "quota", "rescan", "-w", POOL], check=True, stdout=subprocess.DEVNULL)
    assert int(shown(control, "web")["UsageExclusive"]) < int(images(control)["web"]["usage"]) + 1
    control.run("clone", "web", "copy").ok()
    control.run("remove", "web").ok()
    assert "0/" in subprocess.run(["btrfs", "qgroup", "show", POOL], check=True, capture_output=True, text=True).stdout
    control.run("set-limit", "copy", "much").failed("cannot use 'much' as a limit")
    make_raw(POOL + "/disk.raw")
    control.run("set-limit", "disk", "1G").failed("it is no directory")
    subprocess.run(["btrfs", "quota", "disable", POOL], check=True)


def btrfs(*words):
    return subprocess.run(["btrfs", *words], check=True, capture_output=True, text=True).stdout


def groups():
    """{"255/5": ["0/5", …]} of those that have members."""
    btrfs("quota", "rescan", "-W", POOL)
    found = {}
    for line in btrfs("qgroup", "show", "-p", "--raw", POOL).splitlines():
        group, *_, parents = line.split()[:4] if len(line.split()) >= 4 else ("", "")
        for parent in parents.split(",") if "/" in parents else ():
            found.setdefault(parent, []).append(group)
    return found


def filled(path, size):
    """How much of SIZE could be written to the file."""
    done = 0
    try:
        with open(path, "wb", buffering=0) as file:
            for _ in range(size >> 20):
                done += file.write(os.urandom(1 << 20))
            os.fsync(file.fileno())
    except OSError as refused:
        assert refused.errno == errno.EDQUOT
    return done


def test_a_limit_counts_what_is_nested_and_that_of_the_directory_all_images(redd, control, disk):
    if disk[0] != "btrfs":
        pytest.skip("only btrfs has quota groups")
    mounted(*disk)
    try:
        make_tree(POOL + "/web", "btrfs")
        btrfs("-q", "subvolume", "create", POOL + "/web/var")
        btrfs("-q", "subvolume", "create", POOL + "/web/var/deep")
        control.run("set-limit", "web", "10M").ok()
        number = btrfs("inspect-internal", "rootid", POOL + "/web").strip()
        assert len(groups()["255/" + number]) == 3
        assert 5 << 20 <= filled(POOL + "/web/var/deep/big", 20 << 20) < 10 << 20
        assert filled(POOL + "/web/small", 20 << 20) < 4 << 20
        assert int(shown(control, "web")["Usage"]) > 9 << 20 and shown(control, "web")["Limit"] == str(10 << 20)
        # a clone is a snapshot, has no limit of its own, and what is counted stays true
        control.run("clone", "web", "copy").ok()
        control.run("clone", "--read-only", "web", "shut").ok()
        uuid = [line.split()[-1] for line in btrfs("subvolume", "show", POOL + "/web").splitlines() if line.strip().startswith("UUID")]
        for name, flag in (("copy", "false"), ("shut", "true")):
            assert "Parent UUID: \t\t" + uuid[0] in btrfs("subvolume", "show", os.path.join(POOL, name))
            assert btrfs("property", "get", os.path.join(POOL, name), "ro") == "ro=%s\n" % flag
        assert list(groups()) == ["255/" + number]
        assert 5 << 20 < filled(POOL + "/copy/big", 12 << 20)
        # one that is full can be given room, and removed
        control.run("set-limit", "web", "12M").ok()
        control.run("set-limit", "web", "10M").ok()
        control.run("remove", "web", "shut").ok()
        assert "255/" + number not in btrfs("qgroup", "show", POOL)
        control.run("set-limit", "60M").ok()
        make_tree("/tmp/redd-work/source")
        machines.importctl(redd).run("-m", "import-fs", "/tmp/redd-work/source", "made").ok()
        control.run("clone", "made", "again").ok()
        found = groups()
        assert list(found) == ["255/5"] and len(found["255/5"]) == 6, found  # copy has two inside
        assert 20 << 20 < filled(POOL + "/made/big", 40 << 20) < 60 << 20 and filled(POOL + "/again/big", 40 << 20) < 30 << 20
        status = control.run("image-status").ok().out
        assert "\t   Limit: 60M\n" in status and "\t   Usage: 5" in status, status
        told = json.loads(control.run("image-status", "--json=short").ok().out)
        assert told["limit"] == 60 << 20 and 50 << 20 < told["usage"] <= 60 << 20
        # no descriptor is outside of a full file system
        control.run("set-limit", "none").failed("it is full", "btrfs quota disable")
        btrfs("quota", "disable", POOL)
        assert "Limit" not in control.run("image-status").ok().out
        control.run("remove", "made", "again", "copy").ok()
    finally:
        shutil.rmtree("/tmp/redd-work/source", ignore_errors=True)
        emptied()
        subprocess.run(["umount", POOL], check=True)


# tests/hosts/test_images.py does the same on kernels that count projects, which not all do
@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_directories_are_limited_where_projects_are_counted(control, work_root, kind):
    image = work_root + "/projects"
    with open(image, "wb") as file:
        file.truncate(400 << 20)
    os.makedirs(POOL, exist_ok=True)
    try:
        subprocess.run([*MAKE[kind], *(["-O", "quota,project"] if kind == "ext4" else []), image], check=True, stdout=subprocess.DEVNULL)
        if subprocess.run(["mount", "-o", "loop,prjquota", image, POOL], stderr=subprocess.DEVNULL).returncode:
            pytest.skip("this kernel counts no projects")
        try:
            limits_of_projects(control)
        finally:
            emptied()
            subprocess.run(["umount", POOL], check=True)
    finally:
        os.unlink(image)


def limits_of_projects(control):
    for name in ("web", "other"):
        make_tree(os.path.join(POOL, name))
        control.run("set-limit", name, "10M").ok()
    assert shown(control, "web")["Limit"] == str(10 << 20) and 0 < int(shown(control, "web")["Usage"]) < 1 << 20
    with open(POOL + "/web/usr/big", "wb") as file:
        file.write(bytes(5 << 20))
        os.fsync(file.fileno())
    assert 5 << 20 <= int(shown(control, "web")["Usage"]) < 6 << 20 and int(shown(control, "other")["Usage"]) < 1 << 20
    # as if it had been stopped half-way
    subprocess.run(["chattr", "-p", "0", POOL + "/web/usr/big"], check=True)
    assert int(shown(control, "web")["Usage"]) < 1 << 20
    control.run("set-limit", "web", "12M").ok()
    assert 5 << 20 <= int(shown(control, "web")["Usage"]) < 6 << 20
    control.run("set-limit", "web", "none").ok()
    assert shown(control, "web")["Limit"] == str(2**64 - 1)
    control.run("clone", "web", "over").ok()
    control.run("set-limit", "over", "5M").ok()
    assert shown(control, "over")["Limit"] == str(5 << 20)
    control.run("rename", "over", "top").ok()
    control.run("remove", "top", "web", "other").ok()
    control.run("set-limit", "1G").failed("limit each image")


def test_nested_subvolumes_come_along_and_go(control, pool):
    if pool != "btrfs":
        pytest.skip("only btrfs has subvolumes")
    make_tree(POOL + "/web", pool)
    subprocess.run(["btrfs", "-q", "subvolume", "create", POOL + "/web/var"], check=True)
    open(POOL + "/web/var/kept", "w").close()
    control.run("clone", "web", "copy").ok()
    assert os.path.exists(POOL + "/copy/var/kept")
    control.run("read-only", "copy").ok()
    control.run("remove", "web", "copy").ok()
    assert os.listdir(POOL) == []


# ---- what is refused ----

@pytest.mark.parametrize("words,sentence", [
    (["remove", "nowhere"], "cannot find the image 'nowhere'"),
    (["clone", "nowhere", "x"], "cannot find the image 'nowhere'"),
    (["remove", ".host"], "cannot remove '.host': it is the running system"),
    (["rename", ".host", "x"], "cannot rename '.host'"),
    (["read-only", ".host"], "cannot mark '.host'"),
    (["remove", "../../etc"], "cannot use '../../etc' as the name of an image"),
    (["show-image", "a\tb"], "cannot use 'a\\x09b' as the name of an image"),
    (["remove", "vendors"], "it is a vendor's, in '/usr/lib/machines/vendors'"),
    (["read-only", "vendors", "no"], "it is a vendor's"),
    (["rename", "vendors", "x"], "it is a vendor's"),
    (["set-limit", "vendors", "1G"], "it is a vendor's"),
    (["clone", "one"], "clone"),
], ids=lambda value: "-".join(value) if isinstance(value, list) else "")
def test_refused(control, plain, words, sentence):
    made = not os.path.exists("/usr/lib/machines")
    os.makedirs("/usr/lib/machines/vendors") if made else None
    try:
        control.run(*words).failed(sentence)
    finally:
        shutil.rmtree("/usr/lib/machines") if made else None


def test_links_and_versions(control, plain, place):
    os.mkdir(place + "/far")
    os.symlink(place + "/far", POOL + "/link")
    control.run("remove", "link").ok()
    assert os.path.isdir(place + "/far") and not os.path.lexists(POOL + "/link")
    for version in "12":
        os.makedirs(POOL + "/many.v/many_%s/etc" % version)
    open(POOL + "/many.nspawn", "w").close()
    control.run("rename", "many", "other").failed("it is one of several versions")
    control.run("clone", "many", "copy").ok()
    assert os.readlink(POOL + "/copy.mstack/layer@0") == POOL + "/many.v/many_2" and os.path.exists(POOL + "/copy.nspawn")
    control.run("remove", "many").failed("it is a layer of 'copy'")
    control.run("remove", "copy").ok()
    control.run("remove", "many").ok()
    assert os.listdir(POOL + "/many.v") == ["many_1"] and os.path.exists(POOL + "/many.nspawn")


def test_the_directory_is_closed_to_others(control, plain):
    os.chmod(POOL, 0o755)
    make_raw(POOL + "/disk.raw")
    assert "is now closed to other users" in control.run("clone", "disk", "copy").ok().err
    assert stat.S_IMODE(os.stat(POOL).st_mode) == 0o700
    assert not control.run("clone", "disk", "third").ok().err


# ---- machines that run ----

def test_an_image_in_use_stays_as_it_is(redd, control, plain):
    trees.unpack("busybox", POOL + "/busy")
    machine = machines.Machine(redd, "busy", POOL + "/busy")
    try:
        for words in (["remove", "busy"], ["rename", "busy", "x"], ["read-only", "busy"]):
            control.run(*words).failed("the image 'busy': it is in use (stop the machine that runs from it)")
        done = control.run("clone", "busy", "copy").ok()
        assert "'/var/lib/machines/busy' is in use, so it has to be copied" in done.err
        assert os.path.isdir(POOL + "/copy/etc")
    finally:
        machine.stop()
    control.run("remove", "busy", "copy").ok()
    assert os.listdir(POOL) == []


def test_a_layer_is_read_only_for_machines(redd, control, plain):
    trees.unpack("busybox", POOL + "/base")
    control.run("clone", "base", "over").ok()
    start = ["-q", "--pipe", "-D", POOL + "/base"]
    redd.run(*start, "true").failed("cannot write to the tree '/var/lib/machines/base': the image 'over' is made of it")
    redd.run(*start, "--read-only", "true").ok()
    redd.run(*start, "--ephemeral", "true").ok()
    shutil.rmtree(POOL + "/over.mstack")  # not by us: the mark is still there
    redd.run(*start, "true").ok()
    assert not hidden()


# ---- killed half-way ----

def killed(process, seen):
    """SIGKILL as soon as SEEN() says so. False: it was faster."""
    runner.until(lambda: seen() or process.poll() is not None)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


def many_files(path, count=6000):
    for i in range(count):
        if i % 500 == 0:
            os.makedirs("%s/%d" % (path, i // 500))
        os.close(os.open("%s/%d/%d" % (path, i // 500, i), os.O_CREAT | os.O_WRONLY))


def test_who_is_killed_leaves_nothing_to_see(control, pool):
    many_files(POOL + "/web")
    for _ in range(5):
        if killed(control.start("clone", "--copy", "web", "copy"), lambda: glob.glob(POOL + "/.#new.copy.*/3")):
            break
    else:
        pytest.fail("every clone was faster than its end")
    assert sorted(images(control, "-a")) == [".host", "web"] and hidden()
    control.run("clone", "web", "copy").ok()  # the name is free, and what was left behind goes
    assert not glob.glob(POOL + "/.#new*")
    control.run("remove", "copy").ok()
    assert killed(control.start("remove", "web"), lambda: glob.glob(POOL + "/.#old.web.*")), "removed faster than its end"
    assert sorted(images(control, "-a")) == [".host"] and glob.glob(POOL + "/.#old*")
    control.run("clean").ok()
    assert os.listdir(POOL) == []
    for path in glob.glob("/run/systemd/nspawn/locks/inode-*"):
        os.unlink(path)  # a lock of nobody's, which the next one takes


def test_who_is_interrupted_takes_the_rest_away(control, plain):
    many_files(POOL + "/web")
    for _ in range(5):
        process = control.start("clone", "--copy", "web", "copy")
        runner.until(lambda: glob.glob(POOL + "/.#new.copy.*/3") or process.poll() is not None)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        if process.returncode == 1:
            break
        control.run("remove", "copy")  # all was copied by then
    assert "stopped while '/var/lib/machines/web' was being copied" in err
    assert os.listdir(POOL) == ["web"]


# ---- clean ----

def test_what_stays_is_said_once_and_the_rest_goes(control, plain):
    """Also layers, which only the store's own directory knows of."""
    store = "/var/lib/redd/layers/sha256"
    os.makedirs(store, mode=0o700, exist_ok=True)
    layers = [store + "/" + letter * 64 for letter in "ab"]
    for path in layers:
        os.mkdir(path)
    names = [".one", ".two.mstack", ".three"]
    for name in names:
        os.makedirs(os.path.join(POOL, name, "layer@0"))
    os.makedirs(POOL + "/web.mstack")
    os.symlink(layers[0], POOL + "/web.mstack/layer@0")
    locks = [open(os.path.join(POOL, ".#%s.lck" % name), "w") for name in names[:2]]
    for lock in locks:
        fcntl.lockf(lock, fcntl.LOCK_EX)
    try:
        done = control.run("clean").failed("cannot remove 2 of the images")
        assert [done.err.count("cannot remove the image '%s'" % name) for name in (".one", ".two", ".three")] == [1, 1, 0]
        assert not os.path.exists(POOL + "/.three") and not os.path.exists(layers[1]) and os.path.exists(layers[0])
        done = control.run("remove", "web", "nothing").failed("cannot find the image 'nothing'")
        assert not os.path.exists(layers[0])
    finally:
        for lock in locks:
            lock.close()
    control.run("clean").ok()
    assert os.listdir(POOL) == []


def test_hidden_images_that_others_are_made_of_stay(control, pool):
    """As what pull-tar keeps is, where a clone is no copy: that is nothing that clean fails for."""
    make_tree(POOL + "/.tar-kept", pool)
    make_tree(POOL + "/.tar-old", pool)
    control.run("clone", ".tar-kept", "web").ok()
    layer = os.path.isdir(POOL + "/web.mstack")
    assert layer == (pool != "btrfs")
    done = control.run("clean").ok()
    assert "Removed %d images in total." % (1 if layer else 2) in done.err and "cannot" not in done.err, done
    assert os.path.isdir(POOL + "/.tar-kept") == layer and not os.path.exists(POOL + "/.tar-old")
    control.run("remove", "web").ok()
    assert "Removed %d images in total." % layer in control.run("clean").ok().err and os.listdir(POOL) == []


def test_hidden_images_are_cleaned_away(control, pool):
    make_tree(POOL + "/web", pool)
    make_tree(POOL + "/.tar-old", pool)
    make_raw(POOL + "/.raw-old.raw")
    control.run("clone", "web", "over").ok()
    done = control.run("clean").ok()
    assert "Removed image '.raw-old'. Freed exclusive disk space: " in done.err and "Removed 2 images in total." in done.err
    assert sorted(images(control)) == ["over", "web"]
    done = control.run("clean", "--all").ok()  # the clone goes before its layer
    assert "Removed 2 images in total." in done.err and os.listdir(POOL) == []
    assert "Removed 0 images in total." in control.run("clean").ok().err


# ---- without root ----

@pytest.fixture
def own_pool(user):
    path = os.path.join(user.home, ".local/state/machines")
    subprocess.run(["install", "-d", "-o", str(user.uid), "-g", str(user.gid), user.home + "/.local", user.home + "/.local/state",
                    path], check=True)
    yield path
    shutil.rmtree(user.home + "/.local")


def test_a_users_images_are_his(mine, user, ids, own_pool):
    control = machines.machinectl(mine)
    tree = own_pool + "/web"
    subprocess.run(["cp", "-a", mine.tree, tree], check=True)
    if ids == "range":
        os.chown(tree + "/etc/hostname" if os.path.exists(tree + "/etc/hostname") else tree + "/etc/passwd", 1000032, 1000032)
        os.mkdir(tree + "/secret", 0o700)
        os.chown(tree + "/secret", 1000032, 1000032)
        open(tree + "/secret/file", "w").close()
    assert images(control) == {"web": images(control)["web"]}
    assert "is a layer of 'over' now" in control.run("clone", "web", "over").ok().err
    assert os.stat(own_pool + "/over.mstack/rw/data").st_uid == user.uid
    control.run("remove", "web").failed("it is a layer of 'over'")
    control.run("clone", "--copy", "web", "copy").ok()
    if ids == "range":
        assert os.path.exists(own_pool + "/copy/secret/file")
        assert os.stat(own_pool + "/copy/secret").st_uid == 1000032
    control.run("rename", "copy", "other").ok()
    control.run("read-only", "other").failed("cannot mark")
    control.run("clone", "web", "third").ok()
    control.run("remove", "over", "third", "other", "web").ok()
    assert os.listdir(own_pool) == []
    control.run("--system", "remove", "x").failed()


# ---- handed on ----

def test_transfers_are_importctls(redd, place):
    shutil.copy(os.path.join(os.path.dirname(redd.path), "machinectl"), place)
    control = runner.Redd(place + "/machinectl", env=redd.env)
    with open(place + "/importctl", "w") as file:
        file.write('#!/bin/sh\nprintf "%s\\n" "$@"\nexit 3\n')
    os.chmod(place + "/importctl", 0o755)
    done = control.run("import-tar", "--force", "--read-only", "-q", "--format=xz", "--verify=no", "a.tar", "web")
    assert done.code == 3
    assert done.lines == ["--class=machine", "--force", "--read-only", "--verify=no", "--format=xz", "--quiet", "import-tar", "--", "a.tar", "web"]
    assert control.run("list-transfers", "--json=short").lines == ["--class=machine", "--json=short", "list-transfers", "--"]
    control.run("pull-raw").failed("pull-raw")
    os.unlink(place + "/importctl")
    if not shutil.which("importctl", path=redd.env["PATH"]):
        control.run("pull-tar", "https://example.org/a.tar").failed("cannot run 'importctl'")
