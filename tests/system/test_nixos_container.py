"""nixos-container: what it makes, what it says, in which order it looks at things. With Debian's nix."""
import json
import os
import re
import shutil
import signal
import subprocess

import pytest

from support import nix, runner, sandbox, trees
from support.nix import host  # noqa: F401


@pytest.fixture
def tool(redd, host):
    """nixos-container as its only user; afterwards there is no container."""
    one = runner.Redd(os.path.join(os.path.dirname(redd.path), "nixos-container"), env=host.env)
    one.always = []
    yield one
    for name in one.run("list").ok().lines:
        path = conf_path(name)
        if os.path.islink(path):
            os.unlink(path)
        one.run("destroy", name).ok()
    shutil.rmtree("/run/redd/nixos-containers", ignore_errors=True)
    if os.path.exists("/run/lock/nixos-container"):
        os.unlink("/run/lock/nixos-container")


def conf_path(name):
    return os.path.join(nix.CONF, name + ".conf")


def configuration_path(name):
    return os.path.join(nix.CONF, name + ".nix")


def conf(name):
    with open(conf_path(name)) as file:
        return file.read()


def declare(name, text=""):
    """As the host's configuration does: a link into the store."""
    target = os.path.join(nix.STORE, name + ".conf")
    with open(target, "w") as file:
        file.write(text)
    os.makedirs(nix.CONF, exist_ok=True)
    os.symlink(target, conf_path(name))


def write_conf(name, text, directory=nix.CONF):
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, name + ".conf"), "w") as file:
        file.write(text)


def left_of(name):
    places = [conf_path(name), configuration_path(name), os.path.join(nix.STATE, name), os.path.join(nix.PROFILES, name), os.path.join(nix.GCROOTS, name),
              os.path.join(nix.COMPANIONS, name + ".nspawn")]
    hidden = [entry for entry in os.listdir(nix.STATE) if entry.startswith(".#")]
    return [place for place in places if os.path.lexists(place)] + hidden


def profile(name):
    return os.path.realpath(os.path.join(nix.PROFILES, name, "system"))


# ---- create


def test_the_conf_has_the_order_of_the_original(tool, host):
    done = tool.run("create", "web", "--system-path", host.system()).ok()
    assert done.out == ""
    assert "host IP is 10.233.1.1, container IP is 10.233.1.2" in done.err
    assert conf("web") == ("PRIVATE_NETWORK=1\nHOST_ADDRESS=10.233.1.1\nLOCAL_ADDRESS=10.233.1.2\nHOST_BRIDGE=\nHOST_PORT=\n"
                           "AUTO_START=0\n")
    assert profile("web") == host.system()
    assert os.stat(nix.PROFILES).st_mode & 0o777 == 0o700
    assert os.stat(os.path.join(nix.PROFILES, "web")).st_mode & 0o777 == 0o755


def test_options_of_create_are_written_down(tool, host):
    tool.run("create", "web", "--system-path=" + host.system(), "--bridge", "br0", "--port", "tcp:8080:80,udp:53:53", "--auto-start",
             "--host-address=192.168.7.1", "--local-address", "192.168.7.2/24", "--port=tcp:1:1").ok()
    assert conf("web").splitlines() == ["PRIVATE_NETWORK=1", "HOST_ADDRESS=192.168.7.1", "LOCAL_ADDRESS=192.168.7.2/24",
                                        "HOST_BRIDGE=br0", "HOST_PORT=tcp:8080:80,udp:53:53,tcp:1:1", "AUTO_START=1"]


def test_what_a_conf_cannot_say_goes_beside_it(tool, host):
    tool.run("create", "web", "--system-path", host.system(), "--host-address6=fc00::1", "--local-address6=fc00::2/64",
             "--mac=02:00:00:00:00:07", "--interface=eth7", "--macvlan=eth8", "--macvlan=eth9", "--private-users=pick",
             "--bind=/srv:/data", "--tmpfs=/scratch:size=1M", "--bind-ro=/opt", "--extra-flags=--hostname=other --read-only",
             "--capability=CAP_NET_ADMIN", "--drop-capability=CAP_SYS_CHROOT", "--system-call-filter=~@keyring", "--ephemeral",
             "--bind=/with blank:/x").ok()
    assert conf("web").splitlines()[6:] == [
        "HOST_ADDRESS6=fc00::1", "LOCAL_ADDRESS6=fc00::2/64", "LOCAL_MAC_ADDRESS=02:00:00:00:00:07", "PRIVATE_USERS=pick",
        "INTERFACES=eth7", "MACVLANS=eth8 eth9",
        "EXTRA_NSPAWN_FLAGS=--bind=/srv:/data --tmpfs=/scratch:size=1M --bind-ro=/opt --hostname=other --read-only"]
    with open(os.path.join(nix.COMPANIONS, "web.nspawn")) as file:
        assert file.read().splitlines()[1:] == ["[Exec]", "Capability=CAP_NET_ADMIN", "DropCapability=CAP_SYS_CHROOT",
                                                "SystemCallFilter=~@keyring", "Ephemeral=yes", "[Files]", "Bind=/with blank:/x"]
    tool.run("destroy", "web").ok()
    assert left_of("web") == []


def test_the_network_of_the_host_needs_no_addresses(tool, host):
    done = tool.run("create", "web", "--system-path", host.system(), "--use-host-network").ok()
    assert conf("web") == "AUTO_START=0\n"
    assert "IP" not in done.err
    tool.run("create", "other", "--system-path", host.system(), "--use-host-network", "--bridge=br0").failed("--use-host-network")


@pytest.mark.parametrize("options, word", [
    (["--host-address=10.9.9.1", "--local-address=nowhere"], "LOCAL_ADDRESS"),
    (["--host-address6=10.9.9.1", "--local-address6=fc00::1"], "HOST_ADDRESS6"),
    (["--port=tcp:x:1"], "HOST_PORT"),
    (["--bridge=a b"], "HOST_BRIDGE"),
    (["--mac=xx"], "LOCAL_MAC_ADDRESS"),
    (["--private-users=some"], "PRIVATE_USERS"),
    (["--interface=a/b"], "INTERFACES"),
    (["--bind=/a:/b:/c:/d"], "/a:/b:/c:/d"),
    (["--bind=/with\nbreak"], "line"),
    (["--capability=CAP_NONSENSE"], "CAP_NONSENSE"),
    (["--capability=CAP_CHOWN\nBoot=no"], "CAP_CHOWN"),
    (["--extra-flags=--no-such-option"], "--no-such-option"),
    (["--extra-flags=--read-only word"], "'word'"),
    (["--host-address6=fc00::1"], "--local-address6"),
    (["--config=a", "--config-file=b"], "--config-file"),
])
def test_what_cannot_be_is_refused_before_anything_is_made(tool, host, options, word):
    tool.run("create", "web", "--system-path", host.system(), *options).failed(word)
    assert left_of("web") == []


def test_names(tool, host):
    for name in ("a_b", "a/b", "..", "-x", "", "x" * 65):
        tool.run("create", "--system-path", host.system(), "--", name).failed()
    tool.run("create", "--system-path", host.system(), "a-name-that-is-longer-than-eleven").ok()
    tool.run("create", "--system-path", host.system(), "a-name-that-is-longer-than-eleven").failed("exists already")


# ---- N04, N05: addresses and names


def test_gaps_are_filled(tool, host):
    for name, number in (("a", 1), ("b", 2), ("c", 3)):
        tool.run("create", name, "--system-path", host.system()).ok()
        assert "HOST_ADDRESS=10.233.%d.1\nLOCAL_ADDRESS=10.233.%d.2\n" % (number, number) in conf(name)
    tool.run("destroy", "b").ok()
    tool.run("create", "d", "--system-path", host.system()).ok()
    assert "LOCAL_ADDRESS=10.233.2.2\n" in conf("d")


def test_what_is_declared_otherwise_is_taken_too(tool, host):
    write_conf("masks", "HOST_ADDRESS=10.233.1.1/24\nLOCAL_ADDRESS='10.233.2.77/25'\n")
    write_conf("six", "HOST_ADDRESS6=fc00::1\nLOCAL_ADDRESS6=fc00::2/64\n")
    write_conf("old", "LOCAL_ADDRESS=10.233.3.2\n", nix.OLD_CONF)
    subprocess.run(["ip", "address", "add", "10.233.4.1/32", "dev", "lo"], check=True)
    try:
        tool.run("create", "web", "--system-path", host.system()).ok()
    finally:
        subprocess.run(["ip", "address", "delete", "10.233.4.1/32", "dev", "lo"], check=True)
        os.unlink(os.path.join(nix.OLD_CONF, "old.conf"))
    assert "HOST_ADDRESS=10.233.5.1\nLOCAL_ADDRESS=10.233.5.2\n" in conf("web")
    six = ["--host-address6=fc00::1", "--local-address6=fc00::2"]
    tool.run("create", "two", "--system-path", host.system(), *six).failed("fc00::2", "six")
    four = ["--host-address=10.233.5.1", "--local-address=10.233.5.2"]
    tool.run("create", "two", "--system-path", host.system(), *four).failed("10.233.5.2", "web")
    # the end of the host may be that of many
    tool.run("create", "two", "--system-path", host.system(), "--host-address=10.233.5.1", "--local-address=10.9.9.9").ok()


def test_there_are_254_pairs(tool, host):
    for number in range(1, 255):
        write_conf("n%d" % number, "HOST_ADDRESS=10.233.%d.1\n" % number)
    try:
        tool.run("create", "web", "--system-path", host.system()).failed("--host-address=")
        assert left_of("web") == []
        os.unlink(conf_path("n77"))
        tool.run("create", "web", "--system-path", host.system()).ok()
        assert "LOCAL_ADDRESS=10.233.77.2\n" in conf("web")
    finally:
        for number in range(1, 255):
            if os.path.exists(conf_path("n%d" % number)):
                os.unlink(conf_path("n%d" % number))


def test_many_at_once_are_distinct(tool, host):
    system = host.system()
    many = [tool.start("create", "web", "--ensure-unique-name", "--system-path", system) for _ in range(20)]
    names = sorted(one.communicate(timeout=60)[0] for one in many)
    assert all(one.returncode == 0 for one in many)
    assert names == sorted(["web\n"] + ["web-%d\n" % number for number in range(19)])
    addresses = [re.search("LOCAL_ADDRESS=(.*)", conf(name.strip())).group(1) for name in names]
    assert sorted(addresses) == sorted("10.233.%d.2" % number for number in range(1, 21))


def test_a_name_is_made_unique(tool, host):
    tool.run("create", "web", "--system-path", host.system()).ok()
    os.makedirs(os.path.join(nix.STATE, "web-0"))
    done = tool.run("create", "web", "--ensure-unique-name", "--system-path", host.system()).ok()
    assert done.out == "web-1\n"
    assert tool.run("create", "other", "--ensure-unique-name", "--system-path", host.system()).ok().out == "other\n"
    os.rmdir(os.path.join(nix.STATE, "web-0"))


# ---- what is built


def test_a_configuration_is_built(tool, host):
    tool.run("create", "web", "--config", 'test = "7";').ok()
    assert profile("web") == host.system("7")
    with open(configuration_path("web")) as own, open(os.path.join(nix.STATE, "web/etc/nixos/configuration.nix")) as copy:
        text = own.read()
        assert 'networking.hostName = mkDefault "web";' in text and copy.read() == text
    tool.run("create", "plain").ok()
    assert profile("plain") == host.system("plain")


def test_a_file_is_built_whatever_its_name(tool, host, place):
    path = os.path.join(place, 'with "blanks" and ${dollars}.nix')
    with open(path, "w") as file:
        file.write('{ ... }: { test = "8"; }\n')
    tool.run("create", "web", "--config-file", os.path.basename(path), cwd=place).ok()
    assert profile("web") == host.system("8")


def test_a_flake_is_built(tool, host, place):
    flake = host.flake(container="3", other="4")
    tool.run("create", "web", "--flake", flake, cwd=place).ok()
    assert profile("web") == host.system("3")
    assert conf("web").endswith("AUTO_START=0\nFLAKE=%s\n" % flake)
    tool.run("create", "two", "--flake", flake + "#other", cwd=place).ok()
    assert profile("two") == host.system("4")
    assert conf("two").endswith("FLAKE=%s\n" % flake)
    assert os.listdir(place) == []
    assert sorted(os.listdir(os.path.join(nix.PROFILES, "two"))) == ["system", "system-1-link"]


def test_a_build_that_fails_leaves_nothing(tool, host):
    tool.run("create", "web", "--config", "syntax error").failed("nix-env", code=1)
    assert left_of("web") == []
    tool.run("create", "web", "--flake", host.flake(other="1")).failed("nix", code=1)
    assert left_of("web") == []
    tool.run("create", "web", "--system-path", "/nowhere").failed()
    assert left_of("web") == []


def test_files_that_were_there_survive_a_build_that_fails(tool, host):
    os.makedirs(os.path.join(nix.STATE, "web/data"))
    tool.run("create", "web", "--system-path", "/nowhere").failed()
    assert left_of("web") == [os.path.join(nix.STATE, "web")]
    tool.run("create", "web", "--system-path", host.system()).ok()
    assert os.path.isdir(os.path.join(nix.STATE, "web/data"))


def test_options_for_nix_reach_it(tool, host, place):
    for name in ("nix", "nix-env"):
        with open(os.path.join(place, name), "w") as file:
            file.write('#!/bin/sh\nfor word; do echo "$word"; done >>%s/said\necho "<$NIXOS_CONFIG>" >>%s/said\n'
                       '[ "$1" = build ] && shift\nln -s %s "$2"\n' % (place, place, host.system()))
        os.chmod(os.path.join(place, name), 0o755)
    env = {"PATH": place + ":" + host.env["PATH"], "NIXOS_CONFIG": "/etc/other.nix"}

    def said(*words):
        if os.path.exists(place + "/said"):
            os.unlink(place + "/said")
        tool.run(*words, env=env)
        with open(place + "/said") as file:
            return file.read().split("\n")[:-1]
    assert said("create", "web", "--option", "a", "b", "--impure", "--config=x", "--log-format=raw", "--override-input", "i", "r",
                "--nixos-path=/n") == [
        "-p", nix.PROFILES + "/.#web/system", "-I", "nixos-config=/etc/nixos-containers/web.nix", "-f", "/n",
        "--set", "-A", "system", "--impure", "--log-format", "raw", "--option", "a", "b", "--override-input", "i", "r", "<>"]
    assert said("update", "web", "--flake=.#a", "--no-write-lock-file") == [
        "build", "-o", nix.PROFILES + "/.#web/system", "--no-write-lock-file", "--",
        '.#nixosConfigurations."a".config.system.build.toplevel', "<>"]


# ---- what there is


def test_list(tool, host):
    assert tool.run("list").ok().out == ""
    for name in ("b", "a"):
        tool.run("create", name, "--system-path", host.system(), "--local-address=10.1.1.2/24", "--host-address=10.1.1.1").ok() \
            if name == "a" else tool.run("create", name, "--system-path", host.system()).ok()
    declare("c", "SYSTEM_PATH=/x\nAUTO_START=1\n")
    write_conf("storage", "[storage]\ndriver = overlay\n", nix.OLD_CONF)
    assert tool.run("list").ok().out == "a\nb\nc\n"
    os.unlink(os.path.join(nix.OLD_CONF, "storage.conf"))
    rows = json.loads(tool.run("list", "--json").ok().out)
    assert [(row["name"], row["status"], row["address"], row["declared"], row["auto_start"]) for row in rows] == [
        ("a", "down", "10.1.1.2", False, False), ("b", "down", "10.233.1.2", False, False), ("c", "down", None, True, True)]
    assert rows[2]["system"] == "/x"
    row, = json.loads(tool.run("status", "a", "--json=short").ok().out)
    assert row == rows[0]


def test_the_places_of_old_hosts(tool, host):
    """N17: what is there stays there; what is new is made in the new ones."""
    root, before = os.path.join(nix.OLD_STATE, "old"), sorted(os.listdir(nix.OLD_CONF)) if os.path.exists(nix.OLD_CONF) else []
    write_conf("old", "PRIVATE_NETWORK=1\nHOST_ADDRESS=10.233.7.1\nLOCAL_ADDRESS=10.233.7.2\nAUTO_START=0\n", nix.OLD_CONF)
    os.makedirs(os.path.join(root, "etc/ssh"))
    with open(os.path.join(root, "etc/ssh/ssh_host_ed25519_key.pub"), "w") as file:
        file.write("ssh-ed25519 AAAA old\n")
    tool.run("create", "old", "--system-path", host.system()).failed("exists already")
    tool.run("create", "web", "--system-path", host.system()).ok()
    assert tool.run("list").ok().out == "old\nweb\n" and os.path.exists(conf_path("web"))
    assert tool.run("status", "old").ok().out == "down\n"
    assert tool.run("show-ip", "old").ok().out == "10.233.7.2\n"
    assert tool.run("show-host-key", "old").ok().out == "ssh-ed25519 AAAA old\n"
    tool.run("update", "old", "--config", 'test = "8";').ok()
    assert profile("old") == host.system("8")
    tool.run("reset", "old").ok()
    assert os.path.isdir(root) and not os.path.exists(os.path.join(root, "etc/ssh"))
    tool.run("destroy", "old").ok()
    assert sorted(os.listdir(nix.OLD_CONF)) == before and os.listdir(nix.OLD_STATE) == []
    assert left_of("old") == []


def test_show_ip(tool, host):
    for name, text, answer in (("a", "LOCAL_ADDRESS=10.1.1.2/24\nLOCAL_ADDRESS6=fc00::2\n", "10.1.1.2\n"),
                               ("b", "LOCAL_ADDRESS6=fc00::2/64\n", "fc00::2\n")):
        write_conf(name, text)
        assert tool.run("show-ip", name).ok().out == answer
    write_conf("c", "PRIVATE_NETWORK=1\n")
    tool.run("show-ip", "c").failed("no")


def test_show_host_key(tool, host):
    write_conf("web", "")
    place = os.path.join(nix.STATE, "web/etc/ssh")
    assert tool.run("show-host-key", "web").failed().out == ""
    os.makedirs(place)
    with open(place + "/ssh_host_ecdsa_key.pub", "w") as file:
        file.write("ecdsa-sha2-nistp256 AAAA root@web\n")
    assert tool.run("show-host-key", "web").ok().out == "ecdsa-sha2-nistp256 AAAA root@web\n"
    os.symlink("/etc/shadow", place + "/ssh_host_ed25519_key.pub")
    assert "root:" not in tool.run("show-host-key", "web").out
    os.unlink(place + "/ssh_host_ed25519_key.pub")
    with open(place + "/ssh_host_ed25519_key.pub", "w") as file:
        file.write("ssh-ed25519 AAAA \x1b[31mroot@web\n")
    assert tool.run("show-host-key", "web").ok().out == "ssh-ed25519 AAAA \\x1b[31mroot@web\n"


def test_export(tool, redd, host, place):
    """What is printed is what `redd import` makes of the conf, with the file beside it; it is a good definition."""
    tool.run("create", "web", "--system-path", host.system(), "--port=tcp:8080:80", "--auto-start", "--bind=/srv:/data", "--extra-flags",
             "--read-only --slice=x.slice", "--capability=CAP_NET_ADMIN", "--private-users=pick", "--local-address6=fc00::2",
             "--host-address6=fc00::1").ok()
    done = tool.run("export", "web").ok()
    assert "--slice=x.slice" in done.err
    for line in ("Source=nix-profile:%s/web/system" % nix.PROFILES, "PrivateUsers=pick", "Private=yes", "VirtualEthernet=yes",
                 "HostAddress=10.233.1.1", "Address=10.233.1.2", "HostAddress=fc00::1", "Address=fc00::2", "Port=tcp:8080:80",
                 "Bind=/srv:/data", "ReadOnly=yes", "WantedBy=machines.target", "Capability=CAP_NET_ADMIN", "Store=full"):
        assert line in done.lines, (line, done)
    with open(os.path.join(place, "web.nspawn"), "w") as file:
        file.write(done.out)
    other = runner.Redd(os.path.join(os.path.dirname(redd.path), "redd"))
    other.always = []
    other.run("cat", os.path.join(place, "web.nspawn")).ok()
    other.run("import", "nixos-conf", conf_path("web"), "--output", os.path.join(place, "out")).ok()
    with open(os.path.join(place, "out/web.nspawn")) as file:
        assert done.out.startswith(file.read())
    write_conf("bad", "HOST_PORT=x\n")
    tool.run("export", "bad").failed("HOST_PORT")


# ---- the order in which things are looked at


def test_the_first_error_is_that_of_the_original(tool, host):
    def says(*words):
        done = tool.run(*words)
        assert done.code == 1 and done.out == "", done
        return done.err
    assert "--no-such" in says("--no-such", "--host-address=1")
    assert "--host-address=" in says("--host-address=1")
    assert "--local-address=" in says("--local-address=1", "frobnicate")
    assert "without a command" in says("--config=a", "--config-file=b")
    assert "--config-file=" in says("frobnicate", "--config=a", "--config-file=b")
    assert "without a name" in says("frobnicate")
    assert "name" in says("frobnicate", "a/b")
    assert "does not exist" in says("frobnicate", "web")
    assert "does not exist" in says("start", "web")
    write_conf("web", "")
    assert "no such command" in says("frobnicate", "web")
    assert "no such command" in says("strat", "web") and "'start'" in says("strat", "web")


def test_a_word_too_many_is_no_name_that_is_passed_over(tool, host):
    for name in ("web", "other"):
        write_conf(name, "")
    for words in ("destroy web other", "reset web other", "stop web other", "start web other", "restart web other", "terminate web other",
                  "update web other", "reload web other", "switch web /nix/store/x other", "rollback web 1 other", "status web other",
                  "create new other", "destroy gone web", "root-login web other", "show-ip web other", "generations web other"):
        done = tool.run(*words.split()).failed("too many", "'%s NAME" % words.split()[0])
        assert done.code == 1 and done.out == ""
    assert tool.run("list").ok().lines == ["other", "web"]
    assert "does not exist" in tool.run("start", "gone", "web").failed().err


def test_gone(tool, host):
    done = tool.run("status", "web").failed("does not exist")
    assert done.out == "gone\n"
    done = tool.run("status", "web", "--json").failed("does not exist")
    row, = json.loads(done.out)
    assert (row["name"], row["status"]) == ("web", "gone") and {row[key] for key in ("address", "conf", "root", "system")} == {None}
    assert json.loads(tool.run("list", "--json").ok().out) == []
    assert tool.run("destroy", "web").ok().err == ""
    write_conf("web", "")
    assert tool.run("status", "web").ok().out == "down\n"
    row, = json.loads(tool.run("status", "web", "--json=short").ok().out)
    assert row["status"] == "down" and row["conf"] == conf_path("web")
    assert json.loads(tool.run("generations", "web", "--json").ok().out) == []


def test_options_stand_anywhere_and_may_be_shortened(tool, host):
    tool.run("--system-pa", host.system(), "create", "--ensure", "web", "--signal", "TERM", "--auto").ok()
    assert "AUTO_START=1\n" in conf("web")
    assert tool.run("--help").ok().out.startswith("nixos-container ")
    tool.run("--co=x", "list").failed("--config", "--config-file", "--commit-lock-file")


def test_a_host_without_nix_takes_what_is_built(tool, host, place):
    system = host.system()
    other = host.system("2")
    env = {"PATH": place}
    tool.run("create", "web", "--system-path", system, env=env).ok()
    tool.run("create", "two", "--config", "x", env=env).failed("nix-env", "--system-path")
    assert left_of("two") == []
    for path in ("/etc", "/nix/store", other + "/bin"):
        tool.run("switch", "web", path, env=env).failed("no path of the store")
        tool.run("create", "two", "--system-path", path, env=env).failed("no path of the store")
    assert profile("web") == system and left_of("two") == []
    os.symlink(other, place + "/result")
    tool.run("switch", "web", place + "/result", env=env).ok()
    assert profile("web") == other
    assert os.readlink(os.path.join(nix.PROFILES, "web/system-2-link")) == other
    # nix goes on with what was made without it
    assert [line.split()[0] for line in host.run("nix-env", "-p", nix.PROFILES + "/web/system", "--list-generations").ok().lines] == ["1", "2"]


# ---- systems


def test_generations(tool, host):
    one, two, three = (host.system(version) for version in "123")
    tool.run("create", "web", "--system-path", one).ok()
    tool.run("switch", "web", two).ok()
    tool.run("switch", "web").failed("switch web PATH")
    tool.run("update", "web", "--system-path", three).ok()
    tool.run("rollback", "web").ok()
    assert profile("web") == two
    rows = json.loads(tool.run("generations", "web", "--json").ok().out)
    assert [(row["generation"], row["system"], row["current"]) for row in rows] == [(1, one, False), (2, two, True), (3, three, False)]
    tool.run("rollback", "web", "3").ok()
    assert profile("web") == three
    tool.run("rollback", "web", "9").failed("9")
    tool.run("rollback", "web", "x").failed("generations web")
    listed = host.run("nix-env", "-p", nix.PROFILES + "/web/system", "--list-generations").ok().lines
    assert "current" in listed[2]


def test_update(tool, host, place):
    tool.run("create", "web", "--config", 'test = "1";').ok()
    path = configuration_path("web")
    with open(path) as file:
        text = file.read()
    with open(path, "w") as file:
        file.write(text.replace('"1"', '"2"'))
    tool.run("update", "web").ok()
    assert profile("web") == host.system("2")
    tool.run("update", "web", "--config", 'test = "3";').ok()
    assert profile("web") == host.system("3")
    tool.run("create", "bare", "--system-path", host.system()).ok()
    tool.run("update", "bare").failed("switch bare PATH")
    flake = host.flake(container="4", other="5")
    tool.run("create", "flaky", "--flake", flake + "#other").ok()
    tool.run("update", "flaky").ok()
    assert profile("flaky") == host.system("4")
    declare("fixed", "SYSTEM_PATH=%s\n" % host.system())
    tool.run("update", "fixed").failed("SYSTEM_PATH")


def test_what_the_guest_writes_is_not_evaluated(tool, host, place):
    """The host's root evaluates, with all that it may read: so nothing that is the guest's to change."""
    secret, seen = os.path.join(place, "secret"), os.path.join(place, "seen")
    with open(secret, "w") as file:
        file.write("sesame")
    tool.run("create", "web", "--config", 'test = "1";').ok()
    before = os.stat(configuration_path("web"))
    assert before.st_mode & 0o777 == 0o600
    copy = os.path.join(nix.STATE, "web/etc/nixos/configuration.nix")
    with open(copy, "w") as file:
        file.write('{ ... }: { boot.isContainer = true; test = builtins.readFile %s; }\n' % secret)
    said = tool.run("update", "web").ok()
    assert profile("web") == host.system("1")
    assert copy in said.err and configuration_path("web") in said.err and "sesame" not in said.err
    assert not any("sesame" in name for name in os.listdir(nix.STORE))
    # a link is none of the ways to it either, nor is the path of the copy
    os.unlink(copy)
    os.symlink(configuration_path("web"), copy)
    tool.run("update", "web").ok()
    with open(copy.replace("configuration", "own"), "w") as file:
        file.write('{ ... }: { test = "2"; }\n')
    os.symlink(copy.replace("configuration", "own"), seen)
    for path in (copy.replace("configuration", "own"), seen):
        tool.run("update", "web", "--config-file", path).failed("it may change itself")
    assert os.stat(configuration_path("web")).st_ino == before.st_ino and profile("web") == host.system("1")
    # one that was made without
    os.unlink(copy)
    shutil.move(configuration_path("web"), copy)
    tool.run("update", "web").failed(configuration_path("web"), copy, "copy")
    assert profile("web") == host.system("1")


def test_links_in_the_profiles_directory_lead_nix_nowhere(tool, host, place):
    """It is the guest's to write; nix makes and empties its locks through links."""
    tool.run("create", "web", "--config", 'test = "1";').ok()
    directory = os.path.join(nix.PROFILES, "web")
    victim, empty = os.path.join(place, "victim"), os.path.join(place, "empty")
    for words in (["update", "web"], ["update", "web", "--flake", host.flake(container="2")], ["switch", "web", host.system("3")]):
        for target in (victim, empty):
            if target is empty:
                open(empty, "w").close()
            for name in ("system.lock", ".#system.lock"):
                if os.path.lexists(os.path.join(directory, name)):
                    os.unlink(os.path.join(directory, name))
                os.symlink(target, os.path.join(directory, name))
            tool.run(*words).failed("system.lock")
            assert not os.path.exists(victim) and os.path.getsize(empty) == 0 if target is empty else not os.path.exists(victim)
    assert profile("web") == host.system("1") and os.listdir(nix.PROFILES) == ["web"]
    for name in ("system.lock", ".#system.lock"):
        os.unlink(os.path.join(directory, name))
    tool.run("update", "web", "--config", 'test = "2";').ok()
    assert profile("web") == host.system("2")


# ---- N06: destroy


def test_destroy_spares_what_is_mounted(tool, host, place):
    data = os.path.join(place, "data")
    os.mkdir(data)
    open(os.path.join(data, "precious"), "w").close()
    tool.run("create", "web", "--config", 'test = "1";').ok()
    root = os.path.join(nix.STATE, "web")
    for inside in ("data", "var/deep"):
        os.makedirs(os.path.join(root, inside))
        sandbox.mount(data, os.path.join(root, inside), None, sandbox.MS_BIND)
    os.makedirs(os.path.join(root, "var/empty"))
    subprocess.run(["chattr", "+i", os.path.join(root, "var/empty")], check=True)
    tool.run("destroy", "web").ok()
    assert left_of("web") == []
    assert os.listdir(data) == ["precious"]
    assert tool.run("destroy", "web").ok().err == ""


def test_a_tree_that_is_a_mount_is_left_alone(tool, host, place):
    open(os.path.join(place, "precious"), "w").close()
    write_conf("web", "")
    os.makedirs(os.path.join(nix.STATE, "web"))
    sandbox.mount(place, os.path.join(nix.STATE, "web"), None, sandbox.MS_BIND)
    tool.run("destroy", "web").ok()
    assert left_of("web") == []
    assert os.listdir(place) == ["precious"]


def test_a_tree_that_is_a_link(tool, host, place):
    """Where it leads may be anything, so that only reset follows it."""
    os.makedirs(os.path.join(place, "real/var"))
    open(os.path.join(place, "precious"), "w").close()
    write_conf("web", "")
    os.symlink(os.path.join(place, "real"), os.path.join(nix.STATE, "web"))
    tool.run("destroy", "web").failed("link")
    assert os.path.isdir(os.path.join(place, "real/var"))
    tool.run("reset", "web").ok()
    assert os.listdir(os.path.join(place, "real")) == [] and sorted(os.listdir(place)) == ["precious", "real"]
    os.unlink(os.path.join(nix.STATE, "web"))
    tool.run("destroy", "web").ok()


def test_an_immutable_conf_is_not_ours(tool, host):
    write_conf("web", "")
    os.makedirs(os.path.join(nix.STATE, "web/var"))
    subprocess.run(["chattr", "+i", conf_path("web")], check=True)
    try:
        tool.run("destroy", "web").failed("may not be written")
        assert os.path.isdir(os.path.join(nix.STATE, "web/var"))
    finally:
        subprocess.run(["chattr", "-i", conf_path("web")], check=True)


def test_a_host_without_a_place_for_locks(tool, host):
    """Of N26: busybox's init makes none."""
    os.rename("/run/lock", "/run/lock.before")
    try:
        tool.run("create", "web", "--system-path", host.system()).ok()
        tool.run("destroy", "web").ok()
    finally:
        shutil.rmtree("/run/lock", ignore_errors=True)
        os.rename("/run/lock.before", "/run/lock")


def test_locks_of_somebody_else(tool, host):
    """Where users may make files, too."""
    lock = "/run/lock/nixos-container"
    for make in (lambda: open(lock, "w").close(), lambda: os.mkfifo(lock)):
        make()
        os.chown(lock, 65534, 65534)
        tool.run("create", "web", "--system-path", host.system()).failed(lock, "it is not a file of our own (remove it)")
        assert left_of("web") == []
        os.unlink(lock)


def test_a_user_is_told_that_only_root_can(tool, host):
    """And leaves no lock behind, which root could not open."""
    mine = tool.with_prefix("setpriv", "--reuid=1", "--regid=1", "--clear-groups")
    mine.run("create", "web", "--system-path", host.system()).failed("only root can")
    tool.run("create", "web", "--system-path", host.system()).ok()
    for verb in ("start", "destroy", "restart"):
        mine.run(verb, "web").failed("cannot change container 'web': only root can")
    assert mine.run("list").ok().out == "web\n"


def test_what_the_host_declares_is_not_destroyed(tool, host):
    declare("web", "SYSTEM_PATH=%s\n" % host.system())
    os.makedirs(os.path.join(nix.STATE, "web/var"))
    tool.run("destroy", "web").failed("declared")
    assert os.path.isdir(os.path.join(nix.STATE, "web/var")) and tool.run("list").out == "web\n"
    tool.run("destroy", "web", "--state-only").ok()
    assert left_of("web") == [conf_path("web")]


def test_a_companion_file_of_somebody_else_stays(tool, host):
    path = os.path.join(nix.COMPANIONS, "web.nspawn")
    os.makedirs(nix.COMPANIONS, exist_ok=True)
    with open(path, "w") as file:
        file.write("[Exec]\nHostname=mine\n")
    tool.run("create", "web", "--system-path", host.system(), "--ephemeral").failed("web.nspawn")
    tool.run("create", "web", "--system-path", host.system()).ok()
    tool.run("destroy", "web").ok()
    assert os.path.exists(path)
    os.unlink(path)


def test_reset(tool, host):
    tool.run("create", "web", "--config", 'test = "1";').ok()
    root = os.path.join(nix.STATE, "web")
    for path in ("var/lib/db/rows", "var/lib/other", "home/user", "etc/nixos/more.nix", "etc/passwd"):
        os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
        open(os.path.join(root, path), "w").close()
    os.symlink("/etc", os.path.join(root, "link"))
    tool.run("reset", "web", "--keep", "relative").failed("relative")
    tool.run("reset", "web", "--keep=/").failed("cannot keep '/'")
    tool.run("reset", "web", "--keep=/var/lib/db", "--keep=/not/there").ok()
    left = sorted(os.path.relpath(os.path.join(at, name), root) for at, _, names in os.walk(root) for name in names)
    assert left == ["etc/nixos/configuration.nix", "etc/nixos/more.nix", "var/lib/db/rows"]
    assert os.path.exists("/etc/passwd")
    assert not os.path.lexists(os.path.join(root, "home"))
    tool.run("update", "web").ok()


def test_reset_of_a_volume_empties_it(tool, host, place):
    for name in range(300):
        open(os.path.join(place, "file-%d" % name), "w").close()
    os.makedirs(os.path.join(place, "data"))
    write_conf("web", "")
    root = os.path.join(nix.STATE, "web")
    os.makedirs(root)
    sandbox.mount(place, root, None, sandbox.MS_BIND)
    sandbox.mount("tmpfs", os.path.join(root, "data"), "tmpfs", 0, "")
    try:
        tool.run("reset", "web").ok()
        assert os.path.ismount(root) and os.listdir(place) == []
    finally:
        sandbox.umount(root)


def test_who_changes_a_container_has_it_alone(tool, host):
    """A create that is stopped in nix keeps others out, until it is done or killed."""
    fifo = os.path.join(host.work, "fifo")
    os.mkfifo(fifo)
    started = tool.start("create", "web", "--config", "test = builtins.readFile %s;" % fifo)
    runner.until(lambda: os.path.exists(conf_path("web")))
    other = tool.start("destroy", "web")
    assert tool.run("status", "web").ok().out == "down\n"
    with pytest.raises(subprocess.TimeoutExpired):
        other.wait(timeout=0.5)
    with open(fifo, "w") as file:
        file.write("1")
    started.communicate(timeout=30)
    other.communicate(timeout=30)
    assert other.returncode == 0
    assert left_of("web") == []
    os.unlink(fifo)


def blocked_create(tool, host):
    """A create whose nix waits for a file that is not written yet, in a session of its own; and that file."""
    fifo = os.path.join(host.work, "fifo")
    os.mkfifo(fifo)
    started = tool.start("create", "web", "--config", "test = builtins.readFile %s;" % fifo, start_new_session=True)
    runner.until(lambda: any(b"nix-env" in arguments(pid) for pid in runner.children(started.pid)))
    return started, fifo


def arguments(pid):
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as file:
            return file.read()
    except OSError:
        return b""


def test_an_interrupted_create_leaves_nothing(tool, host):
    started, fifo = blocked_create(tool, host)
    os.killpg(started.pid, signal.SIGINT)
    assert "nix-env" in started.communicate(timeout=30)[1]
    assert started.returncode == 1
    assert left_of("web") == []
    os.unlink(fifo)


def test_a_killed_create_can_be_destroyed(tool, host):
    started, fifo = blocked_create(tool, host)
    os.killpg(started.pid, signal.SIGKILL)
    started.communicate(timeout=30)
    assert tool.run("status", "web").ok().out == "down\n"
    tool.run("destroy", "web").ok()
    assert left_of("web") == []
    os.unlink(fifo)


def test_a_tree_that_a_killed_destroy_left_is_removed_by_the_next(tool, host):
    os.makedirs(os.path.join(nix.STATE, ".#old.gone.0123456789abcdef/etc"))
    tool.run("create", "web", "--config", 'test = "1";').ok()
    tool.run("destroy", "web").ok()
    assert left_of("web") == []


def test_the_system_that_a_conf_names_is_switched_there(tool, host):
    write_conf("web", "SYSTEM_PATH=%s\nNEW_KEY=kept\n" % host.system())
    tool.run("switch", "web", "/nowhere").failed("/nowhere")
    tool.run("switch", "web", host.system("2")).ok()
    assert sorted(conf("web").splitlines()) == ["NEW_KEY=kept", "SYSTEM_PATH=%s" % host.system("2")]
    declare("fixed", "SYSTEM_PATH=%s\n" % host.system())
    tool.run("switch", "fixed", host.system("2")).failed("declared")


def test_who_only_looks_need_not_be_root(tool, host):
    write_conf("web", "LOCAL_ADDRESS=10.1.1.2\n")
    nobody = tool.with_prefix("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    assert nobody.run("list").ok().out == "web\n"
    assert nobody.run("show-ip", "web").ok().out == "10.1.1.2\n"
    assert nobody.run("status", "none").failed().out == "gone\n"
    nobody.run("status", "web").failed("root")
    nobody.run("destroy", "web").failed("web")
    nobody.run("create", "two", "--system-path", host.system()).failed()
    assert tool.run("list").out == "web\n"


# ---- word for word

WORDS = [
    (["list"], 0, "five\nfour\n", ""),
    (["status", "four"], 0, "down\n", ""),
    (["status", "three"], 1, "gone\n", "container 'three' does not exist (try 'list')\n"),
    (["destroy", "three"], 0, "", ""),
    (["start", "three"], 1, "", "container 'three' does not exist (try 'list')\n"),
    (["run", "three", "--", "true"], 1, "", "container 'three' does not exist (try 'list')\n"),
    (["show-ip", "four"], 0, "10.1.1.2\n", ""),
    (["show-ip", "five"], 1, "", "cannot show the address of container 'five': its conf has none, nor has it one that is its own now\n"),
    (["terminate", "four"], 1, "", "cannot terminate container 'four': it is not running\n"),
    (["stop", "four"], 0, "", ""),
    (["destroy", "five"], 1, "", "cannot destroy container 'five': '/etc/nixos-containers/five.conf' is declared by the host's configuration, or "
                                 "may not be written (change that)\n"),
    (["create", "four"], 1, "", "container 'four' exists already (try another name, or --ensure-unique-name)\n"),
    (["create", "three", "--host-address=10.1.1.1"], 1, "", "cannot use --host-address= alone (try --host-address= and --local-address= together)\n"),
    (["create", "three", "--config=a", "--config-file=b"], 1, "", "cannot use --config= and --config-file= together: only one configuration can be "
                                                               "built\n"),
    ([], 1, "", "cannot go on without a command (try --help)\n"),
    (["start"], 1, "", "cannot run 'start' without a name (try 'start NAME')\n"),
    (["--nixos-pat"], 1, "", "cannot use '--nixos-path': it needs a value (try --nixos-path=PATH)\n"),
    (["generations", "four"], 0, "No generations.\n", ""),
    (["rollback", "four"], 1, "", "cannot roll back '/nix/var/nix/profiles/per-container/four/system': there is no earlier generation\n"),
    (["update", "five"], 1, "", "cannot update container 'five': SYSTEM_PATH= of '/etc/nixos-containers/five.conf' says which system it has (change "
                                "that)\n"),
    (["run", "four"], 1, "", "cannot run nothing (try 'run NAME -- COMMAND')\n"),
    (["frobnicate", "four"], 1, "", "cannot understand 'frobnicate': there is no such command (try --help)\n"),
    (["list", "--bogus"], 1, "", "cannot understand '--bogus': there is no such option (try --help)\n"),
]


def test_what_is_said(tool, host):
    write_conf("four", "LOCAL_ADDRESS=10.1.1.2/24\n")
    declare("five", "SYSTEM_PATH=/x\n")
    said = [(words, done.code, done.out, done.err) for words in (row[0] for row in WORDS) for done in [tool.run(*words)]]
    assert said == WORDS
