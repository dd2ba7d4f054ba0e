"""Fixtures: a host with nix and nixos-container, where Redd's own supervisor starts machines. For a module to import by name."""
import os
import shutil

import pytest

from . import declared, nix, runner


@pytest.fixture(scope="module")
def machines_host(redd, work_root):
    one = declared.Host(redd, os.path.join(work_root, "declared")).open()
    yield one
    one.close()


@pytest.fixture(scope="module")
def host(machines_host, work_root):
    made = nix.Host(work_root)
    yield made
    made.close()


@pytest.fixture
def tool(redd, host, machines_host):
    """nixos-container, which others find in $PATH; afterwards there is no container."""
    env = dict(host.env, PATH=os.path.dirname(redd.path) + ":" + host.env["PATH"])
    one = runner.Redd(os.path.join(os.path.dirname(redd.path), "nixos-container"), env=env)
    one.always = []
    os.makedirs(nix.CONF, exist_ok=True)
    yield one
    for name in one.run("list").ok().lines:
        one.run("destroy", name).ok()
    machines_host.clear()
    for path in ("/run/systemd/nspawn", "/run/redd/nixos-containers"):
        shutil.rmtree(path, ignore_errors=True)
    if os.path.exists("/run/lock/nixos-container"):
        os.unlink("/run/lock/nixos-container")
