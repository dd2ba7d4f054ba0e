#!/usr/bin/python3
"""A qcow2 image to a raw one, beside qemu-img convert: real data, as it is and compressed. By itself, or as a section of others.

REDD_QCOW2_SIZE: MiB of the disk; else 1024 with --long (REDD_LONG=1), 256 without, less where there is no room.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from common import LONG, Limits, median, need, runner  # noqa: E402

ROUNDS = 5
PLACE = os.environ.get("REDD_CACHE", "/var/cache/redd-tests")
KINDS = {"plain": [], "zlib": ["-c"], "zstd": ["-c", "-o", "compression_type=zstd"]}
MEMORY = 64 << 10  # KiB


def disk(path):
    """Programs, libraries and documents of this host, in one file."""
    wanted = int(os.environ.get("REDD_QCOW2_SIZE", 1024 if LONG else 256)) << 20
    room = os.statvfs(os.path.dirname(path))
    wanted = min(wanted, room.f_bavail * room.f_frsize // 6 >> 20 << 20)
    with open(path, "wb") as file:
        tar = subprocess.Popen(["tar", "-c", "--one-file-system", "/usr"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        while file.tell() < wanted:
            part = tar.stdout.read(min(1 << 20, wanted - file.tell()))
            if not part:
                break
            file.write(part)
        tar.stdout.close()
        tar.wait()
        file.truncate((file.tell() + 511) // 512 * 512)


def first():
    """Before all that the machine does beside: a program whose threads only compute gets less of a busy machine than one
    whose threads wait for each other, whichever is faster."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError:
        pass


def measure(command, raw):
    """Seconds, seconds of processors. What was written before is out of the way first."""
    if os.path.exists(raw):
        os.unlink(raw)
    os.sync()
    begin = time.monotonic()
    process = subprocess.Popen(command, preexec_fn=first)
    _, status, usage = os.wait4(process.pid, 0)
    took = time.monotonic() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit("%s failed" % command[0])
    return took, usage.ru_utime + usage.ru_stime


def memory(command, raw):
    """KiB at most."""
    subprocess.run([*runner.peak(raw + ".peak"), *command], check=True)
    with open(raw + ".peak") as file:
        return int(file.read())


def section(limits, convert):
    """CONVERT: from the paths of an image and of what it becomes to a command."""
    qemu, = need("qemu-img")
    place = tempfile.mkdtemp(prefix=".bench-qcow2-", dir=PLACE)
    try:
        disk(place + "/disk")
        for kind, words in KINDS.items():
            image, raw = "%s/%s.qcow2" % (place, kind), place + "/raw"
            subprocess.run([qemu, "convert", "-f", "raw", "-O", "qcow2", *words, place + "/disk", image], check=True)
            found = {"ours": [], "theirs": []}
            for n in range(ROUNDS):
                turns = [("theirs", [qemu, "convert", "-f", "qcow2", "-O", "raw", image, raw]), ("ours", convert(image, raw))]
                for name, command in turns if n % 2 else reversed(turns):
                    found[name].append(measure(command, raw))
                    if n == 0 and name == "ours":
                        subprocess.run(["cmp", raw, place + "/disk"], check=True)
            ours, theirs = ([min(column) for column in zip(*found[name])] for name in ("ours", "theirs"))
            print("qcow2 %-6s to raw %8.1f ms (processors %8.1f)   qemu-img %8.1f ms (%8.1f)   (medians %.1f and %.1f)" % (
                kind, ours[0] * 1000, ours[1] * 1000, theirs[0] * 1000, theirs[1] * 1000,
                median([row[0] for row in found["ours"]]) * 1000, median([row[0] for row in found["theirs"]]) * 1000))
            # the machine's disk and processors are shared with whatever else it does: the best of each is the conversion itself
            limits.check("qcow2 (%s) to raw / qemu-img convert, %d MiB" % (kind, os.path.getsize(place + "/disk") >> 20), ours[0] / theirs[0], 1.2, noisy=True)
            limits.check("memory of the conversion (%s)" % kind, memory(convert(image, raw), raw), MEMORY, "KiB")
            os.unlink(image)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def alone(image, raw):
    return [os.path.join(os.path.dirname(os.path.realpath(runner.program())), "tests/system/qcow2-to-raw"), image, raw]


def main():
    limits = Limits()
    section(limits, alone)
    limits.done()


if __name__ == "__main__":
    main()
