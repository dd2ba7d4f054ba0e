"""The Debian package, beside an installed systemd-container, on a systemd host."""
import glob
import os
import subprocess

import pytest

from test_services import TOP, Host, archive, image, run, tool

pytestmark = pytest.mark.leaky("keeps kernels and images")

ORIGINALS = ["/usr/bin/systemd-nspawn", "/usr/bin/machinectl", "/lib/systemd/system/systemd-nspawn@.service",
             "/lib/systemd/system/machines.target"]


VERSIONS = ["0.1.0~test1", "0.1.0~test2"]


def found(packages, name, version):
    file, = glob.glob(os.path.join(packages, "%s_%s_*.deb" % (name, version)))
    return file


def build(directory, version):
    run(os.path.join(TOP, "packaging", "deb", "build"), "-o", directory, "-v", version, "-b", os.path.join(TOP, "build-package"))


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """Two versions of each, in one directory."""
    directory = str(tmp_path_factory.mktemp("package"))
    for version in VERSIONS:
        build(directory, version)
    return directory


@pytest.fixture(scope="module")
def needed(tmp_path_factory):
    """What the package depends on, beyond what every Debian has."""
    directory = str(tmp_path_factory.mktemp("needed"))
    subprocess.run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", "libssl3", "libyaml-0-2"], cwd=directory, check=True)
    return glob.glob(os.path.join(directory, "*.deb"))


@pytest.fixture(scope="module")
def host(packages, needed):
    name = "package-" + os.urandom(3).hex()
    run(tool("nshost"), "start", "-i", image("systemd"), name)
    made = Host(tool("nshost"), "exec", name)
    try:
        where = os.path.join(os.environ.get("VMDIR", "/var/cache/redd-tests/hosts"), "run", "ns-" + name)
        with open(os.path.join(where, "leader")) as file:
            root = "/proc/%s/root" % file.read().strip()
        for number, version in enumerate(VERSIONS, 1):
            for package, short in (("redd", ""), ("libnss-redd", "nss-")):
                run("cp", found(packages, package, version), root + "/srv/%s%d.deb" % (short, number))
        for path in needed:
            run("cp", path, root + "/srv/needed.deb")
            made("dpkg", "-i", "/srv/needed.deb")
        os.makedirs(root + "/var/lib/machines/c1")
        run("tar", "-C", root + "/var/lib/machines/c1", "-xf", archive("bookworm"))
        yield made
    finally:
        run(tool("nshost"), "stop", name, check=False)


def sums(host):
    return host.text("sha256sum", *ORIGINALS)


def test_it_installs_runs_upgrades_and_goes_beside_the_original(host):
    before, all_before = sums(host), host.text("sh", "-c", "find /usr /etc /lib -newer /srv/1.deb -type f | sort")
    host("dpkg", "-i", "/srv/1.deb")
    assert sums(host) == before
    for program in ("nspawn", "redd", "nixos-container"):
        host(program, "--version")
    # the image leaves manuals out
    files = host.text("dpkg", "-L", "redd").splitlines()
    for path in ("man/man1/nspawn.1", "man/man1/nspawnctl.1", "man/man5/nspawn.5", "man/man7/redd-units.7",
                 "bash-completion/completions/nspawn", "bash-completion/completions/nspawnctl"):
        assert "/usr/share/" + path in files, path
    assert "Started machine 'c1' by systemd." in host("nspawnctl", "start", "c1").stdout
    pid = host.text("systemctl", "show", "-P", "MainPID", "container@c1")
    assert host.text("readlink", "/proc/%s/exe" % pid) == "/usr/bin/nspawn"
    assert "/usr/bin/systemd-nspawn" in host.text("systemctl", "cat", "systemd-nspawn@c1") or \
        "systemd-nspawn --quiet" in host.text("systemctl", "cat", "systemd-nspawn@c1")

    host("dpkg", "-i", "/srv/2.deb")
    assert host.text("dpkg-query", "-W", "-f", "${Version}", "redd") == "0.1.0~test2"
    assert host.text("systemctl", "show", "-P", "MainPID", "container@c1") == pid, "a machine runs on through an upgrade"
    host("systemctl", "restart", "container@c1")
    host("nspawnctl", "stop", "c1")
    assert "multi-user.target.wants" in host("nspawnctl", "enable", "c1").stdout
    host("nspawnctl", "disable", "c1")

    host("nspawnctl", "start", "c1")
    host("dpkg", "-r", "redd")
    assert sums(host) == before
    assert host("systemctl", "is-active", "container@c1", check=False).stdout.strip() != "active"
    host("dpkg", "-P", "redd")
    assert host.text("sh", "-c", "find /usr /etc /lib -name '*redd*' -o -name 'nspawn*' -o -name 'container@*'") == ""
    assert host("dpkg", "--audit").stdout == ""
    assert host.text("sh", "-c", "find /usr /etc /lib -newer /srv/1.deb -type f | sort") == all_before
    # what it left alone still works
    host("/usr/bin/machinectl", "list")


def test_the_original_names_are_the_administrators_choice(host):
    host("dpkg", "-i", "/srv/2.deb")
    try:
        host("sh", "-c", "ln -s /usr/lib/redd/bin/systemd-nspawn /usr/lib/redd/bin/machinectl /usr/local/bin/ && "
             "ln -s /usr/lib/systemd/system/container@.service /etc/systemd/system/systemd-nspawn@.service && "
             "systemctl daemon-reload")
        assert host.text("sh", "-c", "PATH=/usr/local/bin:$PATH; readlink -f $(command -v systemd-nspawn)") == "/usr/bin/nspawn"
        host("systemctl", "start", "systemd-nspawn@c1")
        pid = host.text("systemctl", "show", "-P", "MainPID", "container@c1")
        assert host.text("readlink", "/proc/%s/exe" % pid) == "/usr/bin/nspawn"
        host("systemctl", "stop", "systemd-nspawn@c1")
    finally:
        host("sh", "-c", "rm -f /usr/local/bin/systemd-nspawn /usr/local/bin/machinectl "
             "/etc/systemd/system/systemd-nspawn@.service")
        host("dpkg", "-P", "redd")


def test_what_makes_images_has_the_libraries_that_it_names(packages, tmp_path):
    file = found(packages, "redd-images", VERSIONS[1])
    field = subprocess.run(["dpkg-deb", "-f", file, "Depends"], check=True, stdout=subprocess.PIPE, text=True).stdout
    needed = [word.strip() for word in field.split(",")]
    assert {"libc6", "libseccomp2"} < set(needed) and not [word for word in needed if not word], needed
    run("dpkg-deb", "-x", file, str(tmp_path))
    for name in ("usr/lib/redd/bin/importctl", "usr/bin/nspawnimport"):
        run(str(tmp_path / name), "--version")
    assert (tmp_path / "usr/share/man/man1/nspawnimport.1").exists()


def test_the_plugin_for_names_comes_and_goes(host):
    def names():
        return host.text("sed", "-n", "s/^hosts://p", "/etc/nsswitch.conf").split()

    before, text = names(), host.text("cat", "/etc/nsswitch.conf")
    host("dpkg", "-i", "/srv/nss-1.deb")
    assert names()[:2] == ["files", "redd"] and [name for name in names() if name != "redd"] == before
    host("sh", "-c", "mkdir -p /run/redd/hosts && cd /run/redd/hosts && echo \"pid $$ $(cut -d' ' -f22 /proc/$$/stat)\" >c9 && "
         "printf 'tag 01\\naddress 10.213.0.2\\n' >>c9 && getent hosts c9.machine; r=$?; rm c9; exit $r")
    # who takes it out means that
    host("sed", "-i", "/^hosts:/s/ redd//", "/etc/nsswitch.conf")
    host("dpkg", "-i", "/srv/nss-2.deb")
    assert names() == before
    host("dpkg", "-P", "libnss-redd")
    host("dpkg", "-i", "/srv/nss-2.deb")
    assert "redd" in names()
    host("dpkg", "-P", "libnss-redd")
    assert host.text("cat", "/etc/nsswitch.conf") == text
    assert host.text("getent", "hosts", "localhost")
