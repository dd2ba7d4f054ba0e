"""Archives that no program would write, and what became of them."""
import os
import stat
import struct
import subprocess

from support import runner

TOOL = os.path.join(os.path.dirname(os.path.realpath(runner.program())), "tests/system/archive-tool")
BLOCK = 512


def octal(number, size):
    return b"%0*o\0" % (size - 1, number)


def header(name=b"", kind=b"0", size=0, mode=0o644, uid=0, gid=0, mtime=1000000000, link=b"", magic=b"ustar\0" b"00",
           major=0, minor=0, prefix=b"", **raw):
    """RAW fields (raw_size=b"...") are taken as they are; raw_sum too."""
    fields = dict(name=name[:100], mode=octal(mode, 8), uid=octal(uid, 8), gid=octal(gid, 8), size=octal(size, 12),
                  mtime=octal(mtime, 12), sum=b" " * 8, kind=kind, link=link[:100], magic=magic, user=b"", group=b"",
                  major=octal(major, 8), minor=octal(minor, 8), prefix=prefix)
    fields.update({key[4:]: value for key, value in raw.items()})
    parts = struct.pack("100s8s8s8s12s12s8s1s100s8s32s32s8s8s155s12x", *[fields[key] for key in (
        "name", "mode", "uid", "gid", "size", "mtime", "sum", "kind", "link", "magic", "user", "group", "major", "minor", "prefix")])
    if "raw_sum" not in raw:
        parts = parts[:148] + b"%06o\0 " % sum(parts) + parts[156:]
    return parts


def padded(data):
    return data + bytes(-len(data) % BLOCK)


def entry(name, data=b"", **fields):
    fields.setdefault("size", len(data))
    return header(name, **fields) + padded(data)


def directory(name, **fields):
    return entry(name, kind=b"5", mode=fields.pop("mode", 0o755), **fields)


def symlink(name, target, **fields):
    return entry(name, kind=b"2", link=target, mode=0o777, **fields)


def hard(name, target, **fields):
    return entry(name, kind=b"1", link=target, **fields)


def record(key, value):
    body = b" " + key + b"=" + value + b"\n"
    length = len(body) + 1
    while len(b"%d" % length) + len(body) != length:
        length += 1
    return b"%d" % length + body


def pax(*records, kind=b"x"):
    """Pairs, or bytes as they are."""
    data = b"".join(item if isinstance(item, bytes) else record(*item) for item in records)
    return entry(b"PaxHeaders/x", data, kind=kind)


def gnu_long(name, kind=b"L"):
    return entry(b"././@LongLink", name + b"\0", kind=kind, magic=b"ustar  \0")


def tar(*parts):
    return b"".join(parts) + bytes(2 * BLOCK)


def import_tar(archive, place, *options, env=None, timeout=60):
    """Into PLACE/tree; the archive comes through a file."""
    path, tree = place + "/archive", place + "/tree"
    with open(path, "wb") as file:
        file.write(archive)
    os.mkdir(tree, 0o755)
    return run("import-tar", path, tree, *options, env=env, timeout=timeout)


def run(*arguments, env=None, timeout=60, prefix=()):
    return subprocess.run([*prefix, TOOL, *arguments], capture_output=True, text=True, errors="surrogateescape", timeout=timeout,
                          env={**os.environ, **(env or {})})


def describe(tree):
    """A line for each entry: kind, path, mode if it is unusual, owner if not root, content."""
    lines = []
    for folder, folders, files in os.walk(os.fsencode(tree)):
        for name in folders + files:
            path = os.path.join(folder, name)
            lines.append(line_of(path, os.path.relpath(path, os.fsencode(tree))))
    return sorted(lines)


def line_of(path, shown):
    st = os.lstat(path)
    kind = {stat.S_IFREG: "-", stat.S_IFDIR: "d", stat.S_IFLNK: "l", stat.S_IFCHR: "c", stat.S_IFBLK: "b",
            stat.S_IFIFO: "p", stat.S_IFSOCK: "s"}[stat.S_IFMT(st.st_mode)]
    text = kind + " " + os.fsdecode(shown)[:60]
    if kind != "l" and stat.S_IMODE(st.st_mode) not in (0o644, 0o755):
        text += " %04o" % stat.S_IMODE(st.st_mode)
    if st.st_uid or st.st_gid:
        text += " %d:%d" % (st.st_uid, st.st_gid)
    if kind == "-":
        text += " x%d" % st.st_nlink if st.st_nlink > 1 else ""
        with open(path, "rb") as file:
            data = file.read(40)
        text += " =" + (data.decode("latin-1") if st.st_size <= 40 else "%d bytes" % st.st_size).replace("\0", ".")
    elif kind == "l":
        text += " -> " + os.fsdecode(os.readlink(path))
    elif kind in "cb":
        text += " %d:%d" % (os.major(st.st_rdev), os.minor(st.st_rdev))
    names = [name for name in os.listxattr(path, follow_symlinks=False) if not name.startswith("security.selinux")]
    return text + "".join(" [%s]" % name for name in sorted(names))
