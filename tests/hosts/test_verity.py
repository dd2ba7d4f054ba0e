"""Disk images that are verified block by block (dm-verity), where there is a device-mapper: in a virtual machine."""
import os
import shutil
import subprocess
import sys

import pytest

from support import disks, runner
from test_hosts import LONG, MACHINECTL, PROGRAM, TOP, image, run

SCRIPT = r"""
cd /srv/images
PATH=/srv:$PATH
failed=0
is()
{
	if [ "$2" = "$3" ]; then echo "ok - $1"; else failed=1; echo "not ok - $1: '$2', not '$3'"; fi
}
says()
{
	sentence=$1 word=$2
	shift 2
	said=$("$@" 2>&1 </dev/null)
	case $? in 0) said="it was run: $said";; esac
	case $said in *"$word"*) echo "ok - $sentence";; *) failed=1; echo "not ok - $sentence: $said";; esac
}
# What the kernel removes when its last user is gone takes it a moment.
gone()
{
	i=0
	while [ -n "$(devices)" ] && [ $i -lt 200 ]; do i=$((i + 1)); sleep 0.05; done
	is "$1" "$(devices)" ''
}
devices() { ls /sys/block | grep '^dm-' | tr '\n' ' '; cat /sys/block/loop*/loop/backing_file 2>/dev/null | tr '\n' ' '; }
run() { nspawn -q --pipe "$@" 2>/dev/null </dev/null; }
look='grep " / " /proc/mounts | cut -d" " -f1,3 | tail -n 1; touch /x 2>/dev/null && echo written'

says 'without device-mapper nothing is run' 'no device-mapper' nspawn -q --pipe -i one.raw true
modprobe -a loop dm-verity || exit 125
is 'an image with its hash and hashes beside it is verified' "$(run -i one.raw sh -c "$look")" '/dev/dm-0 ext4'
gone 'nothing stays'
is 'hash and hashes may be given' "$(run -i bare.raw --root-hash=$(cat one.roothash) --verity-data=one.verity sh -c "$look")" '/dev/dm-0 ext4'
is 'partitions are found by the halves of the hash' "$(run -i gpt.raw --root-hash=$(cat one.roothash) sh -c "$look")" '/dev/dm-0 ext4'
is 'usr alone may be verified' "$(run -i usr.raw sh -c 'grep -E " (/|/usr) " /proc/mounts | cut -d" " -f1,2,4 | cut -c1-17 | sort' | grep -c '^/dev/dm-0 /usr ro')" 1
is 'changes can be kept for a while' "$(run -i one.raw -x sh -c 'touch /x && echo written')" written
says 'another hash is refused' 'not what the root hash stands for' nspawn -q --pipe -i bare.raw --root-hash=$(cat other.roothash) --verity-data=one.verity true
says 'the hashes of another image are refused' 'not what the root hash stands for' nspawn -q --pipe -i bare.raw --root-hash=$(cat one.roothash) --verity-data=other.verity true
says 'blocks that are too small for what is verified are told' '4096 bytes: try' nspawn -q --pipe -i small.raw true
gone 'nothing stays of what was refused'
is 'what is not changed can be read' "$(run -i flipped.raw sh -c 'cat /etc/hostname >/dev/null && echo read')" read
is 'what was changed cannot be read' "$(run -i flipped.raw sh -c 'cat /srv/secret >/dev/null 2>&1 || echo error')" error
is 'without being verified it can' "$(SYSTEMD_DISSECT_VERITY=0 run -i flipped.raw --read-only sh -c 'cat /srv/secret >/dev/null && echo read')" read

nspawn -q --pipe -M web -i one.raw sleep 1000 </dev/null >/dev/null 2>&1 & runner=$!
until machinectl exec web true 2>/dev/null; do kill -0 $runner || break; done
is 'there is one device while it runs' "$(ls /sys/block | grep -c '^dm-')" 1
says 'two may read one image' x nspawn -q --pipe -i one.raw sh -c 'echo x; exit 1'
kill -9 $runner
wait $runner 2>/dev/null
gone 'nothing stays of one that was killed'
make-device redd-theirs || exit 125
run -i one.raw true
# there is no file of one without a table, but its name is taken
is 'what others have called so stays' "$(make-device redd-theirs || echo taken)" taken
exit $failed
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    place = tmp_path_factory.mktemp("images")
    path = str(place) + "/"
    script = os.path.join(TOP, "tests", "support", "trees.py")
    tree = subprocess.run([sys.executable, script, "busybox"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    shutil.copytree(tree, path + "tree", symlinks=True)
    marker = b"a block that will be changed" * 300
    os.mkdir(path + "tree/srv")
    with open(path + "tree/srv/secret", "wb") as file:
        file.write(marker)
    with open(path + "tree/etc/hostname", "wb") as file:
        file.write(b"web\n")
    disks.blank(path + "one.raw", 16 << 20)
    disks.run("mkfs.ext4", "-q", "-F", "-b", "4096", "-d", path + "tree", path + "one.raw")
    disks.filesystem(path + "small.raw", "ext4", path + "tree")
    small = disks.hashes(path + "small.verity", path + "small.raw")
    os.rename(path + "tree/usr", path + "usr")
    disks.blank(path + "usr.fs", 16 << 20)
    disks.run("mkfs.ext4", "-q", "-F", "-b", "4096", "-d", path + "usr", path + "usr.fs")
    usr = disks.hashes(path + "usr.hashes", path + "usr.fs")
    ids = disks.halves(usr)
    disks.table(path + "usr.raw", [(disks.USR_VERITY, path + "usr.hashes", "uuid=" + ids[1]), (disks.USR, path + "usr.fs", "uuid=" + ids[0]),
                                   (disks.ROOT, disks.filesystem(path + "root.fs", "ext4", path + "tree"))])
    with open(path + "usr.usrhash", "w") as file:
        file.write(usr)
    shutil.rmtree(path + "usr")
    shutil.rmtree(path + "tree")
    shutil.copy(path + "one.raw", path + "bare.raw")
    root_hash = disks.hashes(path + "one.verity", path + "one.raw")
    ids = disks.halves(root_hash)
    disks.table(path + "gpt.raw", [(disks.ROOT, path + "one.raw", "uuid=" + ids[0]), (disks.ROOT_VERITY, path + "one.verity", "uuid=" + ids[1])])
    with open(path + "one.raw", "rb") as file:
        data = bytearray(file.read())
    data[data.index(marker) + 5000] ^= 1
    with open(path + "flipped.raw", "wb") as file:
        file.write(data)
    shutil.copy(path + "one.verity", path + "flipped.verity")
    # of the same superblock and salt, but for other data
    other = disks.hashes(path + "other.verity", path + "flipped.raw")
    for name, text in (("one", root_hash), ("flipped", root_hash), ("other", other), ("small", small)):
        with open(path + name + ".roothash", "w") as file:
            file.write(text + "\n")
    with open(path + "script", "w") as file:
        file.write(SCRIPT)
    yield str(place)
    shutil.rmtree(place)


@pytest.mark.leaky("keeps kernels and images")
@pytest.mark.parametrize("kernel", ["uml-sid"] + (["6.1", "sid"] if LONG else []))
def test_images_are_verified(images, kernel):
    image("busybox")
    dissect = os.path.join(os.path.dirname(PROGRAM), "redd-dissect")
    device = runner.compile_static(os.path.join(TOP, "tests/hosts/make-device.c"))
    puts = [word for file in (PROGRAM, MACHINECTL, dissect, device, images) for word in ("-p", file + ":/srv")]
    done = run("vmrun", "-k", kernel, "-i", "busybox", "-c", "-t", "300", *puts, "sh", "-c",
               "mv /srv/%s /srv/images; sh /srv/images/script" % os.path.basename(images))
    assert done.returncode == 0 and "not ok" not in done.stdout and done.stdout.count("ok - ") == 18
