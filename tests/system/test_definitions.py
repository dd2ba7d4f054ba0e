"""Definitions of machines: what `redd` makes of them, and that stock systemd-nspawn starts the same files."""
import json
import os
import shutil
import subprocess

import pytest

from support import machines, sandbox

EXAMPLES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "declare", "examples")
NAMES = sorted(name[:-len(".nspawn")] for name in os.listdir(EXAMPLES))
STOCK = "/usr/bin/systemd-nspawn"
STORE = "/var/lib/redd"
APPLIED = STORE + "/generations/1/files"


@pytest.fixture(scope="session")
def tool(redd):
    return machines.tool(redd, "redd")


@pytest.fixture
def files(place):
    """A way to write files of definitions; files.place is their directory."""
    def write(name, text):
        path = os.path.join(place, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        return path
    write.place = place
    return write


@pytest.fixture
def applied():
    """What the current generation has, as `export` writes it."""
    os.makedirs(APPLIED)
    with open(os.path.dirname(APPLIED) + "/log", "w") as log:
        log.write("1 begin 0 apply\n2 end done\n")
    open(os.path.dirname(APPLIED) + "/images.lock", "w").close()
    os.symlink("generations/1", STORE + "/current")

    def write(name, text):
        with open("%s/%s.nspawn" % (APPLIED, name), "w") as file:
            file.write(text)
    yield write
    os.unlink(STORE + "/current")
    shutil.rmtree(STORE + "/generations")


def plan(tool, *words, changes=True):
    done = tool.run("plan", *words)
    assert done.code == (2 if changes else 0), done
    return done


# ---- stock systemd-nspawn ----

@pytest.fixture
def etc(redd):
    directory = "/etc/systemd/nspawn"
    made = [part for part in ("/srv/www", directory) if not os.path.isdir(part)]
    for part in made:
        os.makedirs(part)

    def write(name, text):
        with open("%s/%s.nspawn" % (directory, name), "w") as file:
            file.write(text)
        write.names.append("%s/%s.nspawn" % (directory, name))
    write.names = []
    yield write
    for path in write.names:
        os.unlink(path)
    for part in made:
        os.rmdir(part)


def stock(tree, name, script="exit 7"):
    """What it says when it runs a command as PID 2 with the file of NAME; of its own it says nothing here."""
    done = subprocess.run([STOCK, "-D", tree, "-M", name, "--register=no", "--keep-unit", "--pipe", "--as-pid2", "sh", "-c", script],
                          capture_output=True, text=True, timeout=60)
    for left in ("payload", "supervisor"):  # with --keep-unit it leaves its cgroups to systemd
        path = os.path.join(sandbox.cgroup_root(), sandbox.own_cgroup().lstrip("/"), left)
        if os.path.isdir(path):
            os.rmdir(path)
    return done


@pytest.mark.parametrize("name", NAMES)
def test_stock_nspawn_starts_the_examples_without_a_word(fresh, etc, name):
    """N24."""
    tree = fresh("busybox", as_name="stock-" + name)
    etc(name, open(os.path.join(EXAMPLES, name + ".nspawn")).read())
    done = stock(tree, name)
    assert done.returncode == 7 and not [line for line in done.stderr.splitlines() if ".nspawn" in line], done


# Beside the conf of a NixOS container, of what that has no words for.
COMPANION = """[Exec]
Capability=CAP_SYS_TIME
Environment=SAID=companion
[Files]
TemporaryFileSystem=/scratch
[X-Nix]
Store=closure
Daemon=no
[X-Unit]
After=db.nspawn
[X-Service]
MemoryMax=512M
"""


def test_stock_nspawn_merges_a_companion_of_a_nixos_container_without_a_word(fresh, etc):
    """N24: mail.nspawn's other half; a stock host starts the container with it as well."""
    tree = fresh("busybox", as_name="stock-mail")
    etc("mail", COMPANION)
    done = stock(tree, "mail", "echo $SAID; grep -o ' /scratch .* tmpfs ' /proc/self/mountinfo >/dev/null && grep CapBnd /proc/self/status; exit 7")
    assert done.returncode == 7 and ".nspawn" not in done.stderr, done
    said, bounding = done.stdout.split("\n")[:2]
    assert said == "companion" and int(bounding.split()[1], 16) & 1 << 25, done


def test_stock_nspawn_would_have_warned(fresh, etc):
    tree = fresh("busybox", as_name="stock-odd")
    etc("odd", "[Exec]\nSource=dir:/x\n[Image]\nRoot=copy\n")
    assert "odd.nspawn" in stock(tree, "odd").stderr


@pytest.mark.parametrize("name", NAMES)
def test_the_flattened_file_is_started_as_well(tool, fresh, etc, name):
    tree = fresh("busybox", as_name="stock-flat-" + name)
    etc(name, tool.run("export", os.path.join(EXAMPLES, name + ".nspawn")).ok().out)
    done = stock(tree, name)
    assert done.returncode == 7 and ".nspawn" not in done.stderr, done


# ---- plan ----

def test_nothing_to_do_is_said_by_the_exit_status(tool, files):
    assert plan(tool, files.place, changes=False).out == "Nothing to do.\n"
    files("plain.nspawn", "[Exec]\nBoot=yes\n")
    assert plan(tool, files.place, "--no-legend", changes=False).out == ""


def test_the_examples_are_planned_and_as_applied_they_are_not(tool, applied):
    done = plan(tool, EXAMPLES, "--json")
    assert [(line["machine"], line["act"]) for line in json.loads(done.out)["changes"]] == [(name, "create") for name in NAMES]
    for name in NAMES:
        applied(name, tool.run("export", os.path.join(EXAMPLES, name + ".nspawn")).ok().out)
    # that they do not run yet is what is left to do
    lines = json.loads(plan(tool, EXAMPLES, "--json").out)["changes"]
    assert [(line["machine"], line["act"]) for line in lines] == [("mail", "start"), ("web", "start")]
    plan(tool, EXAMPLES, "--only=db,dns", changes=False)


@pytest.mark.parametrize("value", ["", ","])
def test_only_nothing_is_not_everything(tool, value):
    """apply --only="$NAME" --yes, and no NAME."""
    for words in (["plan", "--only=" + value], ["apply", "--yes", "--only", value], ["drift", "--only=db", "--only=" + value]):
        tool.run(*words).failed("cannot use '%s' as a value of --only" % value)


def test_only_one_that_there_is_none_of_is_told(tool):
    for verb in ("plan", "drift", "apply"):
        tool.run(verb, EXAMPLES, "--only=db,nobody").failed("cannot find a definition of machine 'nobody'")


def test_only_names_nothing_that_would_go_by_it(tool, files, applied):
    """A file says nothing of others, and gc is about all."""
    web = files("web.nspawn", "[X-Image]\nSource=dir:/srv/web\n")
    applied("web", "[X-Image]\nSource=dir:/srv/web\n")
    applied("db", "[X-Image]\nSource=dir:/srv/db\n")
    for verb in ("plan", "apply", "drift"):
        tool.run(verb, web, "--only=db").failed("cannot find a definition of machine 'db' in what was named")
    plan(tool, web, "--only=web", changes=False)
    plan(tool, web, changes=False)
    assert [line["act"] for line in json.loads(plan(tool, files.place, "--only=db", "--json").out)["changes"]] == ["remove"]
    for words in (["gc"], ["generations"], ["generations", "web"], ["cat", "web"], ["export", "web"], ["doctor"]):
        tool.run(*words, "--only=web").failed("cannot use --only= with '%s'" % words[0])


def test_templates_drop_ins_and_specifiers_make_one_definition(tool, files, applied):
    files("base.nspawn", "[Exec]\nBoot=yes\nHostname=%i\n[X-Service]\nMemoryMax=1G\n")
    web = files("web.nspawn", "[X-Image]\nTemplate=base\nSource=dir:/srv/%i\n")
    files("web.nspawn.d/20-more.conf", "[X-Service]\nMemoryMax=2G\n")
    files("web.nspawn.d/10-less.conf", "[X-Service]\nMemoryMax=512M\n[Exec]\nBoot=\n")
    files("web.nspawn.d/readme", "not read\n")
    flat = tool.run("export", web).ok().out
    assert flat == "[Exec]\nHostname=web\n\n[X-Image]\nSource=dir:/srv/web\n\n[X-Service]\nMemoryMax=2G\n"
    shown = tool.run("cat", web).ok().lines
    assert "# %s/base.nspawn line 3" % files.place in shown
    assert shown[shown.index("MemoryMax=2G") - 1] == "# %s/web.nspawn.d/20-more.conf line 2" % files.place
    applied("web", flat)
    plan(tool, files.place, changes=False)
    files("web.nspawn.d/30-most.conf", "[X-Service]\nMemoryMax=4G\n")
    assert plan(tool, files.place).lines[0].split() == "web live memory max 2G → 4G".split()
    os.unlink(web)
    shutil.rmtree(web + ".d")
    assert plan(tool, files.place).lines[0].split() == ["web", "remove"]


@pytest.mark.parametrize("text, sentence", [
    ("[X-Image]\nSorce=dir:/x\n", "line 2: there is no setting 'Sorce=' in [X-Image] (try 'Source=')"),
    ("[X-Image]\n[Exec]\nBoot=perhaps\n", "line 3: 'Boot=perhaps': not a boolean"),
    ("[X-Image]\nTemplate=web\n", "in a circle"),
    ("[X-Image]\nTemplate=nobody\n", "there is no template 'nobody.nspawn'"),
    ("[X-Image]\nTemplate=../x\n", "'../x' is no name of a template"),
    ("[X-Image]\n", "give [X-Image] Source= in"),
    ("[X-Image]\nSource=tar:/x.tar\nRoot=direct\n", "cannot use 'Root=direct' of machine 'web'"),
    ("[X-Image]\nSource=tar:/x.tar\nDigest=sha512:%s\n" % ("0" * 128), "give a sha256:… one"),
    ("[X-Image]\n[X-Unit]\nRequires=db.nspawn\n", "requires 'db.nspawn', which is not defined"),
    ("[X-Image]\n\xff\n".encode("latin-1").decode("latin-1"), "line 2: there is no '=' in it"),
])
def test_one_mistake_anywhere_is_told_and_nothing_else(tool, files, text, sentence):
    files("good.nspawn", "[X-Image]\nSource=dir:/srv/good\n")
    files("web.nspawn", text)
    done = tool.run("plan", files.place)
    done.failed(sentence)
    assert done.out == "" and len(done.err.splitlines()) == 1


def test_a_file_that_is_not_managed_is_left_alone_but_not_if_it_is_named(tool, files):
    path = files("plain.nspawn", "[Exec]\nNonsense=yes\nno line\n")
    plan(tool, files.place, changes=False)
    tool.run("plan", path).failed("it has no section [X-Image]")
    tool.run("plan", files.place + "/nowhere").failed("cannot read")


@pytest.mark.parametrize("text, sentence", [
    ("[X-Image\nSource=dir:/srv\n", "line 1: a section's heading is [NAME]"), ("[Exec]\nBoot=yes\n[X-Image]]x\nSource=dir:/srv\n", "line 3: a section's heading"),
    ("[X-Imgae]\nSource=dir:/srv\n", "there is no section [X-Imgae] (try [X-Image])"), ("[x-image]\nSource=dir:/srv\n", "(try [X-Image])"),
    ("[Image]\nSource=dir:/srv\n", "(try [X-Image])"), ("[Exec]\nBoot=yes\n\0", "there is a zero byte in it")])
def test_what_a_slip_keeps_from_being_managed_is_refused(tool, files, text, sentence):
    """Else what was applied of it would stop, as if its file were gone."""
    path = files("web.nspawn", text)
    tool.run("plan", files.place).failed("cannot use '%s'" % path, sentence, code=1)


def test_a_running_machine_of_the_name_is_seen(tool, redd, fresh, files):
    tree = fresh("busybox", as_name="seen")
    files("seen.nspawn", "[X-Image]\nSource=dir:/srv/seen\n")
    one = machines.Machine(redd, "seen", tree)
    try:
        assert "a machine of this name runs" in plan(tool, files.place).out
    finally:
        one.stop()
    assert "runs" not in plan(tool, files.place).out


def test_what_this_host_cannot_do_is_listed(tool, files):
    files("web.nspawn", "[X-Image]\nSource=dir:/srv/web\n[X-Service]\nExecStartPre=/bin/true\nRestart=always\n")
    assert plan(tool, files.place).lines[1:] == ["not honoured on this host: web [X-Service] ExecStartPre (no systemd)"]


def test_values_that_only_systemd_follows_are_listed_with_them(tool, files):
    files("db.nspawn", "[X-Image]\nSource=dir:/srv/db\n")
    files("web.nspawn", "[X-Image]\nSource=dir:/srv/web\n[X-Unit]\nRequires=db.nspawn\nAfter=db.nspawn network.target\nConditionPathExists=|/etc\n"
          "[X-Service]\nRestart=on-abort\nSlice=web.slice\n[X-Credential]\nLoadEncrypted=key:/etc/key\n")
    rows = json.loads(plan(tool, files.place, "--json=short").out)["not_honoured"]
    assert [(row["section"], row["key"], row["value"], row["why"]) for row in rows] == [
        ("X-Unit", "After", "db.nspawn network.target", "no systemd"), ("X-Unit", "ConditionPathExists", "|/etc", "no systemd"),
        ("X-Service", "Restart", "on-abort", "no systemd"), ("X-Service", "Slice", None, "no systemd"),
        ("X-Credential", "LoadEncrypted", None, "not built")]
    assert "not honoured on this host: web [X-Service] Restart=on-abort (no systemd)" in plan(tool, files.place).lines


# ---- export ----

def test_what_cannot_be_said_is_told(tool):
    done = tool.run("export", os.path.join(EXAMPLES, "web.nspawn"), "--as=quadlet").ok()
    assert "Image=registry.example.org/web-os:12\n" in done.out
    assert "left out, as there is no word for it: [X-Health] OnFailure=rollback" in done.err
    tool.run("export", os.path.join(EXAMPLES, "web.nspawn"), "--as=tea").failed("try nspawn")
    config = json.loads(tool.run("export", os.path.join(EXAMPLES, "dns.nspawn"), "--as=oci").ok().out)
    assert config["process"]["args"] == ["/usr/sbin/unbound", "-d"]


def test_a_compose_file_comes_back_as_the_same(tool, files):
    """Through another format, of what it has words for."""
    source = files("web.nspawn", "[Exec]\nParameters=/bin/web -x\nEnvironment=A=1\n[Files]\nBindReadOnly=/srv:/data\n"
                   "[Network]\nPort=tcp:8080:80\n[X-Image]\nSource=oci:docker.io/library/web:12\nPersist=/var/log\n"
                   "[X-Service]\nMemoryMax=1G\n")
    compose = files("compose.yaml", tool.run("export", source, "--as=compose").ok().out)
    tool.run("import", "compose", compose, "--output=" + files.place + "/back").ok()
    again = tool.run("export", files.place + "/back/web.nspawn").ok().lines
    for line in ("Parameters=/bin/web -x", "Environment=A=1", "Source=oci:docker.io/library/web:12", "Persist=/var/log"):
        assert line in again, again
    assert [line for line in again if line.startswith("MemoryMax=")], again
    assert [line for line in again if line.startswith("BindReadOnly=/srv:/data")], again
    assert [line for line in again if line.startswith("Port=")], again
