"""Disk images, made of directories by the tools of their file systems; and file systems of each kind."""
import contextlib
import os
import re
import shutil
import struct
import subprocess
import uuid

MIB = 1 << 20
ROOT, USR = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709", "8484680c-9521-48c6-9c11-b0720656f69e"
HOME, SRV = "933ac7e1-2eb4-4f13-b844-0e14e2aef915", "3b8f8425-20e0-4f3b-907f-1a25a76f98e8"
VAR, ESP = "4d21b016-b534-45c2-a9fb-5c16e091fd2d", "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
XBOOTLDR = "bc13c2ff-59e6-4262-a352-b275fd6f7172"
ROOT_VERITY = "2c7357ed-ebd2-46d9-aec1-23d437ec2bf5"
USR_VERITY = "77ff5f63-e7b6-4633-acf4-1565b864c0e6"
LINUX, ARM = "0fc63daf-8483-4772-8e79-3d69d8477de4", "b921b045-1df0-41c3-af44-4c6f280d3fae"
SIZES = {"ext4": 24, "btrfs": 128, "xfs": 320}


def run(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, **options)


def blank(path, size):
    with open(path, "wb") as file:
        file.truncate(size)
    return path


def hashes(path, image, *options):
    """The hash tree of an image; the root hash."""
    said = run("veritysetup", "format", *options, image, path, text=True, env={**os.environ, "PATH": "/usr/sbin:" + os.environ["PATH"]}).stdout
    os.chmod(path, 0o644)
    return next(line.split()[-1] for line in said.splitlines() if line.startswith("Root hash:"))


def halves(root_hash):
    """The ids of the partitions that belong to it."""
    return [str(uuid.UUID(root_hash[at:at + 32])) for at in (0, len(root_hash) - 32)]


def filesystem(path, kind, tree, size=None):
    """The file system KIND with what is in the directory TREE."""
    if kind in SIZES:
        blank(path, (size or SIZES[kind]) * MIB)
    if kind == "ext4":
        run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", "-d", tree, path)
    elif kind == "btrfs":
        run("mkfs.btrfs", "-q", "-f", "--rootdir", tree, path)
    elif kind == "xfs":
        run("mkfs.xfs", "-q", "-f", path)
        # mkfs.xfs cannot fill it
        at = path + ".mnt"
        os.mkdir(at)
        run("mount", "-o", "loop", path, at)
        try:
            run("cp", "-a", tree + "/.", at)
        finally:
            run("umount", at)
            os.rmdir(at)
    elif kind == "squashfs":
        run("mksquashfs", tree, path, "-quiet", "-no-progress", "-comp", "gzip")
    elif kind == "erofs":
        run("mkfs.erofs", "--quiet", path, tree)
    return path


def endless(path, tree, directory):
    """An ext4 in which a name is looked for in DIRECTORY for ever: the map of its blocks is a tree of five levels where all entries of a level
    lead to the same block below. A limit of depth is kept, and nothing of it is out of place."""
    size = 1024
    run("mkfs.ext4", "-q", "-F", "-b", str(size), "-O", "^metadata_csum,^64bit", "-d", tree, blank(path, SIZES["ext4"] * MIB))

    def ask(command):
        return run("debugfs", "-R", command, path, text=True).stdout

    def node(depth, below, count):
        """An entry: what comes first, and where; of a leaf also how much."""
        entries = (struct.pack("<IHHI", i, 1, 0, below) if depth == 0 else struct.pack("<IIHH", i, below, 0, 0) for i in range(count))
        return struct.pack("<HHHHI", 0xF30A, count, count, depth, 0) + b"".join(entries)
    block, offset = re.search(r"located at block (\d+), offset 0x([0-9a-f]+)", ask("imap " + directory)).groups()
    data = int(re.search(r"\(0\):(\d+)", ask("stat " + directory)).group(1))
    free = [int(word) for word in ask("ffb 5").split(":")[1].split()]
    for at in free:
        run("debugfs", "-w", "-R", "setb %d" % at, path)
    with open(path, "r+b") as file:
        for depth, at in enumerate(free):
            file.seek(at * size)
            file.write(node(depth, free[depth - 1] if depth else data, (size - 12) // 12))
        file.seek(int(block) * size + int(offset, 16) + 40)
        file.write(node(5, free[-1], 4))
    return path


def table(path, partitions, size=None, label="gpt"):
    """PARTITIONS: (type, file with its file system, more for sfdisk). Each begins at a whole MiB."""
    starts, end = [], 1
    for _, part, *_ in partitions:
        starts.append(end)
        end += -(-os.path.getsize(part) // MIB) if part else 1
    blank(path, (size or end + 1) * MIB)
    script = "label: %s\n" % label
    for (kind, part, *more), start in zip(partitions, starts):
        length = -(-os.path.getsize(part) // MIB) if part else 1
        script += "start=%dMiB, size=%dMiB, type=%s%s\n" % (start, length, kind, "".join(", " + word for word in more))
    run("sfdisk", "-q", path, input=script.encode())
    for (_, part, *_), start in zip(partitions, starts):
        if part:
            run("dd", "if=" + part, "of=" + path, "bs=1M", "seek=%d" % start, "conv=notrunc,sparse")
    return path


@contextlib.contextmanager
def mounted(kind, base):
    """An empty file system of the KIND, which can be written to, somewhere in the directory BASE."""
    top, image = os.path.join(base, "mnt"), os.path.join(base, "image")
    os.makedirs(top)
    if kind in SIZES:
        blank(image, 400 * MIB)
        run("mkfs." + kind, "-q", "-F" if kind == "ext4" else "-f", image)
        run("mount", "-o", "loop", image, top)
    elif kind == "overlay":
        for name in ("lower", "upper", "work"):
            os.mkdir(os.path.join(base, name))
        run("mount", "-t", "overlay", "x", "-o", "lowerdir={0}/lower,upperdir={0}/upper,workdir={0}/work".format(base), top)
    else:
        run("mount", "-t", kind, "x", top)
    try:
        yield top
    finally:
        run("umount", "-R", top)
        shutil.rmtree(base)
