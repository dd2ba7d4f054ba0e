#!/usr/bin/python3
"""Trees that the tests run: made once from the host's package source, kept outside of the repository.

    trees.py NAME...    makes them if missing and prints their directories

Each tree is NAME/ (used read-only, or through --ephemeral) and NAME.tar (unpacked where a test
wants a copy of its own). REDD_CACHE names the directory, default /var/cache/redd-tests.
"""
import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile

CACHE = os.environ.get("REDD_CACHE", "/var/cache/redd-tests")

BASE = ["login", "passwd", "util-linux", "procps", "iproute2", "tmux"]
DEBIAN = {
    # name: (suite, packages)
    "bookworm": ("bookworm", ["systemd", "systemd-sysv", "dbus", "libpam-systemd", *BASE]),
    "trixie": ("trixie", ["systemd", "systemd-sysv", "dbus", "libpam-systemd", *BASE]),
    "sysvinit": ("bookworm", ["sysvinit-core", "initscripts", "sysv-rc", *BASE]),
    "openrc": ("bookworm", ["sysvinit-core", "openrc", *BASE]),
}
NAMES = ["busybox", *DEBIAN]
APPLETS = """[ ash awk basename cat chmod chown chroot clear cmp cp cut date dd df dirname dmesg echo env expr
false find grep head hexdump hostname id init ip kill ln ls lsmod md5sum mkdir mkfifo mknod mktemp mount mountpoint mv
nc nohup nproc od pidof pivot_root poweroff printenv printf ps pwd readlink realpath reboot rm rmdir sed seq setsid sh sha256sum
sleep sort stat stty su sync tail tee test touch tr true tty umount uname unshare usleep vi wc which whoami xargs yes""".split()


def mirror():
    """The address that the host's own apt uses, never one of ours."""
    for label in ("Debian", ""):
        command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
        if label:
            command.append("Label: " + label)
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        for line in lines:
            if "security" not in line:
                return line
    raise RuntimeError("apt on this host knows no package source")


def make_busybox(path):
    for directory in ("usr/bin", "usr/sbin", "usr/lib", "etc", "proc", "sys", "dev", "run", "var/log", "root", "tmp"):
        os.makedirs(os.path.join(path, directory))
    os.chmod(os.path.join(path, "root"), 0o700)
    os.chmod(os.path.join(path, "tmp"), 0o1777)
    for name in ("bin", "sbin", "lib"):
        os.symlink("usr/" + name, os.path.join(path, name))
    binary = shutil.which("busybox")
    if not binary:
        raise RuntimeError("busybox-static is missing")
    shutil.copy(binary, os.path.join(path, "usr/bin/busybox"))
    for applet in APPLETS:
        os.symlink("busybox", os.path.join(path, "usr/bin", applet))
    os.symlink("../bin/busybox", os.path.join(path, "usr/sbin/init"))
    files = {
        "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n"
                      "svc:x:33:33:svc:/var/svc:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
        "etc/group": "root:x:0:\ntty:x:5:\nuser:x:1000:\nsvc:x:33:\naudio:x:29:user\nvideo:x:44:svc,user\nnogroup:x:65534:\n",
        "etc/shadow": "root::19000:0:99999:7:::\n",
        "usr/lib/os-release": 'ID=busybox\nNAME="Busybox"\nVERSION_ID=1\nPRETTY_NAME="Busybox tree"\n',
        "etc/inittab": "::sysinit:/etc/rcS\nconsole::respawn:-/bin/sh\n::shutdown:/bin/true\n",
        "etc/rcS": "#!/bin/sh\necho rcS: started\n",
    }
    for name, text in files.items():
        with open(os.path.join(path, name), "w") as file:
            file.write(text)
    os.chmod(os.path.join(path, "etc/rcS"), 0o755)
    os.chmod(os.path.join(path, "etc/shadow"), 0o640)
    os.symlink("../usr/lib/os-release", os.path.join(path, "etc/os-release"))


def make_debian(name, path):
    suite, packages = DEBIAN[name]
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    command = [
        "mmdebstrap", "--quiet", "--mode=root", "--variant=minbase",
        "--aptopt=Acquire::Languages \"none\"", "--aptopt=Acquire::Check-Valid-Until \"false\"",
        "--aptopt=APT::Install-Recommends \"false\"",
        "--dpkgopt=force-unsafe-io", "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*", "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--include=" + ",".join(packages), suite, path,
        "deb [signed-by=%s] %s %s main" % (keyring, mirror(), suite),
    ]
    environment = {k: v for k, v in os.environ.items() if k not in ("TMPDIR",)}
    subprocess.run(command, check=True, env=environment)


@contextlib.contextmanager
def locked(name):
    os.makedirs(CACHE, mode=0o755, exist_ok=True)
    with open(os.path.join(CACHE, "." + name + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def tree(name):
    """The directory of the tree NAME, made now if nobody has yet. Never write to it."""
    final = os.path.join(CACHE, name)
    with locked(name):
        if os.path.exists(final + ".tar") and os.path.isdir(final):
            return final
        # dpkg's fsyncs cost as much as all the rest, so the work is done in memory
        room = "/dev/shm" if os.path.isdir("/dev/shm") else None
        with tempfile.TemporaryDirectory(dir=room) as work:
            made = os.path.join(work, name)
            os.mkdir(made, 0o755)
            if name == "busybox":
                make_busybox(made)
            else:
                make_debian(name, made)
            os.chmod(made, 0o755)
            tar = ["tar", "--numeric-owner", "--xattrs", "--xattrs-include=*", "--acls"]
            subprocess.run([*tar, "-C", made, "-cf", final + ".tar.new", "."], check=True)
            shutil.rmtree(final, ignore_errors=True)
            subprocess.run(["cp", "-a", made, final], check=True)
            os.rename(final + ".tar.new", final + ".tar")
    return final


def unpack(name, target):
    """A copy of its own at TARGET (an empty or missing directory)."""
    tree(name)
    os.makedirs(target, mode=0o755, exist_ok=True)
    subprocess.run(["tar", "--numeric-owner", "--xattrs", "--xattrs-include=*", "--acls", "-C", target, "-xpf",
                    os.path.join(CACHE, name + ".tar")], check=True)
    return target


def fetch(suite, package):
    """Download one package of another suite (not its dependencies) with a private apt state; unpack it."""
    final = os.path.join(CACHE, "packages", suite, package)
    with locked("package-" + package):
        if os.path.isdir(final):
            return final
        state = os.path.join(CACHE, "apt-" + suite)
        for part in ("etc/apt/preferences.d", "etc/apt/apt.conf.d", "etc/apt/trusted.gpg.d", "var/lib/apt/lists/partial",
                     "var/cache/apt/archives/partial"):
            os.makedirs(os.path.join(state, part), exist_ok=True)
        open(os.path.join(state, "status"), "w").close()
        with open(os.path.join(state, "etc/apt/sources.list"), "w") as file:
            file.write("deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n" % (mirror(), suite))
        options = ["-qq", "-o", "Dir=" + state, "-o", "Dir::State::status=" + state + "/status",
                   "-o", "Acquire::Languages=none", "-o", "APT::Sandbox::User=root"]
        subprocess.run(["apt-get", *options, "update"], check=True, stdout=sys.stderr)
        with tempfile.TemporaryDirectory(dir=CACHE) as work:
            subprocess.run(["apt-get", *options, "download", package], check=True, cwd=work, stdout=sys.stderr)
            file = [name for name in os.listdir(work) if name.endswith(".deb")][0]
            os.makedirs(os.path.join(work, "out"))
            subprocess.run(["dpkg-deb", "-x", os.path.join(work, file), os.path.join(work, "out")], check=True)
            os.makedirs(os.path.dirname(final), exist_ok=True)
            os.rename(os.path.join(work, "out"), final)
    return final


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        print(tree(argument))
