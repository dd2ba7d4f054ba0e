"""redd apply of systems of NixOS: [X-Image] Source=nix: and nix-profile:, and [X-Nix]."""
import os
import shutil

import pytest

from support import declared, nix, runner
from support.declared import STATE, clean  # noqa: F401

# an init that ends when it is asked to, as systemd is
POLITE = "trap 'exit 0' 37; while :; do busybox usleep 10000; done"
BUSYBOX = "/run/current-system/sw/bin/busybox"
GCROOTS = "/nix/var/nix/gcroots/redd"
PROFILE = "/nix/var/nix/profiles/web"


@pytest.fixture(scope="module")
def store(work_root):
    made = nix.Host(work_root)
    yield made
    made.close()


@pytest.fixture(scope="module")
def host(redd, store, work_root):
    one = declared.Host(redd, os.path.join(work_root, "declared-nix")).open()
    yield one
    one.close()


@pytest.fixture
def systems(store):
    return [store.system(version, init=POLITE) for version in ("1", "2")]


def define(host, source, *lines, users="no"):
    host.define("web", source, "Persist=/home", *lines, exec_=["NotifyReady=no", "PrivateUsers=" + users])


def inside(host, *command):
    return runner.until(lambda: host.machinectl("exec", "web", "--", BUSYBOX, *command).out.rstrip("\n"))


def runs(host):
    """The system that it has switched to."""
    return inside(host, "readlink", "/run/current-system")


@pytest.mark.parametrize("users", ["no", "pick"])
def test_a_system_switches_in_place_and_goes_back(clean, store, systems, users):
    one, two = systems
    other = store.system("foreign")
    define(clean, "nix:" + one, users=users)
    clean.redd("apply").ok()
    assert clean.redd("plan").ok().out == "Nothing to do.\n"
    leader = clean.leader("web")
    assert runs(clean) == one and inside(clean, "stat", "-c", "%u:%g", "/nix", one) == "0:0\n0:0"
    assert not clean.machinectl("exec", "web", "--", BUSYBOX, "test", "-e", other).code == 0
    seen = inside(clean, "ls", "/nix/store").split("\n")
    assert sorted(seen) == sorted(os.path.basename(path) for path in store.run("nix-store", "-qR", one).ok().lines)
    inside(clean, "sh", "-c", "%s touch /root/mine /home/kept; echo done" % BUSYBOX)
    define(clean, "nix:" + two, users=users)
    assert "reload" in clean.redd("plan").out and "switch-to-configuration test" in clean.redd("plan").out
    clean.redd("apply").ok()
    assert runs(clean) == two and clean.leader("web") == leader
    assert clean.redd("plan").ok().out == "Nothing to do.\n"
    done = clean.redd("diff").failed(code=2).out
    assert "system" in done and "%s → %s" % (one, two) in done and "closure: 1 added, 1 removed" in done
    clean.redd("rollback").ok()
    assert runs(clean) == one and clean.leader("web") == leader
    # What is started anew is what is current, with the same tree.
    clean.machinectl("stop", "web").ok()
    clean.redd("rollback", "2").ok()
    assert runs(clean) == two and inside(clean, "ls", "/home/kept", "/root/mine") == "/home/kept\n/root/mine"


def test_all_of_the_store_and_the_hosts_nix_if_that_is_wanted(clean, store, systems):
    other = store.system("foreign")
    define(clean, "nix:" + systems[0], "[X-Nix] Store=full", "[X-Nix] Daemon=yes")
    clean.redd("apply").ok()
    assert inside(clean, "ls", "-d", other, "/nix/var/nix/db", "/nix/var/nix/profiles") == other + "\n/nix/var/nix/db\n/nix/var/nix/profiles"
    define(clean, "nix:" + systems[0])
    assert "restart" in clean.redd("plan").out
    clean.redd("apply").ok()
    assert inside(clean, "sh", "-c", "[ -e %s ] || echo gone" % other) == "gone"


def test_nix_keeps_what_a_generation_has_and_no_longer(clean, store):
    """The collector runs while both systems are needed, and after one of them is not."""
    one, two = store.system("gc1", init=POLITE), store.system("gc2", init=POLITE)
    define(clean, "nix:" + one)
    clean.redd("apply").ok()
    define(clean, "nix:" + two)
    clean.redd("apply").ok()
    store.run("nix-store", "--gc").ok()
    assert os.path.exists(one) and os.path.exists(two)
    clean.redd("rollback").ok()
    assert runs(clean) == one
    clean.redd("gc", "--keep=1").ok()
    assert os.listdir(GCROOTS) == [os.path.basename(one)]
    store.run("nix-store", "--gc").ok()
    assert os.path.exists(one) and not os.path.exists(two)
    store.known.clear()
    clean.redd("plan")
    assert runs(clean) == one


def test_what_was_killed_leaves_nothing_to_nix(clean, systems):
    os.makedirs(GCROOTS, exist_ok=True)
    left = os.path.join(GCROOTS, os.path.basename(systems[1]))
    if not os.path.lexists(left):
        os.symlink(systems[1], left)
    define(clean, "nix:" + systems[0])
    clean.redd("apply").ok()
    assert os.listdir(GCROOTS) == [os.path.basename(systems[0])]


@pytest.mark.parametrize("how", ["source", "profile"])
def test_what_a_profile_led_to_stays_until_somebody_asks(clean, store, systems, how):
    one, two = systems
    store.run("nix-env", "-p", PROFILE, "--set", one).ok()
    if how == "source":
        define(clean, "nix-profile:" + PROFILE)
    else:
        with open(declared.DEFINITIONS + "/web.nspawn", "w") as file:
            file.write("[Exec]\nPrivateUsers=no\nNotifyReady=no\n[X-Nix]\nProfile=%s\n[X-Install]\nWantedBy=machines.target\n" % PROFILE)
    clean.redd("apply").ok()
    leader = clean.leader("web")
    assert runs(clean) == one
    store.run("nix-env", "-p", PROFILE, "--set", two).ok()
    clean.redd("apply").ok()
    assert clean.current() == 1 and runs(clean) == one
    clean.redd("apply", "--update").ok()
    assert clean.current() == 2 and runs(clean) == two and clean.leader("web") == leader
    clean.redd("rollback").ok()
    assert runs(clean) == one and clean.leader("web") == leader


def test_a_system_that_cannot_be_switched_to_is_taken_back(clean, store, systems):
    define(clean, "nix:" + systems[0])
    clean.redd("apply").ok()
    leader = clean.leader("web")
    define(clean, "nix:" + store.system("3", init=POLITE, reload="exit 4"))
    clean.redd("apply").failed("cannot switch machine 'web'", "generation 1 is current again", code=3)
    assert clean.current() == 1 and runs(clean) == systems[0] and clean.leader("web") == leader


def test_root_ephemeral_forgets_all_but_what_persists(clean, systems):
    define(clean, "nix:" + systems[0], "Root=ephemeral")
    clean.redd("apply").ok()
    inside(clean, "sh", "-c", "%s touch /root/mine /home/kept; echo done" % BUSYBOX)
    clean.machinectl("stop", "web").ok()
    clean.redd("apply").ok()
    assert inside(clean, "sh", "-c", "echo /root/* /home/*") == "/root/* /home/kept"


@pytest.mark.parametrize("store_", ["full", "closure"])
def test_without_nix_its_store_is_a_directory_like_others(clean, store, systems, store_):
    """N26: what is there was copied; what a system consists of stands in a list."""
    system = systems[0]
    closure = store.run("nix-store", "-qR", system).ok().lines
    os.rename("/nix/var", "/nix/.var")
    try:
        define(clean, "nix:" + system, "[X-Nix] Store=" + store_)
        if store_ == "closure":
            clean.redd("apply").failed("cannot learn what", "there is no nix-store here")
            os.makedirs(STATE + "/closures", exist_ok=True)
            with open(STATE + "/closures/" + os.path.basename(system), "w") as file:
                file.write("\n".join(closure) + "\n")
        clean.redd("apply").ok()
        assert runs(clean) == system
        clean.redd("gc").ok()
        clean.redd("plan").ok()
        clean.machinectl("stop", "web").ok()
    finally:
        shutil.rmtree("/nix/var", ignore_errors=True)
        os.rename("/nix/.var", "/nix/var")


@pytest.mark.parametrize("source, more, said", [
    ("nix:/nix/store/0123456789abcdfghijklmnpqrsvwxyz-nowhere", [], "there is no '/nix/store/0123456789abcdfghijklmnpqrsvwxyz-nowhere/init'"),
    ("nix:/nix/store/a/b", [], "a system is one path"), ("nix:/nix/store/a:b", [], "a system is one path"),
    ("nix:/nix/store/a", ["Digest=sha256:" + "0" * 64], "leave it out"),
    ("nix-profile:/nowhere", [], "leads to no system")])
def test_what_is_no_system_is_refused_before_anything_is_done(clean, source, more, said):
    define(clean, source, *more)
    clean.redd("apply").failed("machine 'web'" if "nowhere/init" not in said else "web", said)
    assert clean.current() == 0


CONF = "SYSTEM_PATH=%s\nAUTO_START=1\nPRIVATE_USERS=pick\nPRIVATE_NETWORK=1\nHOST_ADDRESS=10.233.9.1\nLOCAL_ADDRESS=10.233.9.2\nEXTRA_NSPAWN_FLAGS=--notify-ready=no\n"


def test_a_nixos_container_becomes_a_declared_machine(clean, systems, place):
    """By its conf, with its network; as long as that is there, it is what is started."""
    os.makedirs(nix.CONF, exist_ok=True)
    path = nix.CONF + "/web.conf"
    with open(path, "w") as file:
        file.write(CONF % systems[0])
    clean.redd("import", "nixos-conf", path, "--output=" + declared.DEFINITIONS).ok()
    clean.redd("apply").failed("has the name web")
    os.unlink(path)
    done = clean.redd("apply").ok()
    assert clean.running() == ["web"], done
    assert runs(clean) == systems[0] and "10.233.9.2" in inside(clean, "ip", "addr", "show", "dev", "eth0")
    assert clean.redd("plan").ok().out.endswith("Nothing to do.\n")
