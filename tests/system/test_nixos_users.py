"""NixOS containers from their confs: whose ids they have, on each kind of file system (N15)."""
import os

import pytest

from support import disks, nix
from support.nix import container  # noqa: F401

KINDS = ["tmpfs", "ext4", "btrfs", "xfs", "overlay", "ramfs"]
UNMAPPABLE = ["overlay", "ramfs"]
# As NixOS makes its wrappers: on a tmpfs of the guest's own, by its root.
WRAPPERS = """export PATH=/run/current-system/sw/bin
mkdir -p /run/wrappers && mount -t tmpfs -o nodev,mode=755 tmpfs /run/wrappers && mkdir /run/wrappers/bin
for place in /run/wrappers/bin /var; do cp /probe $place/wrapper && chmod 4755 $place/wrapper; done
echo user:x:1000:1000::/:/bin/sh >>/etc/passwd
chmod 755 / /var
"""


@pytest.fixture(scope="module", params=KINDS)
def kind(request, work_root):
    with disks.mounted(request.param, os.path.join(work_root, "nixos-" + request.param)) as top:
        made = nix.Host(work_root, top)
        yield request.param, made
        made.close()


@pytest.fixture(scope="module")
def host(kind):
    return kind[1]


@pytest.mark.parametrize("users", ["no", "identity", "pick", "524288"])
def test_whose_ids_it_has(container, kind, probe, users):
    kind, host = kind
    web = container(SYSTEM_PATH=host.system(), PRIVATE_USERS=users, EXTRA_NSPAWN_FLAGS="--bind-ro=%s:/probe" % probe)
    if kind in UNMAPPABLE and users not in ("no", "identity"):
        web.starter.run("start", "web").failed(web.root, "--private-users-ownership=chown", "--private-users=no")
        web.write(SYSTEM_PATH=host.system(), PRIVATE_USERS=users, EXTRA_NSPAWN_FLAGS="--private-users-ownership=chown")
        web.starter.run("start", "web").failed("/nix/store", "idmap", "--private-users=no")
        return
    web.start()
    seen = web.inside("stat", "-c", "%u:%g", "/nix", "/nix/store", "/", host.system(), "/nix/var/nix/profiles", "/etc").ok().lines
    assert seen == ["0:0"] * 6
    base = web.inside("cat", "/proc/self/uid_map").ok().out.split()[1]
    assert (base == "0") == (users in ("no", "identity")) and (users != "524288" or base == users)
    assert web.inside("touch", "/nix/var/nix/profiles/mine").code == 0
    assert os.stat(os.path.join(nix.PROFILES, "web", "mine")).st_uid == 0
    assert web.inside("sh", "-c", WRAPPERS).ok().out == ""
    for place in ("/run/wrappers/bin", "/var"):
        done = web.control.run("exec", "--uid=user", "web", "--", place + "/wrapper", "ids").ok()
        assert done.lines[0] == "uid 1000 0 0"
