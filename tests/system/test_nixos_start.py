"""NixOS containers from their confs: what the runner makes of each key, with closures that Debian's nix builds."""
import json
import os
import shutil
import subprocess

import pytest

from support import nix, runner
from support.nix import Container, container, host  # noqa: F401

# an init that ends when it is asked to, as systemd is
POLITE = "trap 'exit 0' 37; while :; do busybox usleep 10000; done"


def test_a_closure_is_the_init(container, host):
    web = container(SYSTEM_PATH=host.system()).start()
    assert web.inside("readlink", "/run/current-system").ok().out.strip() == host.system()
    assert web.inside("stat", "-c", "%u:%g %a", "/nix").ok().out.strip() == "0:0 755"
    assert "ro" in web.inside("sh", "-c", "grep ' /nix/store ' /proc/mounts").ok().out.split()[3].split(",")


def test_without_a_system_path_it_is_the_profile(container, host):
    web = container()
    os.makedirs(os.path.join(nix.PROFILES, "web"), exist_ok=True)
    link = os.path.join(nix.PROFILES, "web", "system")
    web.starter.run("start", "web").failed("nixos-container update web")
    os.symlink(host.system(), link)
    try:
        web.start()
        assert web.inside("readlink", "-f", "/nix/var/nix/profiles/system").ok().out.strip() == host.system()
    finally:
        os.unlink(link)


def test_a_profile_that_leads_elsewhere_is_not_followed(container, host, work_root):
    """The directory is the guest's to write."""
    web = container()
    secret = os.path.join(work_root, "secret")
    with open(secret, "w") as file:
        file.write("sesame")
    link = os.path.join(nix.PROFILES, "web", "system")
    os.makedirs(link)
    open(os.path.join(link, "init"), "w").close()
    os.symlink(secret, os.path.join(link, "system"))
    said = web.starter.run("start", "web").failed("web/system")
    assert "sesame" not in said.err
    subprocess.run(["rm", "-r", link], check=True)
    os.symlink(work_root, link)
    web.starter.run("start", "web").failed("no system of the store")
    os.unlink(link)


def test_with_its_closure_alone_it_cannot_choose_another(container, host):
    path = companion("[X-Nix]\nStore=closure\n")
    os.makedirs(os.path.join(nix.PROFILES, "web"), exist_ok=True)
    link = os.path.join(nix.PROFILES, "web", "system")
    os.symlink(host.system(), link)
    try:
        web = container().start()
        assert web.inside("ln", "-sfn", host.system("2"), "/nix/var/nix/profiles/system").code != 0
        os.unlink(link)
        os.symlink(host.system("2"), link)
        assert web.starter.run("reload", "web").ok().out == "switched 2 test\n"
        web.stop()
    finally:
        os.unlink(path)
        os.unlink(link)


def test_a_start_of_what_runs_changes_nothing(container, host):
    web = container(SYSTEM_PATH=host.system()).start()
    resolv = os.path.join(web.root, "etc/resolv.conf")
    if os.path.lexists(resolv):
        os.unlink(resolv)
    os.symlink("../run/resolv.conf", resolv)
    web.starter.run("start", "web").failed("web")
    assert os.readlink(resolv) == "../run/resolv.conf"


@pytest.mark.parametrize("keys", [{}, {"COPY_RESOLV_CONF": 1}, {"COPY_RESOLV_CONF": 0}], ids=["absent", "1", "0"])
def test_resolv_conf_is_copied_over_a_link(container, host, keys):
    """N02"""
    web = container(SYSTEM_PATH=host.system(), **keys)
    os.makedirs(os.path.join(web.root, "etc"))
    place = os.path.join(web.root, "etc/resolv.conf")
    os.symlink("/run/nowhere/resolv.conf", place)
    web.start()
    if keys.get("COPY_RESOLV_CONF") == 0:
        assert os.path.islink(place)
        return
    with open("/etc/resolv.conf") as file:
        assert web.inside("cat", "/etc/resolv.conf").ok().out == file.read()
    assert not os.path.islink(place)


def test_the_directory_of_old_hosts(container, host, redd):
    """N17, N03: podman's files lie there too."""
    os.makedirs(nix.OLD_CONF, exist_ok=True)
    with open(os.path.join(nix.OLD_CONF, "storage.conf"), "w") as file:
        file.write('[storage]\ndriver = "overlay"\n')
    old = Container(redd, host, "old", directory=nix.OLD_CONF, SYSTEM_PATH=host.system())
    try:
        old.starter.run("start", "storage").failed("storage")
        old.start()
        assert os.path.isdir(os.path.join(nix.OLD_STATE, "old", "usr"))
        old.stop()
    finally:
        os.unlink(old.path)
        os.unlink(os.path.join(nix.OLD_CONF, "storage.conf"))


def test_i686(container, host):
    """N18"""
    web = container(SYSTEM_PATH=host.system("32", system="i686-linux")).start()
    assert web.inside("uname", "-m").ok().out.strip() in ("i686", "i586")
    web.stop()
    web.write(SYSTEM_PATH=host.system("other", system="riscv64-linux"))
    web.starter.run("start", "web").failed("riscv64-linux")


def test_reload_switches_in_place(container, host):
    """N12"""
    web = container(SYSTEM_PATH=host.system("1")).start()
    before = web.leader()
    web.write(SYSTEM_PATH=host.system("2"))
    done = web.starter.run("reload", "web").ok()
    assert "switched 2 test" in done.out
    assert web.inside("readlink", "/run/current-system").ok().out.strip() == host.system("2")
    assert web.leader() == before
    web.write(SYSTEM_PATH=host.system("bad", reload="exit 4"))
    assert web.starter.run("reload", "web").code == 4


def companion(text):
    os.makedirs(nix.COMPANIONS, exist_ok=True)
    path = os.path.join(nix.COMPANIONS, "web.nspawn")
    with open(path, "w") as file:
        file.write(text)
    return path


def test_only_the_closure_is_seen(container, host):
    """N16: other paths are not there; those of a second system come while it runs."""
    one, two = host.system("1"), host.system("alone")
    path = companion("[X-Nix]\nStore=closure\n")
    try:
        for users in ("no", "pick"):
            web = container(SYSTEM_PATH=one, PRIVATE_USERS=users).start()
            closure = host.run("nix-store", "-qR", one).ok().lines
            assert sorted(web.inside("ls", "/nix/store").ok().lines) == sorted(os.path.basename(path) for path in closure)
            assert len(os.listdir("/nix/store")) > len(closure)
            assert web.inside("test", "-e", two).code == 1 and os.path.exists(two)
            assert web.inside("ls", "/nix/var/nix").ok().lines == ["gcroots", "profiles"]
            assert web.inside("stat", "-c", "%u:%g", "/nix/store", one).ok().out.split() == ["0:0"] * 2
            web.write(SYSTEM_PATH=two, PRIVATE_USERS=users)
            web.starter.run("reload", "web").ok()
            assert web.inside("readlink", "-f", "/run/current-system/nixos-version").ok().out.strip() == two + "/nixos-version"
            assert web.inside("touch", two + "/x").code != 0
            both = {*closure, *host.run("nix-store", "-qR", two).ok().lines}
            assert sorted(web.inside("ls", "/nix/store").ok().lines) == sorted(map(os.path.basename, both))
            web.stop()
    finally:
        os.unlink(path)


def test_a_closure_without_nix_is_a_list(container, host):
    """N16, N26: where nix's register is not, what was copied here came with a list."""
    system, place = host.system(), "/var/lib/redd/closures"
    os.makedirs(place, exist_ok=True)
    listed = os.path.join(place, os.path.basename(system))
    path = companion("[X-Nix]\nStore=closure\n")
    os.rename("/nix/var/nix/db", "/nix/var/nix/db.away")
    try:
        web = container(SYSTEM_PATH=system)
        web.starter.run("start", "web").failed(listed)
        os.rename("/nix/var/nix/db.away", "/nix/var/nix/db")
        closure = host.run("nix-store", "-qR", system).ok().out
        os.rename("/nix/var/nix/db", "/nix/var/nix/db.away")
        with open(listed, "w") as file:
            file.write(closure)
        web.start()
        assert len(web.inside("ls", "/nix/store").ok().lines) == len(closure.split())
        web.stop()
        with open(listed, "w") as file:
            file.write("/nix/store/../../etc\n")
        web.starter.run("start", "web").failed("no path of the store")
    finally:
        os.rename("/nix/var/nix/db.away", "/nix/var/nix/db")
        os.unlink(path)


def test_the_companion_says_what_the_conf_cannot(container, host):
    path = companion("[Exec]\nEphemeral=yes\n[Files]\nTemporaryFileSystem=/scratch\nBind=/srv:/data\n"
                     "[Network]\nVirtualEthernetExtra=ex-web:lan\n")
    try:
        web = container(SYSTEM_PATH=host.system(), PRIVATE_NETWORK=1).start()
        assert web.inside("grep", "-c", " /scratch tmpfs", "/proc/mounts").ok().out.strip() == "1"
        web.inside("touch", "/gone", "/data/stays").ok()
        assert web.inside("test", "-e", "/sys/class/net/lan").code == 0
        web.stop()
        assert not os.path.exists(os.path.join(web.root, "gone")) and os.path.exists("/srv/stays")
    finally:
        os.unlink(path)
        if os.path.exists("/srv/stays"):
            os.unlink("/srv/stays")


def tree_of(top):
    """All that is in it, and how it looks; but for when something was in a directory for a while."""
    what = ["-type", "d", "-printf", "%P d %m %U\n", "-o", "-printf", "%P %y %m %U %s %T@ %l\n"]
    return subprocess.run(["find", top, *what], capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.parametrize("where", ["flags", "companion"])
@pytest.mark.parametrize("users", ["no", "pick"])
def test_ephemeral_leaves_no_trace(container, host, work_root, where, users):
    """N14: but what is bound in is the host's, and stays."""
    data = os.path.join(work_root, "data")
    os.mkdir(data)
    flags = "--bind=%s:/data:idmap" % data if users == "pick" else "--bind=%s:/data" % data
    web = container(SYSTEM_PATH=host.system(), PRIVATE_USERS=users, EXTRA_NSPAWN_FLAGS=flags + (" --ephemeral" if where == "flags" else ""))
    path = companion("[Exec]\nEphemeral=yes\n") if where == "companion" else None
    try:
        web.start().stop()
        before = tree_of(nix.STATE)
        web.start()
        web.inside("sh", "-c", "echo x >/gone; echo x >>/etc/os-release; rm /etc/machine-id; mkdir -p /usr/bin/x; echo y >/data/stays").ok()
        web.stop()
        assert tree_of(nix.STATE) == before
        web.start()
        assert web.inside("sh", "-c", "[ ! -e /gone ] && cat /data/stays").ok().out == "y\n"
        web.stop()
        assert sorted(os.listdir(data)) == ["stays"] and os.stat(data + "/stays").st_uid == 0
    finally:
        shutil.rmtree(data)
        if path:
            os.unlink(path)


def test_stop_during_early_boot_is_short(container, host):
    """N13: PID 1 is still a shell that knows nothing of the signal; then it is an init that does."""
    wait = "touch /early; while [ ! -e /go ]; do busybox usleep 10000; done; "
    web = container(SYSTEM_PATH=host.system("early", init=wait + POLITE))
    web.process = web.starter.start("start", "web")
    runner.until(lambda: os.path.exists(os.path.join(web.root, "early")))
    web.process.terminate()
    with pytest.raises(subprocess.TimeoutExpired):
        web.process.wait(timeout=0.5)
    with open(os.path.join(web.root, "go"), "w"):
        pass
    assert web.process.wait(timeout=10) == 0, web.process.communicate()


def test_a_reboot_is_told_and_so_is_a_missing_system(container, host):
    """N13: to whoever starts it again, as systemd does."""
    web = container(SYSTEM_PATH=host.system("again", init="[ -e /twice ] || { busybox touch /twice; busybox reboot -f; }"))
    process = web.starter.start("start", "web", "--keep-unit")
    assert process.wait(timeout=20) == 133, process.communicate()
    process.communicate()
    web.start("--keep-unit").stop()
    web.write(SYSTEM_PATH="/nix/store/nothing-here")
    web.starter.run("start", "web").failed("/nix/store/nothing-here/init")
    web.write(HOST_ADDRESS="nowhere")
    web.starter.run("start", "web").failed("HOST_ADDRESS")


def test_unknown_keys_and_quotes(container, host):
    """N01, N03"""
    web = container()
    with open(web.path, "w") as file:
        file.write("\n# of ours\n  SYSTEM_PATH='%s'\n\nNEW_KEY=\"x y\"\nEXTRA_NSPAWN_FLAGS=\"--bind-ro=/srv:/data  --hostname=other\"\n"
                   % host.system())
    web.start()
    assert web.inside("hostname").ok().out == "other\n"
    assert web.inside("touch", "/data/x").code != 0


def test_without_systemd_it_is_started_by_machinectl(container, host, redd):
    """N26: no systemd, no D-Bus; and the service's end is its own."""
    system = host.system("polite", init=POLITE)
    web = container(SYSTEM_PATH=system, EXTRA_NSPAWN_FLAGS="--notify-ready=no", AUTO_START=1)
    container("lazy", SYSTEM_PATH=host.system(), AUTO_START=0)
    web.control.run("start", "--all").ok()
    assert [row["machine"] for row in json.loads(web.control.run("list", "--json=short").ok().out)] == ["web"]
    assert web.inside("readlink", "/run/current-system").ok().out.strip() == system
    web.control.run("stop", "web").ok()
    assert web.inside("true").code != 0
