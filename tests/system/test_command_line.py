"""machinectl's command line: refusals, help, JSON, pagers, settings files, other hosts."""
import json
import os
import re
import shutil

import pytest

from support import machines, sandbox

LATER = ["bind-volume", "unbind-volume"]

HOSTILE = ["two  words", "it's", '"quoted"', "$HOME `id` $(id)", "a\\b", "*", "", "-x", "new\nline", "\x1b[31m", "~", "a;b|c&d>e", "\xe4"]


@pytest.fixture(scope="module")
def machinectl(redd):
    return machines.machinectl(redd)


@pytest.fixture(scope="module")
def machine(redd, tree):
    one = machines.Machine(redd, "words", tree)
    yield one
    one.stop()


def script(place, name, text):
    path = os.path.join(place, name)
    with open(path, "w") as file:
        file.write("#!/bin/sh\n" + text)
    os.chmod(path, 0o755)
    return path


@pytest.fixture
def far(machinectl, place):
    """An ssh that runs the words in a shell right here, as that of another host would; what it was told is in the file "told"."""
    os.mkdir(place + "/bin")
    os.symlink(machinectl.path, place + "/bin/machinectl")
    script(place + "/bin", "ssh", 'printf "%%s\\n" "$@" >%s/told\nwhile [ "$1" != -- ]; do shift; done\nshift\nexec sh -c "$*"\n' % place)
    env = {"PATH": "%s/bin:%s" % (place, machinectl.env["PATH"])}

    def run(*args, **kwargs):
        kwargs["env"] = dict(env, **kwargs.get("env", {}))
        return machinectl.run(*args, **kwargs)
    run.env, run.told = env, lambda: open(place + "/told").read().split("\n")[:-1]
    return run


# --- words

@pytest.mark.parametrize("line,words", [
    ("lits", ["'lits'", "(try 'list')"]),
    ("--no-legnd list", ["--no-legnd", "(try --no-legend)"]),
    ("list extra", ["'list'", "too many"]),
    ("status", ["too few", "status NAME..."]),
    ("kill --kill-whom=some x", ["'some'", "all, leader or supervisor"]),
    ("kill --signal=NOSUCH x", ["'NOSUCH'", "a name like TERM"]),
    ("list --max-addresses=many", ["'many'", "a number, or all"]),
    ("list -n x", ["'x'", "-n"]),
    ("list -o fancy", ["'fancy'", "--output=help"]),
    ("list --runner=vmspawn", ["vmspawn", "not built yet"]),
    ("list -V", ["vmspawn", "not built yet"]),
    ("list -E =x", ["'=x'", "NAME=VALUE"]),
    ("--no list", ["--no-pager --no-legend"]),
    ("-H -oProxyCommand=x list", ["'-oProxyCommand=x'"]),
    ("edit web", ["without a terminal"]),
])
def test_refusals_name_the_word_and_the_way_out(machinectl, line, words):
    done = machinectl.run(*line.split()).failed(*words)
    assert done.out == "" and done.err.count("\n") == 1


@pytest.mark.parametrize("verb", LATER)
def test_what_is_not_built_says_so(machinectl, verb):
    done = machinectl.run(verb, "a", "b").failed("'%s'" % verb, "not built yet")
    assert done.out == "" and done.err.count("\n") == 1


def test_help_and_version(machinectl, redd):
    text = machinectl.run("--help").ok().out
    assert all(len(line) <= 80 for line in text.split("\n")) and text.endswith("\n")
    assert machinectl.run("help").ok().out == machinectl.run("list", "-h", "--bogus").ok().out == text
    assert "\x1b[1m" in machinectl.run("help", env={"SYSTEMD_COLORS": "1"}).ok().out
    assert machinectl.run("--version").ok().out == redd.run("--version").ok().out.replace("systemd-nspawn", "machinectl")


def test_values_list_themselves(machinectl):
    assert machinectl.run("--kill-whom=help").ok().lines == ["all", "leader", "supervisor"]
    assert machinectl.run("--verify=help", "bogus").ok().lines == ["no", "checksum", "signature"]
    assert "json-pretty" in machinectl.run("-o", "help").ok().lines
    names = machinectl.run("--signal=help").ok().lines
    assert names[:2] == ["HUP", "INT"] and "RTMIN+1" in names
    assert machinectl.run("--signal=list").ok().lines[1].split() == ["1", "SIGHUP"]


def test_options_of_what_is_run_are_its_own(machinectl, machine):
    assert machinectl.run("exec", "--quiet", machine.name, "echo", "-q", "--all", "--", "x").ok().out == "-q --all -- x\n"
    assert machinectl.run("list", "--no-legend", "-q").ok().out == machinectl.run("-q", "--no-legend", "list").ok().out


def test_a_bare_variable_is_passed_on(machinectl, machine):
    done = machinectl.run("-EGIVEN", "-EUNSET", "exec", "-E", "SAID=a=b", machine.name, "env", env={"GIVEN": "from here"}).ok()
    assert "GIVEN=from here" in done.lines and "SAID=a=b" in done.lines and "UNSET" not in done.out


# --- JSON

def test_json_and_text_tell_the_same(machinectl, machine):
    for how in (["--json=short"], ["--json=pretty"], ["-o", "json"], ["--output=json-pretty"]):
        rows = json.loads(machinectl.run("list", *how).ok().out)
        row = [row for row in rows if row["machine"] == machine.name][0]
        assert list(row) == ["machine", "class", "service", "os", "version", "addresses"]
    text = machinectl.run("list").ok().out
    title, line = text.split("\n")[0], [line for line in text.split("\n") if line.startswith(machine.name)][0]
    assert title.split() == [key.upper() for key in row]
    assert line.split()[:5] == [row[key] or "-" for key in list(row)[:5]]
    assert "\n%d machines listed.\n" % len(rows) in text
    assert machinectl.run("list", "--no-legend").ok().lines[0].split()[1] == "container"
    if "addresses" in row:
        assert "addresses" not in json.loads(machinectl.run("list", "--json=short", "--max-addresses=0").ok().out)[0]


# --- terminals

def test_a_pager_shows_what_is_longer_than_the_screen(machinectl, place):
    pager = script(place, "pages", 'echo "pager $1: $LESS $(wc -l)"\n')
    lines = len(machinectl.run("help").ok().lines)
    for variable in ("SYSTEMD_PAGER", "PAGER"):
        console = machinectl.console("help", env={variable: pager + " -x"}, size=(20, 80))
        assert console.wait() == 0
        assert console.text().strip() == "pager -x: FRSXMK %d" % lines
        console.close()
    for args, env, size in ((["--no-pager"], {}, (20, 80)), ([], {"SYSTEMD_PAGER": ""}, (20, 80)), ([], {}, (lines + 10, 80))):
        console = machinectl.console("help", *args, env=dict({"PAGER": pager}, **env), size=size)
        assert console.wait() == 0
        assert "pager" not in console.text().replace("--no-pager", "").replace("into a pager", "") and "cancel-transfer" in console.text()
        console.close()


def test_a_narrow_screen_cuts_what_is_long(machinectl, machine):
    console = machinectl.console("list", "--no-pager", size=(50, 30))
    assert console.wait() == 0
    lines = console.text().split("\n")
    assert all(len(line) <= 30 for line in lines) and any("\u2026" in line for line in lines), lines
    console.close()
    console = machinectl.console("list", "--no-pager", "--full", size=(50, 30))
    assert console.wait() == 0 and "\u2026" not in console.text() and "systemd-nspawn" in console.text()
    console.close()


# --- settings

@pytest.fixture
def settings(place):
    """Empty places for settings files; those of the host are out of sight."""
    hidden = [path for path in ("/etc/systemd", "/var/lib/machines") if os.path.isdir(path)]
    for path in hidden:
        sandbox.mount("tmpfs", path, "tmpfs")
    yield place
    for path in reversed(hidden):
        sandbox.umount(path)
    if os.path.exists("/run/systemd/nspawn/two.nspawn"):
        os.unlink("/run/systemd/nspawn/two.nspawn")


def put(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)


def edit(machinectl, editor, *names, env=None):
    console = machinectl.console("edit", *names, env=dict({"EDITOR": editor}, **(env or {})))
    console.wait()
    text, status = console.text(), console.status
    console.close()
    return status, text


def test_settings_are_found_in_order(machinectl, settings):
    put("/var/lib/machines/two.nspawn", "pool\n")
    assert machinectl.run("cat", "two").ok().out == "# /var/lib/machines/two.nspawn\npool\n"
    put("/run/systemd/nspawn/two.nspawn", "run")
    assert machinectl.run("cat", "two.nspawn").ok().out == "# /run/systemd/nspawn/two.nspawn\nrun\n"
    put("/etc/systemd/nspawn/two.nspawn", "etc\n")
    put("/etc/systemd/nspawn/one.nspawn", "one\n")
    done = machinectl.run("cat", "two", "none", "one")
    assert done.code == 1 and done.err == "No settings file found for machine 'none'.\n"
    assert done.out == "# /etc/systemd/nspawn/two.nspawn\netc\n\n# /etc/systemd/nspawn/one.nspawn\none\n"
    for name in ("../etc/passwd", "a/b", ".", "..", ""):
        machinectl.run("cat", name).failed("an absolute path")


def test_what_was_applied_is_shown_and_not_edited(machinectl, settings):
    """It goes before all of these files, and belongs to redd."""
    applied = "/var/lib/redd/current/files/web.nspawn"
    put(applied, "applied\n")
    put("/var/lib/machines/web.nspawn", "pool\n")
    editor = script(settings, "ed", 'echo new >"$1"\n')
    try:
        assert machinectl.run("cat", "web").ok().out == "# %s\napplied\n" % applied
        status, said = edit(machinectl, editor, "web")
        assert status == 1 and "'redd apply'" in said and not os.path.exists("/etc/systemd/nspawn")
        assert open(applied).read() == "applied\n"
        put("/etc/systemd/nspawn/web.nspawn", "definition\n")
        assert machinectl.run("cat", "web").ok().out == "# /etc/systemd/nspawn/web.nspawn\ndefinition\n"
        status, said = edit(machinectl, editor, "web")
        assert status == 0 and "until 'redd apply' reads" in said and open("/etc/systemd/nspawn/web.nspawn").read() == "new\n"
    finally:
        shutil.rmtree("/var/lib/redd/current")


def test_editing_replaces_a_file_in_place(machinectl, settings):
    path = settings + "/web.nspawn"
    put(path, "before\n")
    os.chmod(path, 0o640)
    inode = os.stat(path).st_ino
    assert edit(machinectl, script(settings, "ed", 'grep -q before "$1" && echo after >"$1"\n'), path)[0] == 0
    assert open(path).read() == "after\n" and os.stat(path).st_ino != inode and os.stat(path).st_mode & 0o7777 == 0o640
    for text, words in ((': >"$1"', "empty"), ('echo broken >"$1"; exit 3', "failed")):
        status, said = edit(machinectl, script(settings, "ed", text), path)
        assert status == 1 and words in said and open(path).read() == "after\n"
    assert sorted(os.listdir(settings)) == ["ed", "web.nspawn"]


def test_settings_of_a_tree_become_the_administrators_own(machinectl, settings):
    put("/var/lib/machines/web.nspawn", "from the tree\n")
    editor = script(settings, "ed", 'echo more >>"$1"\n')
    assert edit(machinectl, "false", "web", env={"SYSTEMD_EDITOR": editor})[0] == 0
    assert open("/etc/systemd/nspawn/web.nspawn").read() == "from the tree\nmore\n"
    assert open("/var/lib/machines/web.nspawn").read() == "from the tree\n"
    assert edit(machinectl, editor, "web", "new")[0] == 0
    assert open("/etc/systemd/nspawn/web.nspawn").read() == "from the tree\nmore\nmore\n"
    assert open("/etc/systemd/nspawn/new.nspawn").read() == "more\n"
    assert sorted(os.listdir("/etc/systemd/nspawn")) == ["new.nspawn", "web.nspawn"]


def test_the_editors_copy_is_nobody_elses(machinectl, user, settings):
    editor = script(settings, "ed", 'echo "$1" >%s/told; echo mine >"$1"\n' % user.home)
    os.chmod(settings, 0o755)
    one = machinectl.with_prefix(*user.prefix())
    env = dict(user.environment(), XDG_RUNTIME_DIR="", EDITOR=editor)
    theirs = "/tmp/redd-%d" % user.uid
    os.mkdir(theirs)
    try:
        os.chmod(theirs, 0o777)
        console = one.console("edit", "web", env=env)
        assert console.wait() == 1 and "cannot make a copy" in console.text(), console.text()
        console.close()
        assert not os.path.exists(user.home + "/told")
        os.rmdir(theirs)
        console = one.console("edit", "web", env=env)
        assert console.wait() == 0, console.text()
        console.close()
        assert open(user.home + "/.config/systemd/nspawn/web.nspawn").read() == "mine\n"
        assert open(user.home + "/told").read().startswith(theirs + "/web.nspawn-") and os.listdir(theirs) == []
    finally:
        os.rmdir(theirs)


def test_settings_cannot_move_the_cursor(machinectl, settings):
    put(settings + "/a.nspawn", "\x1b[31m[Exec]\n\tBoot=no\n")
    console = machinectl.console("cat", settings + "/a.nspawn")
    assert console.wait() == 0 and b"\x1b[31m" not in console.seen and "\\x1b[31m[Exec]\n" in console.text()
    console.close()
    assert "\x1b[31m" in machinectl.run("cat", settings + "/a.nspawn").ok().out


# --- other hosts

def test_another_host_is_reached_through_ssh(far, machinectl, machine):
    assert far("-H", "ada@far", "list", "--no-legend").ok().out == machinectl.run("list", "--no-legend").ok().out
    assert far.told() == ["ada@far", "--", "'machinectl'", "'list'", "'--no-legend'"]
    far("--host=far:2222/inner", "list", "--json=short")
    assert far.told() == ["-p", "2222", "far", "--", "'machinectl'", "'--machine=inner'", "'list'", "'--json=short'"]
    far("-Hfe80::1", "-M", "inner", "list")
    assert far.told()[0] == "fe80::1" and "'--machine=inner'" in far.told()
    assert far("-H", "far", "exec", machine.name, "--", "sh", "-c", "exit 42").code == 42
    far("-H", "far", "status", "nosuch").failed("nosuch")


@pytest.mark.parametrize("word", HOSTILE, ids=range(len(HOSTILE)))
def test_words_reach_the_other_host_as_they_are(far, machine, word):
    done = far("-H", "far", "-E", "WORD=" + word, "exec", machine.name, "--", "sh", "-c", 'printf "%s|%s" "$WORD" "$1"', "sh", word)
    if "\x1b" in word:
        done.failed("as a value of -E")
        done = far("-H", "far", "-E", "WORD=" + word.replace("\x1b", ""), "exec", machine.name, "printf", "%s", word)
        assert done.ok().out == word
    else:
        assert done.ok().out == "%s|%s" % (word, word)


def test_a_terminal_is_asked_for_when_there_is_one(far, machinectl, machine):
    console = machinectl.console("-H", "far", "exec", machine.name, "tty", env=far.env)
    assert console.wait() == 0 and re.search("/dev/", console.text()) and far.told()[:2] == ["-t", "far"]
    console.close()
    console = machinectl.console("-H", "far", "list", env=far.env)
    assert console.wait() == 0 and far.told()[0] == "far"
    console.close()


@pytest.mark.parametrize("words", [["copy-to", "a", "/b"], ["copy-from", "a", "/b"], ["edit", "a"]], ids=lambda words: words[0])
def test_files_of_this_host_stay_here(far, words):
    far("-H", "far", *words).failed("'%s'" % words[0], "files of this host", "scp")


def test_without_ssh_the_sentence_says_so(machinectl, place):
    machinectl.run("-H", "far", "list", env={"PATH": place}).failed("there is no ssh")


def test_inside_a_machine_the_program_there_is_run(redd, machinectl, fresh):
    tree = fresh()
    script(tree + "/usr/bin", "machinectl", 'printf "<%s>" "$@"; exit 5\n')
    outer = machines.Machine(redd, "outer", tree)
    try:
        done = machinectl.run("-M", "outer", "-l", "exec", "inner", "--", "ls", "-l")
        assert done.code == 5 and done.out == "<--full><exec><inner><--><ls><-l>", done
        machinectl.run("-M", "outer", "copy-to", "a", "/b").failed("files of this host")
    finally:
        outer.stop()
    machinectl.run("-M", "nosuch", "list").failed("nosuch")
