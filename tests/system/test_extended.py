"""Redd's own sections of .nspawn files: what was applied, drop-ins, specifiers, and what the runner does by them."""
import os
import shutil
import socket

import pytest

from support import runner

NAME = "extended"
ETC = "/etc/systemd/nspawn"


@pytest.fixture
def settled(fresh, place):
    """A tree called NAME; write(text) makes its file in /etc/systemd/nspawn, write(text, "10-x") a drop-in."""
    tree, made = fresh("busybox", as_name=NAME), []
    missing = ETC
    while not os.path.isdir(missing):
        made.append(missing)
        missing = os.path.dirname(missing)
    os.makedirs(ETC, exist_ok=True)
    file = os.path.join(ETC, NAME + ".nspawn")

    def write(text, drop_in=None):
        path = file
        if drop_in:
            os.makedirs(file + ".d", exist_ok=True)
            path = os.path.join(file + ".d", drop_in + ".conf")
        with open(path, "w") as out:
            out.write(text)
    write.tree = tree
    yield write
    shutil.rmtree(file + ".d", ignore_errors=True)
    if os.path.exists(file):
        os.unlink(file)
    for path in made:
        os.rmdir(path)


@pytest.fixture
def state(redd, place):
    """A state directory of its own instead of /var/lib/redd, and a runner that sees that one."""
    directory = os.path.join(place, "state")
    os.makedirs(directory, mode=0o755)
    os.makedirs("/var/lib/redd", exist_ok=True)
    script = 'mount --bind "$0" /var/lib/redd && exec "$@"'
    runner = redd.with_prefix("unshare", "-m", "sh", "-c", script, directory)
    runner.directory = directory

    def apply(text, number=1):
        files = os.path.join(directory, "generations", str(number), "files")
        os.makedirs(files)
        with open(os.path.join(files, NAME + ".nspawn"), "w") as out:
            out.write(text)
        link = os.path.join(directory, "current")
        os.symlink("generations/%d" % number, link + ".new")
        os.rename(link + ".new", link)
    runner.apply = apply
    return runner


def run(redd, settled, script, *options, **kwargs):
    return redd.run("-q", "--pipe", "-D", settled.tree, *options, "sh", "-c", script, **kwargs)


def test_drop_ins_are_part_of_the_file(redd, settled):
    settled("[Exec]\nEnvironment=A=file\nHostname=first\n")
    settled("[Exec]\nHostname=second\n", "20-b")
    settled("[Exec]\nHostname=third\nEnvironment=B=drop-in\n", "10-a")
    assert run(redd, settled, "hostname; echo $A $B").ok().lines == ["second", "file drop-in"]


def test_a_drop_in_alone_is_nothing(redd, settled):
    settled("[Exec]\nHostname=second\n", "20-b")
    assert run(redd, settled, "hostname").ok().lines == [NAME]


def test_what_was_applied_goes_before_the_administrators_file(state, settled):
    settled("[Exec]\nHostname=edited\n")
    settled("[Exec]\nEnvironment=A=drop-in\n", "10-a")
    state.apply("[Exec]\nHostname=one\n")
    assert run(state, settled, "hostname; echo -$A").ok().lines == ["one", "-"]
    state.apply("[Exec]\nHostname=two\n", 2)
    assert run(state, settled, "hostname").ok().lines == ["two"]


@pytest.mark.parametrize("who", ["", "generations", "generations/1/files", "generations/1/files/%s.nspawn" % NAME])
def test_what_others_could_have_applied_is_refused(state, settled, who):
    state.apply("[Files]\nBind=/etc:/mnt\n")
    os.chmod(os.path.join(state.directory, who), 0o777)
    run(state, settled, "true").failed("may be changed by others", "--settings=no")
    run(state, settled, "true", "--settings=no").ok()


def test_an_applied_link_that_leads_elsewhere_is_refused(state, settled):
    state.apply("[Exec]\nHostname=one\n")
    os.makedirs(os.path.join(state.directory, "theirs/files"))
    with open(os.path.join(state.directory, "theirs/files/%s.nspawn" % NAME), "w") as out:
        out.write("[Files]\nBind=/etc:/mnt\n")
    os.unlink(os.path.join(state.directory, "current"))
    os.symlink("theirs", os.path.join(state.directory, "current"))
    run(state, settled, "true").failed("current", "redd apply")


def test_specifiers(redd, settled):
    settled("[X-Credential]\nSet=who:%i on %H at 100%%\n[Exec]\nEnvironment=A=%i\n")
    seen = run(redd, settled, "cat $CREDENTIALS_DIRECTORY/who; echo; echo $A").ok().lines
    assert seen == ["%s on %s at 100%%" % (NAME, socket.gethostname()), "%i"]


def test_an_unknown_specifier_stays(state, settled):
    settled("[X-Credential]\nSet=who:%z %i\n")
    assert run(state, settled, "cat $CREDENTIALS_DIRECTORY/who").ok().lines == ["%z " + NAME]
    state.apply("[X-Credential]\nSet=who:%z %i\n")
    assert run(state, settled, "cat $CREDENTIALS_DIRECTORY/who").ok().lines == ["%z %i"]


def test_credentials(redd, settled, place):
    with open(os.path.join(place, "key"), "w") as out:
        out.write("secret")
    settled("[X-Credential]\nLoad=key:%s/key\n" % place)
    assert run(redd, settled, "cat $CREDENTIALS_DIRECTORY/key").ok().lines == ["secret"]
    settled("[X-Credential]\nLoadEncrypted=key:%s/key\n" % place)
    run(redd, settled, "true").failed("LoadEncrypted=", "LoadCredentialEncrypted=")


PERSIST = "[X-Image]\nPersist=/var/lib/state\n[Exec]\nPrivateUsers=%s\n"


@pytest.mark.parametrize("users", ["pick", "no"])
def test_what_persists_is_not_in_the_tree(state, settled, users):
    kept = os.path.join(state.directory, "persist", NAME, "var-lib-state")
    os.makedirs(kept)
    os.chown(kept, 0, 33)
    state.apply(PERSIST % users)
    assert run(state, settled, "stat -c %u:%g /var/lib/state; echo x > /var/lib/state/file").ok().lines == ["0:33"]
    assert os.listdir(kept) == ["file"] and os.stat(os.path.join(kept, "file")).st_uid == 0
    assert not os.path.exists(os.path.join(settled.tree, "var/lib/state/file"))
    assert run(state, settled, "cat /var/lib/state/file").ok().lines == ["x"]


def test_what_was_applied_must_be_there(state, settled):
    state.apply(PERSIST % "pick")
    run(state, settled, "true").failed("var-lib-state")


def test_what_was_not_applied_stays_in_the_tree(redd, settled):
    settled(PERSIST % "no")
    os.makedirs(os.path.join(settled.tree, "var/lib/state"))
    done = run(redd, settled, "echo x > /var/lib/state/file").ok()
    assert "is not kept" in done.err and os.path.exists(os.path.join(settled.tree, "var/lib/state/file"))


def test_limits_of_the_service(redd, settled):
    settled("[X-Service]\nTasksMax=77\nOOMScoreAdjust=123\nMemoryMax=nonsense\nExecStartPre=/bin/false\n")
    done = run(redd, settled, "cat /proc/self/oom_score_adj", "--print-plan").ok()
    assert "MemoryMax=nonsense" in done.err and "ExecStartPre" not in done.err
    assert "TasksMax=77" not in done.err or "going on without" in done.err
    assert run(redd, settled, "cat /proc/self/oom_score_adj").ok().lines == ["123"]


BESIDE = {
    "[X-Image]\nPersist=/var/lib/state\n": "Persist=",
    "[X-Credential]\nLoad=key:/etc/shadow\n": "Load=",
    "[X-Credential]\nSet=key:x\n": "Set=",
    "[X-Service]\nMemoryMax=1\n": "MemoryMax=",
    "[X-Service]\nDeviceAllow=/dev/mem rwm\n": "DeviceAllow=",
    "[X-Service]\nOOMScoreAdjust=-1000\n": "OOMScoreAdjust=",
    "[X-Network]\nNamespacePath=/proc/1/ns/net\n": "NamespacePath=",
    "[X-Network:lan1]\nAddress=10.213.0.2/24\n": "Address=",
    "[X-Network]\nNames=www\n": "Names=",
    "[X-Network:lan1]\nNames=www\n": "Names=",
    "[X-Health]\nCommand=/bin/true\n": "Command=",
}


@pytest.fixture
def beside(settled):
    path = os.path.join(os.path.dirname(settled.tree), NAME + ".nspawn")

    def write(text):
        with open(path, "w") as out:
            out.write(text)
        os.makedirs(path + ".d")
        with open(os.path.join(path + ".d", "10.conf"), "w") as out:
            out.write("[Exec]\nHostname=fooled\n")
    yield write
    os.unlink(path)
    shutil.rmtree(path + ".d")


@pytest.mark.parametrize("text", BESIDE)
def test_a_file_beside_the_tree_has_none_of_it(redd, settled, beside, text):
    """Class S46; with --settings=trusted the same file is believed, so that the refusal is what is seen here."""
    beside(text)
    look = "cat /proc/net/dev | wc -l; hostname; ls $CREDENTIALS_DIRECTORY; cat /proc/self/oom_score_adj"
    done = run(redd, settled, look).ok()
    assert "'%s' is for trusted files" % BESIDE[text] in done.err
    assert done.out == run(redd, settled, look, "--settings=no").ok().out
    assert "for trusted files" not in run(redd, settled, look, "--settings=trusted", "--print-plan").err


LINKS = """[X-Network:lan1]
HostAddress=10.213.99.1/24
Address=10.213.99.2/24
MACAddress=02:00:00:00:00:07
Route=10.213.98.0/24,10.213.99.1
[X-Network:lan2]
HostAddress=10.213.97.1
Address=10.213.97.2
"""


def test_further_links_are_up_before_the_first_instruction(redd, settled):
    settled(LINKS)
    seen = run(redd, settled, "ping -c 1 -W 2 10.213.99.1 > /dev/null && ping -c 1 -W 2 10.213.97.1 > /dev/null && echo both; "
                              "cat /sys/class/net/lan1/address; ip route").ok().lines
    assert seen[:2] == ["both", "02:00:00:00:00:07"]
    assert any("10.213.98.0/24 via 10.213.99.1" in line for line in seen)
    assert not any("default" in line for line in seen)


def test_a_further_link_is_the_one_of_that_name_inside(redd, settled):
    settled("[Network]\nVirtualEthernetExtra=ve-ext:lan1\n" + LINKS.split("[X-Network:lan2]")[0])
    assert run(redd, settled, "ping -c 1 -W 2 10.213.99.1 > /dev/null; echo $?; ls /sys/class/net").ok().lines == ["0", "lan1", "lo"]


UNIT = """[X-Image]
[X-Unit]
After=db.nspawn network.target
[X-Service]
MemoryMax=512M
[X-Install]
WantedBy=machines.target
"""


def generate(state, place):
    out = os.path.join(place, "units")
    os.makedirs(out, exist_ok=True)
    generator = runner.Redd(os.path.join(os.path.dirname(state.path), "redd-generator"), prefix=state.prefix)
    return out, generator.run(out, out, out)


def test_where_the_state_is_mounted_late_systemd_looks_again(state, place):
    state.apply(UNIT)
    out, done = generate(state, place)
    done.ok()
    assert not os.path.exists(out + "/redd-declared.service")
    empty = runner.Redd(state.path, prefix=["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /var/lib && exec "$0" "$@"'])
    out, done = generate(empty, place)
    done.ok()
    with open(out + "/redd-declared.service") as file:
        assert "RequiresMountsFor=/var/lib/redd\n" in file.read()
    assert os.readlink(out + "/multi-user.target.wants/redd-declared.service") == "../redd-declared.service"


@pytest.mark.parametrize("place_of_confs,code", [("/etc/nixos-containers", 1), ("/etc/containers", 0)])
def test_no_directory_of_confs_keeps_a_declared_machine_from_its_unit(state, place, place_of_confs, code):
    state.apply(UNIT)
    before = place_of_confs + ".before"
    if os.path.lexists(place_of_confs):
        os.rename(place_of_confs, before)
    try:
        # what cannot be listed: a link that leads in a circle; and another program's file
        os.symlink(place_of_confs, place_of_confs) if code else open(place_of_confs, "w").close()
        out, done = generate(state, place)
        assert done.code == code and (not code or "cannot read the directory '%s'" % place_of_confs in done.err), done
        assert os.path.exists(os.path.join(out, "container@%s.service.d/50-redd.conf" % NAME))
    finally:
        os.unlink(place_of_confs)
        if os.path.lexists(before):
            os.rename(before, place_of_confs)


def test_a_drop_in_of_the_unit_on_hosts_with_systemd(state, place):
    state.apply(UNIT)
    out, done = generate(state, place)
    done.ok()
    with open(os.path.join(out, "container@%s.service.d/50-redd.conf" % NAME)) as file:
        lines = file.read().splitlines()
    assert lines[2:] == ["[Unit]", "After=container@db.service network.target", "[Service]", "MemoryMax=512M"]
    assert os.readlink(os.path.join(out, "machines.target.wants/container@%s.service" % NAME)) == "../container@.service"


def test_no_drop_in_of_what_others_could_have_written(state, place):
    state.apply(UNIT)
    os.chmod(os.path.join(state.directory, "generations/1/files"), 0o777)
    out, done = generate(state, place)
    done.failed("cannot use")
    assert os.listdir(out) == []
