"""What users of images have beside us: podman and buildah, each with a storage of its own below a directory."""
import os
import shutil
import subprocess

# Podman's crun works below a pure cgroup2 only, and may not raise limits where the tests' root may not. The mounts go with the process.
ALONE = ["unshare", "--mount", "--propagation=private", "sh", "-ec",
         'umount -R /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup; exec "$@"', "sh"]
LIMITS = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"]
RUN = ["--runtime=crun", "run", "--rm", "--network=none", "--cgroups=disabled", *LIMITS]


class Program:
    def __init__(self, name, place, *options):
        self.place, self.name = place, name
        os.makedirs(place)
        self.words = [*ALONE, name, "--root", place + "/root", "--runroot", place + "/run", "--storage-driver=vfs", *options]

    def __call__(self, *words):
        """Its output. (The path of its runroot may have 50 characters.)"""
        done = subprocess.run([*self.words, *words], capture_output=True, text=True, timeout=120,
                              env={"PATH": os.environ["PATH"], "HOME": self.place, "XDG_RUNTIME_DIR": self.place, "TMPDIR": self.place,
                                   "BUILDAH_ISOLATION": "chroot"})
        assert done.returncode == 0, (self.name, words, done.stdout, done.stderr)
        return done.stdout

    def stop(self):
        shutil.rmtree(self.place)


class Podman(Program):
    def __init__(self, place):
        super().__init__("podman", place, "--tmpdir", place + "/tmp", "--cgroup-manager=cgroupfs", "--events-backend=none")

    def run(self, *words):
        return self(*RUN, *words)


class Buildah(Program):
    def __init__(self, place):
        super().__init__("buildah", place)

    def build(self, directory, name):
        """Of DIRECTORY/Containerfile, in one layer on what it begins with."""
        self("bud", "--layers=false", *LIMITS, "-t", name, directory)
