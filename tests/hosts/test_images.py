"""Limits of directories, which take a kernel that counts projects; and on the oldest kernel what reads bytes from outside."""
import hashlib
import os
import shutil
import subprocess

import pytest

from support import disks
from test_hosts import HERE, LONG, MACHINECTL, TOP, image, run, tree  # noqa: F401

SCRIPT = r"""
modprobe -a quota_v2 xfs
for disk in vdc vdd; do
	mkdir -p /var/lib/machines && mount -o prjquota /dev/$disk /var/lib/machines && chmod 700 /var/lib/machines || exit 1
	for name in web other; do
		mkdir -p /var/lib/machines/$name/etc /var/lib/machines/$name/tmp && echo x >/var/lib/machines/$name/etc/hostname
		chmod 1777 /var/lib/machines/$name/tmp
		machinectl set-limit $name 10M || exit 1
	done
	cd /var/lib/machines/web/tmp
	# who is root on the host is not held by limits, so somebody else writes
	setpriv --reuid=65534 --regid=65534 --clear-groups dd if=/dev/zero of=big bs=1M count=20 2>&1 | grep -E 'No space|quota exceeded' || exit 1
	cd /
	machinectl show-image -P Limit web other
	machinectl image-status web | grep -E 'Usage: (10M|9.9M)' || exit 1
	# as if setting it had been stopped half-way
	chattr -p 0 /var/lib/machines/web/tmp/big && machinectl set-limit web 11M || exit 1
	machinectl image-status web | grep -E 'Usage: (10M|9.9M)' || exit 1
	machinectl set-limit web none && machinectl show-image -P Limit web
	machinectl clone -q web over && machinectl set-limit over 5M && machinectl show-image -P Limit over
	machinectl rename over top && machinectl remove top web other && machinectl list-images --no-legend && umount /var/lib/machines || exit 1
	echo done $disk
done
"""


@pytest.mark.leaky("keeps kernels and images")
@pytest.mark.skipif(not LONG, reason="a minute of an emulated machine, only with REDD_LONG=1")
def test_directories_are_limited(tmp_path):
    image("busybox")
    disks = []
    for kind, options in (("ext4", ["-q", "-F", "-O", "quota,project"]), ("xfs", ["-q", "-f"])):
        disks.append(str(tmp_path / kind))
        with open(disks[-1], "wb") as file:
            file.truncate(400 << 20)
        subprocess.run(["mkfs." + kind, *options, disks[-1]], check=True)
    script = tmp_path / "script"
    script.write_text(SCRIPT)
    done = run("vmrun", "-k", "6.1", "-i", "busybox", "-c", "-t", "300", "-d", disks[0], "-d", disks[1], "-p", MACHINECTL + ":/usr/local/bin",
               "-p", str(script) + ":/srv", "sh", "/srv/script")
    assert done.returncode == 0, done.stdout
    limit, none = str(10 << 20), str(2**64 - 1)
    assert done.stdout.count("%s\n\n%s\n" % (limit, limit)) == 2 and done.stdout.count(none + "\n") == 2
    assert "done vdc" in done.stdout and "done vdd" in done.stdout and os.path.isdir(HERE)


# busybox's tree as an image that a user runs, and the same as a download that is signed
OUTSIDE = r"""
set -e
tar -xzf /srv/libs.tar.gz -C /usr/lib/x86_64-linux-gnu --skip-old-files && ldconfig
ip link set lo up && modprobe fuse && chmod 666 /dev/fuse
busybox httpd -p 127.0.0.1:8000 -h /srv
until SYSTEMD_OPENPGP_KEYRING=/srv/keyring importctl -m pull-tar http://127.0.0.1:8000/web.tar.gz; do
	test $((tries += 1)) -lt 3 && sleep 1
done
nspawn -q --pipe -M web /bin/echo signed and run
mkdir -p /srv/home /srv/run && mv /srv/disk.raw /srv/home && chown -R 1000:1000 /srv/home /srv/run
install -D -t /srv/bin /usr/local/bin/nspawn /usr/local/bin/redd-dissect
as_user() { setpriv --reuid=1000 --regid=1000 --clear-groups env HOME=/srv/home XDG_RUNTIME_DIR=/srv/run "$@"; }
as_user /srv/bin/nspawn -q --pipe -i /srv/home/disk.raw /bin/sh -c 'echo kept >/root/file'
as_user /srv/bin/nspawn -q --pipe -i /srv/home/disk.raw /bin/sh -c 'cat /root/file; grep " / / " /proc/self/mountinfo'
"""


def libraries_of(place, *programs):
    """All that they load, as an archive for /usr/lib."""
    os.mkdir(place)
    for program in programs:
        for word in subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout.split():
            if word.startswith("/"):
                shutil.copy(word, place)
    subprocess.run(["tar", "-czf", place + ".tar.gz", "-C", place, "."], check=True)
    return place + ".tar.gz"


def signed(place, archive):
    """The archive as web.tar.gz, its list of sums, the list's signature, and the keyring."""
    def gpg(*words):
        subprocess.run(["gpg", "--homedir", place + "/home", "--batch", "--yes", *words], check=True, capture_output=True)
    os.makedirs(place + "/home", mode=0o700)
    with open(archive, "rb") as file, open(place + "/web.tar.gz", "wb") as out:
        out.write(subprocess.run(["gzip", "-1"], stdin=file, check=True, capture_output=True).stdout)
    with open(place + "/web.tar.gz", "rb") as file, open(place + "/SHA256SUMS", "w") as sums:
        sums.write("%s  web.tar.gz\n" % hashlib.sha256(file.read()).hexdigest())
    try:
        gpg("--passphrase", "", "--quick-gen-key", "p <p@example.org>", "ed25519", "sign", "0")
        gpg("--output", place + "/keyring", "--export", "p")
        gpg("--detach-sign", "--output", place + "/SHA256SUMS.gpg", place + "/SHA256SUMS")
    finally:
        subprocess.run(["gpgconf", "--homedir", place + "/home", "--kill", "all"], check=True)
    return [os.path.join(place, name) for name in ("web.tar.gz", "SHA256SUMS", "SHA256SUMS.gpg", "keyring")]


@pytest.mark.leaky("keeps kernels and images")
def test_on_the_oldest_kernel_downloads_are_verified_and_users_run_disk_images(tmp_path, tree):
    """Workers and what serves disk images see a root of their own, in which before Linux 6.15 nothing can be mounted while it is
    attached nowhere."""
    image("busybox")
    build = os.environ.get("REDD_BUILD", os.path.join(TOP, "build"))
    unpacked, script = str(tmp_path / "tree"), tmp_path / "script"
    os.mkdir(unpacked)
    subprocess.run(["tar", "--numeric-owner", "-xpf", tree, "-C", unpacked], check=True)
    disk = disks.filesystem(str(tmp_path / "disk.raw"), "ext4", unpacked)
    programs = [os.path.join(build, name) for name in ("nspawn", "importctl", "redd-dissect")] + ["/usr/bin/fuse2fs"]
    script.write_text(OUTSIDE)
    puts = [path + ":/usr/local/bin" for path in programs]
    puts += [path + ":/srv" for path in [disk, str(script), libraries_of(str(tmp_path / "libs"), *programs), *signed(str(tmp_path / "web"), tree)]]
    done = run("vmrun", "-k", "6.1", "-i", "busybox", "-c", "-t", "300", *(word for put in puts for word in ("-p", put)), "sh", "/srv/script")
    assert done.returncode == 0, done.stdout
    assert "Signature of 'SHA256SUMS'" in done.stdout and "signed and run\n" in done.stdout
    assert "kept\n" in done.stdout and " - fuse.ext4 " in done.stdout
