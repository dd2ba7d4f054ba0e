"""Archives in and out: hostile ones (classes S42, S43), trees that change (S49), and that nothing is lost."""
import bz2
import gzip
import hashlib
import lzma
import os
import shutil
import socket
import stat
import subprocess
import threading

import pytest

from support import runner
from support.archives import (describe, directory, entry, gnu_long, hard, header, import_tar, octal, padded, pax, run, symlink, tar)

HELLO = b"hello"
LONG = b"d/" * 60 + b"name"
V3_CAPABILITY = bytes.fromhex("0000000301000000000000000000000000000000e8030000")
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")


def old_sparse(pieces, real, data, more=b""):
    block = bytearray(header(b"sparse", kind=b"S", size=len(data), magic=b"ustar  \0"))
    for i, (offset, size) in enumerate(pieces[:4]):
        block[386 + 24 * i:386 + 24 * (i + 1)] = octal(offset, 12) + octal(size, 12)
    block[482] = 1 if more else 0
    block[483:495] = octal(real, 12)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + more + padded(data)


def sparse_1(lines, data, real=b"20"):
    body = padded("".join("%s\n" % line for line in lines).encode()) + data
    return pax((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.name", b"sparse"),
               (b"GNU.sparse.realsize", real)) + entry(b"GNUSparseFile.0/sparse", body)


def sparse_01(mapped, data, real=b"20"):
    return pax((b"GNU.sparse.size", real), (b"GNU.sparse.name", b"sparse"), (b"GNU.sparse.map", mapped)) + entry(b"x", data)


# Name, archive, and what is there afterwards (lines of describe()) or a part of the refusal.
ACL = b"user::rwx,user:7:rwx,group::r-x,mask::rwx,other::r-x"
CASES = [
    # names that lead out
    ("dotdot", tar(entry(b"../evil", HELLO)), "leads out of the tree"),
    ("dotdot-inside", tar(directory(b"a/"), entry(b"a/../../evil", HELLO)), "leads out of the tree"),
    ("dotdot-harmless", tar(directory(b"a/"), entry(b"a/../b", HELLO)), "leads out of the tree"),
    ("dotdot-at-end", tar(directory(b"a/..")), "leads out of the tree"),
    ("dotdot-in-prefix", tar(entry(b"evil", HELLO, prefix=b"a/../..")), "leads out of the tree"),
    ("dotdot-in-pax", tar(pax((b"path", b"../../evil")), entry(b"fine", HELLO)), "leads out of the tree"),
    ("dotdot-in-gnu", tar(gnu_long(b"../evil"), entry(b"fine", HELLO)), "leads out of the tree"),
    ("dotdot-in-sparse-name", tar(pax((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.name", b"../evil"),
                                      (b"GNU.sparse.realsize", b"0")), entry(b"x", padded(b"0\n"))), "leads out of the tree"),
    ("absolute", tar(entry(b"/tmp/evil", HELLO)), ["- tmp/evil =hello", "d tmp"]),
    ("many-slashes", tar(entry(b"///tmp//.//evil", HELLO)), ["- tmp/evil =hello", "d tmp"]),
    ("empty-name", tar(entry(b"", HELLO)), "the tree itself can only be a directory"),
    # the tree itself
    ("top-is-symlink", tar(symlink(b".", b"/etc")), "the tree itself can only be a directory"),
    ("top-is-symlink-slash", tar(symlink(b"./", b"/etc")), "the tree itself can only be a directory"),
    ("top-is-file", tar(entry(b".", HELLO)), "the tree itself can only be a directory"),
    ("top-is-hardlink", tar(entry(b"a", HELLO), hard(b"./", b"a")), "the tree itself can only be a directory"),
    ("top-is-device", tar(entry(b"/", kind=b"3", major=1, minor=3)), "the tree itself can only be a directory"),
    ("top", tar(directory(b"./", mode=0o700), entry(b"./a", HELLO)), ["- a =hello"]),
    # through symbolic links
    ("through-symlink", tar(symlink(b"l", b"/var/tmp"), entry(b"l/evil", HELLO)), "'l/evil'"),
    ("through-symlink-up", tar(symlink(b"l", b".."), entry(b"l/evil", HELLO)), "symbolic link"),
    ("through-symlink-inside", tar(directory(b"d/"), symlink(b"l", b"d"), entry(b"l/f", HELLO)), "symbolic link"),
    ("through-symlink-deep", tar(directory(b"a/"), symlink(b"a/l", b"/"), entry(b"a/l/etc/evil", HELLO)), "symbolic link"),
    ("through-two", tar(symlink(b"a", b"b"), symlink(b"b", b"/"), directory(b"a/x")), "symbolic link"),
    ("through-loop", tar(symlink(b"a", b"a"), entry(b"a/x", HELLO)), "symbolic link"),
    ("mkdir-over-symlink", tar(symlink(b"d", b"/var/tmp"), directory(b"d/"), entry(b"d/f", HELLO)), ["- d/f =hello", "d d"]),
    ("file-over-symlink", tar(symlink(b"f", b"/etc/evil"), entry(b"f", HELLO)), ["- f =hello"]),
    ("symlink-over-file", tar(entry(b"f", HELLO), symlink(b"f", b"/etc/passwd")), ["l f -> /etc/passwd"]),
    ("symlink-over-empty-directory", tar(directory(b"d/"), symlink(b"d", b"/etc"), entry(b"d/evil", HELLO)), "symbolic link"),
    ("symlink-over-parent", tar(directory(b"d/"), directory(b"d/e/"), symlink(b"d/e", b"/"), entry(b"d/e/evil", HELLO)), "symbolic link"),
    ("symlink-over-full-directory", tar(entry(b"d/f", HELLO), symlink(b"d", b"/etc")), "not empty"),
    ("mode-of-what-became-symlink", tar(directory(b"d/", mode=0o7777), symlink(b"d", b"/etc")), ["l d -> /etc"]),
    ("through-file", tar(entry(b"f", HELLO), entry(b"f/x", HELLO)), "'f/x'"),
    ("through-fifo", tar(entry(b"f", kind=b"6"), entry(b"f/x", HELLO)), "'f/x'"),
    ("file-over-fifo", tar(entry(b"f", kind=b"6"), entry(b"f", HELLO)), ["- f =hello"]),
    ("symlink-to-nothing", tar(symlink(b"l", b"")), "symbolic link to nothing"),
    # hard links
    ("hard", tar(entry(b"a", HELLO), hard(b"b", b"a")), ["- a x2 =hello", "- b x2 =hello"]),
    ("hard-absolute", tar(entry(b"a", HELLO), hard(b"b", b"/a")), ["- a x2 =hello", "- b x2 =hello"]),
    ("hard-outside", tar(hard(b"b", b"/etc/passwd")), "'b'"),
    ("hard-dotdot", tar(hard(b"b", b"../../etc/passwd")), "leads out of the tree"),
    ("hard-through-symlink", tar(symlink(b"l", b"/etc"), hard(b"b", b"l/passwd")), "symbolic link"),
    ("hard-to-symlink", tar(symlink(b"l", b"/etc/passwd"), hard(b"b", b"l")), ["l b -> /etc/passwd", "l l -> /etc/passwd"]),
    ("write-through-hard-to-symlink", tar(symlink(b"l", b"/etc/evil"), hard(b"b", b"l"), entry(b"b", HELLO)),
     ["- b =hello", "l l -> /etc/evil"]),
    ("hard-to-directory", tar(directory(b"d/"), hard(b"b", b"d")), "cannot link"),
    ("hard-to-top", tar(hard(b"b", b".")), "link to nothing"),
    ("hard-to-nothing", tar(hard(b"b", b"")), "link to nothing"),
    ("hard-to-missing", tar(hard(b"b", b"no")), "which is not there"),
    ("hard-to-itself", tar(entry(b"a", HELLO), hard(b"a", b"a")), ["- a =hello"]),
    ("hard-with-size", tar(entry(b"a", HELLO), header(b"b", kind=b"1", link=b"a", size=5)), ["- a x2 =hello", "- b x2 =hello"]),
    ("hard-to-later", tar(hard(b"b", b"a"), entry(b"a", HELLO)), "which is not there"),
    # twice
    ("file-twice", tar(entry(b"f", HELLO), entry(b"f", b"bye")), ["- f =bye"]),
    ("twice-leaves-other-name", tar(entry(b"f", HELLO), hard(b"g", b"f"), entry(b"f", b"bye")), ["- f =bye", "- g =hello"]),
    ("directory-twice", tar(directory(b"d/", mode=0o700), directory(b"d/", mode=0o755), entry(b"d/f", HELLO)), ["- d/f =hello", "d d"]),
    ("directory-twice-setgid", tar(directory(b"d/", mode=0o2777), directory(b"d/"), entry(b"d/f", HELLO)), ["- d/f =hello", "d d"]),
    ("directory-twice-acls", tar(pax((b"SCHILY.acl.access", ACL), (b"SCHILY.acl.default", ACL)), directory(b"d/", mode=0o775), directory(b"d/")),
     ["d d"]),
    ("directory-twice-acl-added", tar(directory(b"d/"), pax((b"SCHILY.acl.default", ACL)), directory(b"d/")),
     ["d d [system.posix_acl_default]"]),
    ("directory-back-again", tar(directory(b"d/", mode=0o2777), symlink(b"d", b"x"), directory(b"d/")), ["d d"]),
    ("directory-over-file", tar(entry(b"d", HELLO), entry(b"d/f", HELLO)), "'d/f'"),
    ("directory-entry-over-file", tar(entry(b"d", HELLO), directory(b"d/")), ["d d"]),
    ("file-over-empty-directory", tar(directory(b"d/"), entry(b"d", HELLO)), ["- d =hello"]),
    ("parent-after-child", tar(entry(b"d/f", HELLO), directory(b"d/", mode=0o700)), ["- d/f =hello", "d d 0700"]),
    # sizes
    ("size-negative", tar(header(b"f", raw_size=b"-0000000001\0")), "size is negative"),
    ("size-negative-binary", tar(header(b"f", raw_size=b"\xff" * 12)), "size is negative"),
    ("size-huge-binary", tar(header(b"f", raw_size=b"\x80" + b"\x7f" * 11)), "size is negative or no number"),
    ("size-huge", tar(header(b"f", raw_size=b"77777777777\0")), "ends"),
    ("size-over-limit", tar(header(b"f", raw_size=b"\x80\0\0\0\x7f" + bytes(7))), "no number|more than"),
    ("size-pax-huge", tar(pax((b"size", b"9" * 30)), entry(b"f", HELLO)), "a number that is none"),
    ("size-pax-negative", tar(pax((b"size", b"-1")), entry(b"f", HELLO)), "a number that is none"),
    ("size-pax-lies", tar(pax((b"size", b"4000000")), entry(b"f", HELLO)), "ends"),
    ("size-no-number", tar(header(b"f", raw_size=b"12x45678901\0")), "size is negative or no number"),
    *[("size-of-" + name, tar(entry(b"t"), header(b"e", kind=kind, size=512, link=link, major=1, minor=3), entry(b"f"), entry(b"g")),
       ["- f =", "- g =", *expected]) for name, kind, link, expected in (
           ("directory", b"5", b"", ["- t =", "d e"]), ("symlink", b"2", b"t", ["- t =", "l e -> t"]),
           ("hard-link", b"1", b"t", ["- e x2 =", "- t x2 ="]), ("fifo", b"6", b"", ["- t =", "p e"]),
           ("character-device", b"3", b"", ["- t =", "c e 1:3"]), ("block-device", b"4", b"", ["- t =", "b e 1:3"]))],
    ("size-of-directory-in-pax", tar(pax((b"size", b"512")), directory(b"d/"), entry(b"f"), entry(b"g")), ["- f =", "- g =", "d d"]),
    ("size-of-old-directory", tar(header(b"d/", kind=b"\0", size=512, mode=0o755, magic=bytes(8)), entry(b"f"), entry(b"g")),
     ["- f =", "- g =", "d d"]),
    ("size-of-gnu-directory", tar(header(b"d/", kind=b"D", size=512, mode=0o755, magic=b"ustar  \0"), entry(b"f"), entry(b"g")), ["- g =", "d d"]),
    ("pax-of-volume", tar(pax((b"size", b"512")), entry(b"label", kind=b"V"), entry(b"f", HELLO)), "about no file"),
    ("cut-in-data", entry(b"f", bytes(5000))[:2000], "ends in the middle of 'f'"),
    ("cut-in-header", entry(b"f", HELLO) + header(b"g")[:300], "ends in the middle"),
    ("cut-in-extended", pax((b"path", b"x" * 400))[:700], "ends"),
    ("no-end-blocks", entry(b"f", HELLO), ["- f =hello"]),
    ("empty-archive", tar(), []),
    ("nothing", b"", "is empty"),
    ("not-an-archive", b"#!/bin/sh\n" + b"x" * 2000, "no tar archive"),
    ("wrong-sum", tar(header(b"f", raw_sum=b"0000001\0")), "no tar archive"),
    ("wrong-sum-later", tar(entry(b"f", HELLO), header(b"g", raw_sum=b"0000001\0")), "damaged behind 'f'"),
    ("entry-behind-end", tar(entry(b"f", HELLO)) + tar(entry(b"../evil", HELLO)), ["- f =hello"]),
    # extended headers
    ("pax-no-length", tar(pax(b"path=evil\n"), entry(b"f", HELLO)), "extended header is not as it should be"),
    ("pax-length-too-long", tar(pax(b"9999 path=evil\n"), entry(b"f", HELLO)), "extended header is not as it should be"),
    ("pax-length-zero", tar(pax(b"0 path=evil\n"), entry(b"f", HELLO)), "extended header is not as it should be"),
    ("pax-length-wraps", tar(pax(b"18446744073709551616 path=evil\n"), entry(b"f", HELLO)), "extended header is not as it should be"),
    ("pax-no-equals", tar(pax(b"11 pathevil\n"), entry(b"f", HELLO)), "extended header is not as it should be"),
    ("pax-nul-in-name", tar(pax((b"path", b"a\0/../../evil")), entry(b"f", HELLO)), "NUL"),
    ("pax-twice", tar(pax((b"path", b"a")), pax((b"path", b"b")), entry(b"f", HELLO)), "two extended headers"),
    ("pax-alone", tar() and pax((b"path", b"a")), "ends"),
    ("pax-large", tar(entry(b"x", bytes(1 << 20 | 1), kind=b"x"), entry(b"f", HELLO)), "larger than 1 MiB"),
    ("gnu-name-large", tar(entry(b"x", b"a" * (2 << 20), kind=b"L"), entry(b"f", HELLO)), "larger than 1 MiB"),
    ("global-path", tar(pax((b"path", b"../evil"), kind=b"g"), entry(b"f", HELLO)), ["- f =hello"]),
    ("pax-empty-path", tar(pax((b"path", b"")), entry(b"f", HELLO)), ["- f =hello"]),
    # long and odd names
    ("ustar-prefix", tar(entry(b"name", HELLO, prefix=b"a/b")), ["- a/b/name =hello", "d a", "d a/b"]),
    ("old-gnu-has-no-prefix", tar(entry(b"name", HELLO, prefix=b"a/b", magic=b"ustar  \0")), ["- name =hello"]),
    ("gnu-long", tar(gnu_long(LONG), entry(b"x", HELLO)), None),
    ("depth-300", tar(pax((b"path", b"d/" * 300 + b"f")), entry(b"x", HELLO)), "256 directories deep"),
    ("depth-4096", tar(pax((b"path", b"d/" * 2040 + b"f")), entry(b"x", HELLO)), "256 directories deep"),
    ("name-4096", tar(pax((b"path", b"d/" * 2048)), entry(b"x", HELLO)), "longer than 4095"),
    ("name-256", tar(pax((b"path", b"n" * 256)), entry(b"x", HELLO)), "longer than 255"),
    ("name-255", tar(pax((b"path", b"n" * 255)), entry(b"x", HELLO)), ["- " + "n" * 60 + " =hello"]),
    ("not-utf-8", tar(pax((b"path", b"\xff\xfe")), entry(b"x", HELLO), entry(b"\xc3(", HELLO)),
     ["- " + os.fsdecode(b"\xc3(") + " =hello", "- " + os.fsdecode(b"\xff\xfe") + " =hello"]),
    ("control-characters", tar(entry(b"a\x1b[31m\nb", HELLO)), ["- a\x1b[31m\nb =hello"]),
    ("backslash", tar(entry(b"..\\evil", HELLO)), ["- ..\\evil =hello"]),
    ("three-dots", tar(entry(b".../f", HELLO)), ["- .../f =hello", "d ..."]),
    ("link-long", tar(pax((b"linkpath", b"t" * 4096)), symlink(b"l", b"x")), "longer than 4095"),
    # owners, modes, times
    ("owners", tar(entry(b"f", HELLO, uid=1000, gid=100, mode=0o4755)), ["- f 4755 1000:100 =hello"]),
    ("setgid-directory", tar(directory(b"d/", mode=0o2775, gid=8), entry(b"d/f", HELLO)), ["- d/f =hello", "d d 2775 0:8"]),
    ("owner-minus-one", tar(pax((b"uid", b"4294967295")), entry(b"f", HELLO)), "no user or group"),
    ("group-minus-one", tar(pax((b"gid", b"4294967295")), entry(b"f", HELLO)), "no user or group"),
    ("owner-wraps", tar(pax((b"uid", b"4294967296")), entry(b"f", HELLO)), "no user or group"),
    ("owner-negative", tar(header(b"f", raw_uid=b"\xff" * 8)), "owner is no number"),
    ("owner-no-number", tar(header(b"f", raw_uid=b"root\0\0\0\0")), "owner is no number"),
    ("time-nan", tar(pax((b"mtime", b"nan")), entry(b"f", HELLO)), "time is no number"),
    ("time-infinite", tar(pax((b"mtime", b"inf")), entry(b"f", HELLO)), "time is no number"),
    ("time-exponent", tar(pax((b"mtime", b"1e9")), entry(b"f", HELLO)), "time is no number"),
    ("time-before-1970", tar(pax((b"mtime", b"-1.5")), entry(b"f", HELLO)), ["- f =hello"]),
    ("mode-no-number", tar(header(b"f", raw_mode=b"rwxr-xr\0")), "mode is no number"),
    ("mode-has-kind", tar(header(b"f", raw_mode=b"0120777\0")), ["- f 0777 ="]),
    # attributes
    ("capability", tar(pax((b"SCHILY.xattr.security.capability", CAPABILITY)), entry(b"f", HELLO)), ["- f =hello [security.capability]"]),
    ("capability-with-root", tar(pax((b"SCHILY.xattr.security.capability", V3_CAPABILITY)), entry(b"f", HELLO)), None),
    ("capability-broken", tar(pax((b"SCHILY.xattr.security.capability", b"x")), entry(b"f", HELLO)), ["- f =hello"]),
    ("overlay-opaque", tar(pax((b"SCHILY.xattr.trusted.overlay.opaque", b"y")), directory(b"d/")), ["d d"]),
    ("overlay-redirect", tar(pax((b"SCHILY.xattr.trusted.overlay.redirect", b"/etc")), directory(b"d/")), ["d d"]),
    ("user-overlay-redirect", tar(pax((b"SCHILY.xattr.user.overlay.redirect", b"/etc")), directory(b"d/")), ["d d"]),
    ("user-overlay-metacopy", tar(pax((b"SCHILY.xattr.user.overlay.metacopy", b"")), entry(b"f", HELLO)), ["- f =hello"]),
    ("evm", tar(pax((b"SCHILY.xattr.security.evm", b"x")), entry(b"f", HELLO)), ["- f =hello"]),
    ("user-attribute", tar(pax((b"SCHILY.xattr.user.key", b"a\0b=\n")), entry(b"f", HELLO)), ["- f =hello [user.key]"]),
    ("attribute-as-gnu-tar-has-it", tar(pax((b"SCHILY.xattr.user.a%3Db%25%x", b"x")), entry(b"f", HELLO)), ["- f =hello [user.a=b%%x]"]),
    ("attribute-that-is-not-overlay", tar(pax((b"SCHILY.xattr.user.overlay%2Eredirect", b"x")), entry(b"f", HELLO)),
     ["- f =hello [user.overlay%2Eredirect]"]),
    ("attributes-many", tar(pax(*[(b"SCHILY.xattr.user.%d" % i, b"x") for i in range(300)]), entry(b"f", HELLO)), "more than 256"),
    ("attributes-large", tar(pax(*[(b"SCHILY.xattr.user.%d" % i, b"x" * 60000) for i in range(6)]), entry(b"f", HELLO)), "256 KiB"),
    ("acl-broken", tar(pax((b"SCHILY.acl.access", b"user::rwq")), entry(b"f", HELLO)), "access control list"),
    ("acl-by-name", tar(pax((b"SCHILY.acl.access", b"user::rw-,user:lp:r--,group::r--,mask::r--,other::r--")), entry(b"f", HELLO)),
     ["- f =hello"]),
    ("acl", tar(pax((b"SCHILY.acl.access", b"user::rw-,user:lp:r--:7,group::r--,mask::r--,other::r--")), entry(b"f", HELLO)),
     ["- f =hello [system.posix_acl_access]"]),
    # devices and the like
    ("device", tar(entry(b"null", kind=b"3", major=1, minor=3, mode=0o666)), ["c null 0666 1:3"]),
    ("device-huge", tar(entry(b"null", kind=b"3", raw_major=b"7777777\0")), "numbers cannot be"),
    ("device-over-symlink", tar(symlink(b"n", b"/dev/evil"), entry(b"n", kind=b"4", major=7, minor=99)), ["b n 7:99"]),
    ("fifo", tar(entry(b"p", kind=b"6")), ["p p"]),
    ("kind-unknown", tar(entry(b"x", HELLO, kind=b"Z"), entry(b"f", HELLO)), ["- f =hello"]),
    ("kind-volume", tar(entry(b"label", kind=b"V"), entry(b"f", HELLO)), ["- f =hello"]),
    ("contiguous", tar(entry(b"f", HELLO, kind=b"7")), ["- f =hello"]),
    ("v7-directory", tar(entry(b"d/", kind=b"\0", magic=bytes(8), mode=0o755)), ["d d"]),
    # sparse files
    ("sparse-old", tar(old_sparse([(0, 5), (15, 5)], 20, HELLO + b"world")), ["- sparse =hello..........world"]),
    ("sparse-old-overlap", tar(old_sparse([(0, 5), (3, 5)], 20, HELLO + b"world")), "contradicts itself"),
    ("sparse-old-beyond", tar(old_sparse([(100, 5)], 20, HELLO)), "contradicts itself"),
    ("sparse-old-endless", old_sparse([(0, 5)], 20, b"", more=(bytes(504) + b"\1" + bytes(7)) * 3), "ends too early"),
    ("sparse-0.1", tar(sparse_01(b"0,5,15,5", HELLO + b"world")), ["- sparse =hello..........world"]),
    ("sparse-0.1-broken", tar(sparse_01(b"0,5,15", HELLO + b"world")), "not as it should be"),
    ("sparse-0.1-too-much", tar(sparse_01(b"0,5,15,50000", HELLO + b"world")), "contradicts itself"),
    ("sparse-0.1-wraps", tar(sparse_01(b"18446744073709551610,5,15,5", HELLO + b"world")), "not as it should be"),
    ("sparse-0.0", tar(pax((b"GNU.sparse.size", b"20"), (b"GNU.sparse.numblocks", b"2"), (b"GNU.sparse.offset", b"0"),
                           (b"GNU.sparse.numbytes", b"5"), (b"GNU.sparse.offset", b"15"), (b"GNU.sparse.numbytes", b"5")),
                       entry(b"sparse", HELLO + b"world")), ["- sparse =hello..........world"]),
    ("sparse-1.0", tar(sparse_1([2, 0, 5, 15, 5], HELLO + b"world")), ["- sparse =hello..........world"]),
    ("sparse-1.0-count-lies", tar(sparse_1([999999999], HELLO)), "more than 524288"),
    ("sparse-1.0-no-end", tar(sparse_1([200], b"")), "sparse file"),
    ("sparse-1.0-letters", tar(sparse_1(["x"], HELLO)), "not as it should be"),
    ("sparse-1.0-stored-lies", tar(sparse_1([1, 0, 4], HELLO)), "contradicts its size"),
    ("sparse-2.0", tar(pax((b"GNU.sparse.major", b"2"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", b"5")),
                       entry(b"f", HELLO)), "no known kind"),
    ("sparse-no-size", tar(pax((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0")), entry(b"f", HELLO)), "does not tell its size"),
]
LAYERS = [
    ("whiteout", tar(entry(b".wh.gone")), ["c gone 0000 0:0"]),
    ("whiteout-below", tar(directory(b"d/"), entry(b"d/.wh.gone")), ["c d/gone 0000 0:0", "d d"]),
    ("whiteout-of-nothing", tar(entry(b".wh.")), "hides what is no name"),
    ("whiteout-of-dot", tar(entry(b".wh..")), "hides what is no name"),
    ("whiteout-of-dotdot", tar(entry(b"d/.wh...")), "hides what is no name"),
    ("whiteout-through-symlink", tar(symlink(b"l", b"/etc"), entry(b"l/.wh.passwd")), "symbolic link"),
    ("whiteout-and-file", tar(entry(b".wh.f"), entry(b"f", HELLO)), ["- f =hello"]),
    ("file-and-whiteout", tar(entry(b"f", HELLO), entry(b".wh.f")), ["- f =hello"]),
    ("whiteout-and-directory", tar(entry(b".wh.d"), directory(b"d/")), ["d d [user.overlay.opaque]"]),
    ("directory-and-whiteout", tar(directory(b"d/"), entry(b".wh.d")), ["d d [user.overlay.opaque]"]),
    ("whiteout-and-what-is-below", tar(entry(b".wh.d"), entry(b"d/e/f", HELLO)), ["- d/e/f =hello", "d d [user.overlay.opaque]", "d d/e"]),
    ("whiteout-below-whiteout", tar(entry(b".wh.d"), entry(b"d/.wh.f")), ["c d/f 0000 0:0", "d d [user.overlay.opaque]"]),
    ("what-is-below-and-whiteout", tar(entry(b"d/f", HELLO), entry(b".wh.d")), ["- d/f =hello", "d d [user.overlay.opaque]"]),
    ("through-file-in-layer", tar(entry(b"f", HELLO), entry(b"f/x", HELLO)), "'f/x'"),
    ("opaque", tar(directory(b"d/"), entry(b"d/.wh..wh..opq"), entry(b"d/f", HELLO)), ["- d/f =hello", "d d [user.overlay.opaque]"]),
    ("opaque-first", tar(entry(b"d/.wh..wh..opq"), directory(b"d/", mode=0o700)), ["d d 0700 [user.overlay.opaque]"]),
    ("aufs-marks", tar(entry(b".wh..wh.plnk"), entry(b".wh..wh.aufs")), []),
    ("injected-whiteout", tar(entry(b"x", kind=b"3", major=0, minor=0)), []),
    ("injected-opaque", tar(pax((b"SCHILY.xattr.user.overlay.opaque", b"y")), directory(b"d/")), ["d d"]),
    ("injected-redirect", tar(pax((b"SCHILY.xattr.user.overlay.redirect", b"/../../etc")), directory(b"d/")), ["d d"]),
]


@pytest.fixture
def place():
    path = runner.scratch()
    yield path
    subprocess.run(["rm", "-rf", path], check=True)


def host_state():
    """What an archive that gets out would change."""
    return [sorted(os.listdir(name)) for name in ("/", "/etc", "/tmp", "/var", "/var/tmp", "/dev")] + \
        [os.stat(name).st_mode for name in ("/", "/etc", "/var/tmp", "/etc/passwd")] + [os.stat("/etc/passwd").st_nlink]


def check(archive, place, expected, *options):
    before = host_state()
    done = import_tar(archive, place, *options)
    assert host_state() == before
    if isinstance(expected, str):
        assert done.returncode == 1, done.stdout
        assert any(part in done.stderr for part in expected.split("|")), done.stderr
        assert len(done.stderr.splitlines()) == 1
        return
    assert done.returncode == 0, done.stderr
    if expected is not None:
        assert describe(place + "/tree") == sorted(expected)


@pytest.mark.parametrize("archive, expected", [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_an_archive_becomes(redd, place, archive, expected):
    check(archive, place, expected)


@pytest.mark.parametrize("archive, expected", [case[1:] for case in LAYERS], ids=[case[0] for case in LAYERS])
def test_what_a_layer_becomes(redd, place, archive, expected):
    check(archive, place, expected, "layer")


def test_every_name_of_a_case_is_its_own(redd):
    names = [case[0] for case in CASES + LAYERS]
    assert len(names) == len(set(names)) and len(names) >= 60


@pytest.mark.parametrize("archive", [tar(symlink(b"l", b"/var/tmp"), entry(b"l/evil-control", HELLO))])
def test_another_program_would_be_led_out(redd, place, archive):
    """Positive control: the archive does what it is for, where nobody looks."""
    with open(place + "/archive", "wb") as file:
        file.write(archive)
    os.mkdir(place + "/tree")
    try:
        subprocess.run(["tar", "-P", "--keep-directory-symlink", "-C", place + "/tree", "-xf", place + "/archive"], check=True)
        assert os.path.exists("/var/tmp/evil-control")
    finally:
        if os.path.exists("/var/tmp/evil-control"):
            os.unlink("/var/tmp/evil-control")


# ---- bombs

def peak(done):
    return int(done.stderr.splitlines()[-1]) if done.stderr else 0


def measured(*arguments, env=None):
    """The largest resident set of all processes is the last line of stderr."""
    code = ("import resource, subprocess, sys\nr = subprocess.run(sys.argv[1:])\n"
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)\nsys.exit(r.returncode)")
    return run(*arguments, env=env, prefix=["python3", "-c", code], timeout=120)


def bomb(place, kind):
    """600 MiB of zeros in one file, in as few bytes as the format can."""
    path, size = place + "/bomb", 600 << 20
    opened = {"gz": lambda: gzip.open(path, "wb", 9), "xz": lambda: lzma.open(path, "wb", preset=1),
              "bz2": lambda: bz2.open(path, "wb", 9)}
    if kind == "zst":
        pipe = subprocess.Popen(["zstd", "-q", "-f", "-o", path], stdin=subprocess.PIPE)
        file = pipe.stdin
    else:
        pipe, file = None, opened[kind]()
    with file:
        file.write(header(b"zeros", size=size))
        for _ in range(size >> 20):
            file.write(bytes(1 << 20))
        file.write(bytes(1024))
    if pipe:
        assert pipe.wait() == 0
    return path


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_a_bomb_is_refused_and_takes_no_memory(redd, place, kind):
    path = bomb(place, kind)
    os.mkdir(place + "/tree")
    done = measured("import-tar", path, place + "/tree")
    assert done.returncode == 1 and "made to fill the disk" in done.stderr
    assert peak(done) < 64 << 10


def test_limits_of_bytes_and_files(redd, place):
    done = import_tar(tar(entry(b"a", bytes(600)), entry(b"b", bytes(600))), place, env={"BYTES_MAX": "1000"})
    assert done.returncode == 1 and "more than 1000 bytes" in done.stderr
    shutil.rmtree(place + "/tree")
    done = import_tar(tar(*[entry(b"%d" % i) for i in range(11)]), place, env={"FILES_MAX": "10"})
    assert done.returncode == 1 and "more than 10 entries" in done.stderr
    shutil.rmtree(place + "/tree")
    for first in ([], [directory(b"%d/" % i) for i in range(4)]):  # what one entry needs counts as well
        done = import_tar(tar(*first, entry(b"d/" * 10 + b"f")), place, env={"FILES_MAX": str(10 + len(first))})
        assert done.returncode == 1 and "more than %d entries" % (10 + len(first)) in done.stderr
        shutil.rmtree(place + "/tree")
        done = import_tar(tar(*first, entry(b"d/" * 10 + b"f"), entry(b"d/" * 10 + b"g")), place, env={"FILES_MAX": str(12 + len(first))})
        assert done.returncode == 0, done.stderr
        shutil.rmtree(place + "/tree")
    done = import_tar(tar(sparse_1([0], b"", real=b"1099511627777")), place)
    assert done.returncode == 1 and "more than 1099511627776 bytes" in done.stderr


def test_many_directories_take_no_memory(redd, place):
    with open(place + "/many", "wb") as file:
        for i in range(60000):
            file.write(directory(b"%d/a-longer-name-than-most-for-%d/" % (i % 100, i)))
        file.write(bytes(1024))
    os.mkdir(place + "/tree")
    done = measured("import-tar", place + "/many", place + "/tree")
    assert done.returncode == 0, done.stderr
    assert peak(done) < 64 << 10
    assert os.stat(place + "/tree/99/a-longer-name-than-most-for-59999").st_mtime == 1000000000


@pytest.mark.parametrize("command", [["xz", "-9"], ["zstd", "-q", "--long=27"]], ids=lambda c: c[0])
def test_large_windows_are_taken(redd, place, command):
    data = subprocess.run([*command, "-c"], input=tar(entry(b"f", HELLO)), stdout=subprocess.PIPE, check=True).stdout
    assert import_tar(data, place).returncode == 0
    assert describe(place + "/tree") == ["- f =hello"]


def test_what_wants_too_much_memory_is_refused(redd, place):
    """Through a pipe, so that the window is not made as small as the file."""
    plain = tar(entry(b"f", HELLO))
    wide = subprocess.run("cat | zstd -q --long=29 -c", shell=True, input=plain, stdout=subprocess.PIPE, check=True).stdout
    done = import_tar(wide, place)
    assert done.returncode == 1 and "more than 128 MiB of memory" in done.stderr


# ---- compression

@pytest.mark.parametrize("command", [["gzip"], ["xz", "-1"], ["zstd", "-q"], ["bzip2"], ["lz4", "-q"]], ids=lambda c: c[0])
def test_compression_is_known_by_content(redd, place, command):
    plain = tar(entry(b"f", os.urandom(700000)), entry(b"g", HELLO))
    first, second = plain[:300001], plain[300001:]
    packed = [subprocess.run([*command, "-c"], input=part, stdout=subprocess.PIPE, check=True).stdout for part in (plain, first, second)]
    for number, data in enumerate((packed[0], packed[1] + packed[2])):
        os.mkdir(place + "/%d" % number)
        done = import_tar(data, place + "/%d" % number, env={"DIGESTS": "1"})
        assert done.returncode == 0, done.stderr
        assert sorted(os.listdir(place + "/%d/tree" % number)) == ["f", "g"]
        assert "digest-in=" + hashlib.sha256(data).hexdigest() in done.stdout
        with open(place + "/%d/packed" % number, "wb") as file:
            file.write(data)
        done = run("sum", place + "/%d/packed" % number, "-", env={"DIGESTS": "1"})
        assert "digest-in=" + hashlib.sha256(data).hexdigest() in done.stdout
        assert "digest-out=" + hashlib.sha256(plain).hexdigest() in done.stdout
    damaged = bytearray(packed[0])
    damaged[len(damaged) // 2] ^= 0x55
    for number, (data, word) in enumerate(((packed[0][:-5], "too early|in the middle|damaged"), (bytes(damaged), "damaged|too early|no tar archive"))):
        os.mkdir(place + "/bad%d" % number)
        done = import_tar(data, place + "/bad%d" % number)
        if command[0] != "lz4" or number == 0:
            assert done.returncode == 1 and any(part in done.stderr for part in word.split("|")), done.stderr


def test_a_pipe_is_read_as_well(redd, place):
    os.mkdir(place + "/tree")
    data = gzip.compress(tar(entry(b"f", HELLO)))
    path = place + "/fifo"
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: [open(path, "wb", 0).write(data)])
    writer.start()
    done = run("import-tar", path, place + "/tree")
    writer.join()
    assert done.returncode == 0 and describe(place + "/tree") == ["- f =hello"], done.stderr


# ---- out and in again

def make_tree(path):
    os.makedirs(path + "/d/e")
    for name, data in (("f", HELLO), ("d/setuid", b"x" * 3000), ("d/e/large", os.urandom(900001)), ("d/\udcff\udcfe", b""), ("n" * 250, b"1")):
        with open(path + "/" + name, "wb") as file:
            file.write(data)
    os.link(path + "/f", path + "/d/hard")
    os.symlink("/etc/passwd", path + "/d/link")
    os.symlink("t" * 2000, path + "/d/long-link")
    os.link(path + "/d/link", path + "/d/hard-link", follow_symlinks=False)
    os.mkfifo(path + "/d/fifo")
    os.mknod(path + "/d/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.mknod(path + "/d/disk", 0o600 | stat.S_IFBLK, os.makedev(259, 1048575))
    with open(path + "/d/sparse", "wb") as file:
        for at in range(0, 64 << 20, 8 << 20):
            file.seek(at)
            file.write(os.urandom(10000))
        file.truncate(70 << 20)
    with open(path + "/d/hole", "wb") as file:
        file.truncate(1 << 30)
    os.chown(path + "/d/setuid", 1000, 100)
    os.chmod(path + "/d/setuid", 0o6755)
    os.chmod(path + "/d/e", 0o3777)
    os.chown(path + "/d/e", 70000, 3000000)
    os.setxattr(path + "/f", "user.key", b"a\0=\nb" * 100)
    os.setxattr(path + "/d", "user.on-directory", b"")
    for name in ("user.a=b", "user.a%3Db", "user.%"):
        os.setxattr(path + "/f", name, b"x")
    os.setxattr(path + "/d/e/large", "security.capability", CAPABILITY)
    subprocess.run(["setfacl", "-m", "u:54321:rw,g:54321:r", path + "/f"], check=True)
    subprocess.run(["setfacl", "-m", "u:54321:rwx,d:u:54321:rwx,d:o::-", path + "/d"], check=True)
    deep = path + "/" + "/".join("deep-directory-%d" % i for i in range(40))
    os.makedirs(deep)
    with open(deep + "/" + "f" * 200, "wb") as file:
        file.write(HELLO)
    for number, (folder, folders, files) in enumerate(os.walk(path, topdown=False)):
        for name in files:
            os.utime(folder + "/" + name, ns=(0, 1234567890123456789 + number), follow_symlinks=False)
        os.utime(folder, ns=(0, 987654321000000000 + number * 1001))
    os.utime(path + "/d/setuid", ns=(0, -1500000000))


def differences(left, right):
    """Without atime, and what rsync cannot tell: parts of seconds, and holes."""
    listed = subprocess.run(["rsync", "-naHAXi", "--checksum", "--delete", "--modify-window=-1", left + "/", right + "/"],
                            check=True, capture_output=True, text=True).stdout
    return [line for line in listed.splitlines() if line]


@pytest.mark.parametrize("compression", ["none", "gz", "zst"])
def test_what_goes_out_comes_in_again(redd, place, compression):
    make_tree(place + "/from")
    done = run("export-tar", place + "/from", place + "/archive", compression, env={"DIGESTS": "1"})
    assert done.returncode == 0, done.stderr
    with open(place + "/archive", "rb") as file:
        assert "digest-in=" + hashlib.sha256(file.read()).hexdigest() in done.stdout
    os.mkdir(place + "/to")
    done = run("import-tar", place + "/archive", place + "/to")
    assert done.returncode == 0 and "notice" not in done.stdout, done.stderr + done.stdout
    assert differences(place + "/from", place + "/to") == []
    for name in ("d/sparse", "d/hole"):
        assert os.stat(place + "/to/" + name).st_blocks < 4096
    if compression == "none":  # others read it as well
        os.mkdir(place + "/gnu")
        subprocess.run(["tar", "-C", place + "/gnu", "--numeric-owner", "--xattrs", "--xattrs-include=*", "--acls", "-xpf", place + "/archive"],
                       check=True)
        assert differences(place + "/from", place + "/gnu") == []


def test_archives_of_others_come_in(redd, place):
    make_tree(place + "/from")
    for kind in ("gnu", "posix"):
        subprocess.run(["tar", "-C", place + "/from", "--format=" + kind, "--numeric-owner", "--sparse", *(
            ["--xattrs", "--acls"] if kind == "posix" else []), "-cf", place + "/archive", "."], check=True)
        os.mkdir(place + "/" + kind)
        done = run("import-tar", place + "/archive", place + "/" + kind)
        assert done.returncode == 0, done.stderr
        found = differences(place + "/from", place + "/" + kind)
        assert kind != "posix" or [line for line in found if not line.startswith(".f..t") and not line.startswith(".L..t")] == []
        assert os.stat(place + "/" + kind + "/d/hole").st_blocks < 4096


def test_sockets_are_left_out_and_told(redd, place):
    os.mkdir(place + "/from")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(place + "/from/socket")
        done = run("export-tar", place + "/from", place + "/archive", "none")
    assert done.returncode == 0 and "1 sockets were left out" in done.stdout


def test_a_tree_that_changes_meanwhile_gives_an_archive(redd, place):
    """Class S49: files grow, shrink, and are replaced by links to the host's."""
    tree = place + "/from"
    os.mkdir(tree)
    stop = threading.Event()

    def change():
        while not stop.is_set():
            for i in range(40):
                path = tree + "/%d" % i
                with open(path + ".new", "wb") as file:
                    file.write(b"x" * (i * 50000 % 700001))
                os.rename(path + ".new", path)
                os.truncate(path, i * 1000)
                os.symlink("/etc/shadow", path + ".link")
                os.rename(path + ".link", path)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for number in range(15):
            done = run("export-tar", tree, place + "/archive", "none")
            assert done.returncode == 0, done.stderr
            subprocess.run(["tar", "-tf", place + "/archive"], check=True, capture_output=True)
            with open(place + "/archive", "rb") as file:
                assert b"root:" not in file.read()
    finally:
        stop.set()
        thread.join()


def test_a_directory_that_holds_the_tree_is_left_out(redd, place):
    parts = [directory(b"debian/", mode=0o711), directory(b"debian/usr/"), entry(b"debian/usr/f", HELLO)]
    assert import_tar(tar(*parts), place, "lift").returncode == 0
    assert describe(place + "/tree") == ["- usr/f =hello", "d usr"]
    assert stat.S_IMODE(os.stat(place + "/tree").st_mode) == 0o711
    os.rename(place + "/tree", place + "/first")
    assert import_tar(tar(*parts, entry(b"beside", HELLO)), place, "lift").returncode == 0
    assert "d debian 0711" in describe(place + "/tree")


def test_what_the_directory_has_that_held_the_tree_is_not_lost(redd, place):
    parts = [pax((b"SCHILY.acl.access", ACL), (b"SCHILY.acl.default", ACL), (b"SCHILY.xattr.user.key", b"value")),
             directory(b"debian/", mode=0o2775, uid=1000, gid=100), directory(b"debian/usr/")]
    assert import_tar(tar(*parts), place).returncode == 0
    held = describe(place + "/tree")[0].replace("d debian", "d tree")
    os.rename(place + "/tree", place + "/first")
    assert import_tar(tar(*parts), place, "lift").returncode == 0
    os.mkdir(place + "/around")
    os.rename(place + "/tree", place + "/around/tree")
    assert describe(place + "/around") == [held, "d tree/usr"]
    assert held == "d tree 2775 1000:100 [system.posix_acl_access] [system.posix_acl_default] [user.key]"
    assert os.stat(place + "/around/tree").st_mtime == 1000000000


def test_devices_may_be_unwanted(redd, place):
    done = import_tar(tar(entry(b"n", kind=b"3", major=1, minor=3), entry(b"z", kind=b"3"), entry(b"f", HELLO), entry(b"p", kind=b"6")), place,
                      "no-devices")
    assert done.returncode == 0 and "2 device nodes were left out, which have no place" in done.stdout
    assert describe(place + "/tree") == ["- f =hello", "p p"]


# ---- disk images

def test_disk_images_come_and_go(redd, place):
    with open(place + "/disk", "wb") as file:
        file.seek(20 << 20)
        file.write(os.urandom(100000))
        file.truncate((50 << 20) + 3)
    for kind in ("none", "gz", "zst"):
        assert run("export-raw", place + "/disk", place + "/packed", kind).returncode == 0
        done = run("import-raw", place + "/packed", place + "/again")
        assert done.returncode == 0, done.stderr
        assert subprocess.run(["cmp", place + "/disk", place + "/again"]).returncode == 0
        assert os.stat(place + "/again").st_blocks < 1024
    done = run("import-raw", "/dev/null", place + "/again")
    assert done.returncode == 1 and "is empty" in done.stderr
