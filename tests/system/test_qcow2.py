"""qcow2 images become raw ones: as qemu-img makes them, over all that it writes; what is damaged is refused."""
import os
import random
import shutil
import struct
import subprocess

import pytest

from support import machines, pool as pools, runner
from support.pool import POOL

CONVERT = os.path.join(os.path.dirname(runner.program()), "tests/system/qcow2-to-raw")
DISK = (6 << 20) + 5 * 512  # cuts through a cluster of every size
OPTIONS = {
    "v2": "compat=0.10", "v2-zlib": "-c compat=0.10", "v3": "", "zlib": "-c", "zstd": "-c compression_type=zstd",
    "metadata": "preallocation=metadata", "falloc": "preallocation=falloc", "full": "preallocation=full",
    "parts": "extended_l2=on", "parts-zstd": "-c extended_l2=on,compression_type=zstd", "lazy": "lazy_refcounts=on,refcount_bits=1",
}
CLUSTERS = {"parts": ["64k", "2M"], "parts-zstd": ["16k", "2M"], "lazy": ["64k"], "falloc": ["512", "64k"], "full": ["4k", "2M"], "v2-zlib": ["64k"]}
CASES = [(name, cluster) for name in OPTIONS for cluster in CLUSTERS.get(name, ["512", "4k", "64k", "2M"])]


def tool(*argv):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, (argv, done.stdout, done.stderr)


def convert(image, raw):
    """What an import does. The exit status and the largest memory that it had, in KiB."""
    done = subprocess.run([*runner.peak(raw + ".peak"), CONVERT, image, raw], stderr=subprocess.PIPE, text=True)
    with open(raw + ".peak") as file:
        return done.returncode, done.stderr, int(file.read())


def image_of(path, raw, name, cluster):
    words = OPTIONS[name].split()
    options = ",".join(["cluster_size=" + cluster] + [word for word in words if word != "-c"])
    tool("qemu-img", "convert", "-f", "raw", "-O", "qcow2", *(["-c"] if "-c" in words else []), "-o", options, raw, path)


def same(first, second):
    """By content, and by what is sparse in both."""
    with open(first, "rb") as a, open(second, "rb") as b:
        assert os.fstat(a.fileno()).st_size == os.fstat(b.fileno()).st_size
        while True:
            part = a.read(1 << 20)
            assert part == b.read(1 << 20), "they differ before %d" % a.tell()
            if not part:
                return


def check(image, place):
    """Ours and qemu-img's: the same bytes, and no more blocks than those of 4 KiB that are not zero."""
    ours, theirs = place + "/ours", place + "/theirs"
    code, said, memory = convert(image, ours)
    assert (code, said) == (0, "")
    assert memory < 64 << 10
    tool("qemu-img", "convert", "-f", "qcow2", "-O", "raw", image, theirs)
    same(ours, theirs)
    with open(ours, "rb") as file:
        full = sum(part.count(0) != len(part) for part in iter(lambda: file.read(4096), b""))
    assert os.stat(ours).st_blocks <= full * 8


@pytest.fixture(scope="module")
def disk(work_root):
    """Noise, text, zeros and holes of all lengths."""
    path = work_root + "/qcow2-disk"
    dice = random.Random(5)
    with open(path, "wb") as file:
        for _ in range(60):
            file.seek(dice.randrange(DISK // 512) * 512)
            size = dice.choice([512, 4096, 4608, 65536, dice.randrange(200000)])
            file.write(dice.choice([dice.randbytes, lambda n: b"words and more words " * (n // 21), bytes])(size)[:DISK - file.tell()])
        file.truncate(DISK)
    yield path
    os.unlink(path)


@pytest.mark.parametrize("name,cluster", CASES)
def test_the_same_disk_comes_out(place, disk, name, cluster):
    image = place + "/image"
    image_of(image, disk, name, cluster)
    check(image, place)
    same(place + "/ours", disk)


@pytest.mark.parametrize("name,cluster", [case for case in CASES if case[0] in ("v2", "zlib", "metadata", "parts", "parts-zstd")])
def test_an_image_that_was_lived_in(place, disk, name, cluster):
    """Written over, zeroed, given back, with snapshots in it, grown and shrunk."""
    image, dice = place + "/image", random.Random(name + cluster)
    image_of(image, disk, name, cluster)
    for turn in range(3):
        commands = []
        for _ in range(12):
            size = dice.choice([512, 1024, 4096, 65536, dice.randrange(1, 1000) * 512])
            at = dice.randrange((DISK - size) // 512) * 512
            commands += ["-c", dice.choice(["write -P %d" % dice.randrange(1, 256), "write -z", "write -z -u", "discard"]) + " %d %d" % (at, size)]
        tool("qemu-io", "-f", "qcow2", "-d", "unmap", *commands, image)
        if turn == 1:
            tool("qemu-img", "snapshot", "-c", "first", image)
    tool("qemu-img", "check", "-q", image)
    check(image, place)
    if not name.startswith("v2"):  # whose snapshots have no sizes of their own
        tool("qemu-img", "resize", "-q", image, str(DISK + 77 * 512))
        check(image, place)


def header(image, at, kind, number):
    with open(image, "r+b") as file:
        file.seek(at)
        file.write(struct.pack(kind, number))


def number(image, at):
    with open(image, "rb") as file:
        file.seek(at)
        return struct.unpack(">Q", file.read(8))[0]


@pytest.mark.parametrize("size", [0, 1, 511, 512, 65535, 65536, 65537, 1000001])
def test_disks_of_odd_sizes(place, size):
    """Other programs write sizes that are no whole sectors; qemu-img drops the rest."""
    image, ours = place + "/image", place + "/ours"
    tool("qemu-img", "create", "-q", "-f", "qcow2", image, str(max(size, 1)))
    if size > 0:
        tool("qemu-io", "-f", "qcow2", "-c", "write -P 7 0 %d" % ((size + 511) // 512 * 512), image)
    header(image, 24, ">Q", size)
    assert convert(image, ours)[:2] == (0, "")
    with open(ours, "rb") as file:
        assert file.read() == b"\7" * size


def free(path):
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
    subprocess.run(["sync", "-f", path], check=True)
    found = os.statvfs(path)
    return found.f_bfree * found.f_bsize


@pytest.mark.parametrize("kind", ["btrfs", "xfs"])
def test_blocks_are_shared_where_they_can_be(place, kind):
    medium, mounted = place + "/medium", place + "/mounted"
    os.mkdir(mounted)
    with open(medium, "wb") as file:
        file.truncate(400 << 20)
    tool("mkfs." + kind, "-q", "-f", medium)
    tool("mount", "-o", "loop", medium, mounted)
    raw, image, ours = mounted + "/raw", mounted + "/image", mounted + "/ours"
    with open(raw, "wb") as file:
        file.write(os.urandom((20 << 20) + 512))
    image_of(image, raw, "v3", "64k")
    before = free(mounted)
    assert convert(image, ours)[:2] == (0, "")
    assert before - free(mounted) < 4 << 20
    same(ours, raw)


def test_a_large_disk_with_little_in_it(place):
    image, ours = place + "/image", place + "/ours"
    tool("qemu-img", "create", "-q", "-f", "qcow2", image, "8T")
    tool("qemu-io", "-f", "qcow2", "-c", "write -P 1 0 64k", "-c", "write -P 2 5T 1M", "-c", "write -P 3 8796093021696 512", image)
    code, said, memory = convert(image, ours)
    assert (code, said) == (0, "") and memory < 64 << 10
    assert os.stat(ours).st_size == 8 << 40 and os.stat(ours).st_blocks <= (64 + 1024 + 4) * 2
    tool("qemu-img", "compare", "-q", "-f", "qcow2", "-F", "raw", image, ours)


@pytest.mark.parametrize("name", ["v2", "zlib", "zstd", "parts"])
def test_what_was_cut_short_is_refused(place, disk, name):
    whole, image = place + "/whole", place + "/image"
    image_of(whole, disk, name, "64k")
    size = os.stat(whole).st_size
    for cut in [size * n // 7 for n in range(7)] + [size - 70000]:
        shutil.copy(whole, image)
        os.truncate(image, cut)
        code, said, _ = convert(image, place + "/ours")
        assert code == 1 and said.count("\n") == 1
        assert any(word in said for word in ("cut short", "no qcow2", "damaged")), (cut, said)


def flag(image, bit):
    header(image, 72, ">Q", number(image, 72) | 1 << bit)


def first_entry(image, value):
    """Of the first second table."""
    header(image, number(image, number(image, 40)) & ~(1 << 63), ">Q", value)


DAMAGE = {
    "magic": (lambda image: header(image, 0, ">I", 1), "no qcow2"),
    "version": (lambda image: header(image, 4, ">I", 4), "version"),
    "backing": (lambda image: header(image, 8, ">Q", 600), "backing file"),
    "cluster": (lambda image: header(image, 20, ">I", 30), "512 bytes to 2 MiB"),
    "size": (lambda image: header(image, 24, ">Q", 1 << 62), "first table"),
    "encrypted": (lambda image: header(image, 32, ">I", 1), "encrypted"),
    "short table": (lambda image: header(image, 36, ">I", 0), "first table"),
    "table between": (lambda image: header(image, 40, ">Q", 70000), "first table"),
    "table behind": (lambda image: header(image, 40, ">Q", 1 << 40), "cut short"),
    "marked": (lambda image: flag(image, 1), "corrupt"),
    "other file": (lambda image: flag(image, 2), "another file"),
    "compression": (lambda image: flag(image, 3), "contradicts itself"),
    "future": (lambda image: flag(image, 33), "not known"),
    "entry between": (lambda image: first_entry(image, 70000), "entry of its tables is wrong"),
    "entry behind": (lambda image: first_entry(image, 1 << 50), "cut short"),
    "entry reserved": (lambda image: first_entry(image, 1 << 57 | 1 << 17), "entry of its tables is wrong"),
    "packed behind": (lambda image: first_entry(image, 1 << 62 | 1 << 50), "cut short"),
    "packed noise": (lambda image: first_entry(image, 1 << 62 | 255 << 54 | 3), "cannot be unpacked"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_damaged_is_refused(place, disk, damage):
    image = place + "/image"
    image_of(image, disk, "v3", "64k")
    DAMAGE[damage][0](image)
    code, said, _ = convert(image, place + "/ours")
    assert code == 1 and DAMAGE[damage][1] in said and said.count("\n") == 1, said


def test_a_small_image_cannot_fill_the_disk(place):
    """All second tables are one, and all its clusters too."""
    image, ours = place + "/image", place + "/ours"
    tool("qemu-img", "create", "-q", "-f", "qcow2", image, "1T")
    tool("qemu-io", "-f", "qcow2", "-c", "write -P 1 0 64k", image)
    l1 = number(image, 40)
    l2 = number(image, l1)
    data = number(image, l2 & ~(1 << 63))
    with open(image, "r+b") as file:
        file.seek(l1)
        file.write(struct.pack(">Q", l2) * 2048)
        file.seek(l2 & ~(1 << 63))
        file.write(struct.pack(">Q", data) * 8192)
    code, said, _ = convert(image, ours)
    assert code == 1 and "more than once" in said
    assert os.stat(ours).st_blocks * 512 < 64 << 20


@pytest.fixture
def pool():
    pools.mount("tmpfs", None)
    yield POOL
    pools.unmount()


@pytest.mark.parametrize("name", ["v2", "zlib", "zstd", "parts"])
def test_an_import_makes_a_raw_image(redd, pool, place, disk, name):
    image = place + "/web.qcow2"
    image_of(image, disk, name, "64k")
    machines.importctl(redd).run("-m", "import-raw", image).ok()
    same(pool + "/web.raw", disk)


def test_an_import_says_what_is_wrong(redd, pool, place, disk):
    image = place + "/web.qcow2"
    image_of(image, disk, "zlib", "64k")
    header(image, 8, ">Q", 600)
    machines.importctl(redd).run("-m", "import-raw", image).failed(image, "backing file", "qemu-img convert")
    assert not os.path.exists(pool + "/web.raw")
