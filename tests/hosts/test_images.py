"""Limits of directories, which take a kernel that counts projects."""
import os
import subprocess

import pytest

from test_hosts import HERE, LONG, MACHINECTL, image, run

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
