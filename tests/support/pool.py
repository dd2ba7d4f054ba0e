"""The directory of images on file systems of all kinds, and what is in it."""
import glob
import os
import shutil
import subprocess

POOL = "/var/lib/machines"
MAKE = {"ext4": ["mkfs.ext4", "-q", "-F"], "btrfs": ["mkfs.btrfs", "-q", "-f"], "xfs": ["mkfs.xfs", "-q", "-f"]}
KINDS = ["ext4", "btrfs", "xfs", "tmpfs"]


def make(kind, image):
    """A file system in the file IMAGE; none for one in memory."""
    if kind in MAKE:
        with open(image, "wb") as file:
            file.truncate(400 << 20)
        subprocess.run([*MAKE[kind], image], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def mount(kind, image, options=""):
    os.makedirs(POOL, exist_ok=True)
    if kind in MAKE:
        subprocess.run(["mount", "-o", "loop" + options, image, POOL], check=True)
    else:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0700" + options, "images", POOL], check=True)
    if os.path.isdir(POOL + "/lost+found"):
        os.rmdir(POOL + "/lost+found")
    os.chmod(POOL, 0o700)


def empty():
    """Nothing is left in it; read-only marks do not protect what is there."""
    for path in glob.glob(POOL + "/*") + glob.glob(POOL + "/.[!.]*"):
        subprocess.run(["chattr", "-i", path], stderr=subprocess.DEVNULL)
        if subprocess.run(["btrfs", "-q", "subvolume", "delete", path], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL).returncode == 0:
            continue
        shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)


def unmount():
    subprocess.run(["umount", POOL], check=True)


def hidden():
    """What is not for people to see."""
    return sorted(name for name in os.listdir(POOL) if name.startswith(".#"))


def differences(one, other):
    """What rsync would change to make OTHER like ONE."""
    return subprocess.run(["rsync", "-aHAX", "--checksum", "--dry-run", "--itemize-changes", "--delete", one + "/", other + "/"], check=True,
                          capture_output=True, text=True).stdout
