""".nspawn files: where they are looked for, whom they may be trusted from, who wins."""
import os

import pytest

NAME = "settled"


@pytest.fixture
def settled(fresh):
    """A tree of its own, called NAME, with a way to write its settings files."""
    tree = fresh("busybox", as_name=NAME)
    made = []

    def write(text, where="etc"):
        directory = {"etc": "/etc/systemd/nspawn", "run": "/run/systemd/nspawn", "beside": os.path.dirname(tree)}[where]
        missing = directory
        while not os.path.isdir(missing):
            made.append(missing)
            missing = os.path.dirname(missing)
        os.makedirs(directory, exist_ok=True)
        path = os.path.join(directory, NAME + ".nspawn")
        with open(path, "w") as file:
            file.write(text)
        made.insert(0, path)
        return path
    write.tree = tree
    yield write
    for path in made:
        if os.path.isdir(path):
            try:
                os.rmdir(path)
            except OSError:
                pass
        elif os.path.lexists(path):
            os.unlink(path)


def run(redd, settled, script, *options, **kwargs):
    return redd.run("-q", "--pipe", "-D", settled.tree, *options, "sh", "-c", script, **kwargs)


@pytest.mark.parametrize("where", ["etc", "run", "beside"])
def test_a_file_is_found(redd, settled, where):
    settled("[Exec]\nEnvironment=A=1 \"B=two words\"\nHostname=from-file\n", where)
    assert run(redd, settled, "echo $A; echo $B; hostname").ok().lines == ["1", "two words", "from-file"]


def test_the_first_file_wins_and_nothing_is_merged(redd, settled):
    settled("[Exec]\nEnvironment=A=beside B=beside\n", "beside")
    assert run(redd, settled, "echo $A$B").ok().lines == ["besidebeside"]
    settled("[Exec]\nEnvironment=A=run\n", "run")
    assert run(redd, settled, "echo $A$B").ok().lines == ["run"]
    settled("[Exec]\nEnvironment=A=etc\n", "etc")
    assert run(redd, settled, "echo $A$B").ok().lines == ["etc"]


UNTRUSTED = {
    "[Exec]\nCapability=CAP_SYS_TIME\n": "Capability",
    "[Exec]\nAmbientCapability=CAP_KILL\n": "AmbientCapability",
    "[Exec]\nMachineID=0123456789abcdef0123456789abcdef\n": "MachineID",
    "[Exec]\nPrivateUsers=no\n": "PrivateUsers",
    "[Exec]\nEphemeral=yes\n": "Ephemeral",
    "[Exec]\nLimitNOFILE=17\n": "LimitNOFILE",
    "[Exec]\nOOMScoreAdjust=100\n": "OOMScoreAdjust",
    "[Exec]\nCPUAffinity=0\n": "CPUAffinity",
    "[Exec]\nLinkJournal=guest\n": "LinkJournal",
    "[Exec]\nSystemCallFilter=@clock\n": "SystemCallFilter",
    "[Files]\nBind=/etc:/mnt\n": "Bind",
    "[Files]\nBindReadOnly=/etc:/mnt\n": "BindReadOnly",
    "[Files]\nTemporaryFileSystem=/mnt\n": "TemporaryFileSystem",
    "[Files]\nInaccessible=/etc\n": "Inaccessible",
    "[Files]\nOverlay=/etc::/mnt\n": "Overlay",
    "[Files]\nBindUser=root\n": "BindUser",
    "[Files]\nPrivateUsersOwnership=chown\n": "PrivateUsersOwnership",
    "[Network]\nPrivate=yes\n": "Private",
}
LOOK = "cat /proc/self/mountinfo | wc -l; grep CapBnd /proc/self/status; ulimit -n; ls /mnt /etc | head -5; cat /proc/self/oom_score_adj; cat /proc/net/dev | wc -l; " \
       "awk '{print $3}' /proc/self/uid_map"


@pytest.mark.parametrize("text", UNTRUSTED, ids=list(UNTRUSTED.values()))
def test_what_an_untrusted_file_asks_for_is_ignored_and_said(redd, settled, text):
    os.makedirs(settled.tree + "/mnt", exist_ok=True)
    plain = run(redd, settled, LOOK).ok()
    settled(text, "beside")
    done = redd.run("--pipe", "-D", settled.tree, "sh", "-c", LOOK).ok()
    assert done.out == plain.out, (done, plain)
    assert UNTRUSTED[text] in done.err and "trust" in done.err, done


@pytest.mark.parametrize("text", ["[Exec]\nDropCapability=CAP_CHOWN\n", "[Exec]\nWorkingDirectory=/usr\n", "[Exec]\nNoNewPrivileges=yes\n",
                                  "[Exec]\nSystemCallFilter=~mkdir\n", "[Files]\nReadOnly=yes\n", "[Files]\nVolatile=overlay\n", "[Exec]\nUser=user\n"])
def test_what_only_takes_away_is_allowed_from_an_untrusted_file(redd, settled, text):
    look = "grep -E 'CapBnd|NoNewPrivs' /proc/self/status; pwd; touch /etc/x 2>&1; rm -f /etc/x; mkdir /tmp/y 2>&1; id -u; grep -c overlay /proc/self/mountinfo"
    plain = run(redd, settled, look)
    settled(text, "beside")
    done = run(redd, settled, look)
    assert done.out != plain.out, (text, done)


def test_settings_trusted_trusts_every_file(redd, settled):
    settled("[Files]\nTemporaryFileSystem=/mnt/here\n", "beside")
    assert "/mnt/here" in run(redd, settled, "cat /proc/self/mountinfo", "--settings=trusted").ok().out
    assert "/mnt/here" not in run(redd, settled, "cat /proc/self/mountinfo", "--settings=yes").ok().out


def test_settings_no_reads_nothing(redd, settled):
    settled("[Exec]\nEnvironment=A=1\n")
    assert run(redd, settled, "echo $A.", "--settings=no").ok().lines == ["."]


def test_options_win_by_group(redd, settled):
    settled("[Exec]\nEnvironment=A=1 B=2\nHostname=from-file\n[Files]\nTemporaryFileSystem=/mnt/one\n")
    done = run(redd, settled, "echo $A$B.$C; hostname; cat /proc/self/mountinfo", "-E", "C=3", "--tmpfs=/mnt/two").ok()
    assert done.lines[0] == ".3" and done.lines[1] == "from-file"
    assert "/mnt/two" in done.out and "/mnt/one" not in done.out


def test_override_lets_the_file_win(redd, settled):
    settled("[Exec]\nEnvironment=A=file\n[Files]\nTemporaryFileSystem=/mnt/one\n")
    done = run(redd, settled, "echo $A; cat /proc/self/mountinfo", "--settings=override", "-E", "A=option", "--tmpfs=/mnt/two").ok()
    assert done.lines[0] == "file" and "/mnt/one" in done.out and "/mnt/two" not in done.out


def test_positional_words_mask_the_start_mode(redd, settled):
    settled("[Exec]\nProcessTwo=yes\nParameters=/bin/false\n")
    assert run(redd, settled, "echo $$").ok().lines == ["1"]
    assert redd.run("-q", "--pipe", "-D", settled.tree).code == 1


def test_parameters_need_a_start_mode(redd, settled):
    settled("[Exec]\nParameters=/bin/sh -c \"echo from-file; exit 5\"\nProcessTwo=yes\n")
    done = redd.run("-q", "--pipe", "-D", settled.tree)
    assert done.code == 5 and done.lines == ["from-file"]


def test_capabilities_are_merged(redd, settled):
    settled("[Exec]\nCapability=CAP_SYS_TIME CAP_SYS_MODULE\nDropCapability=CAP_CHOWN\n")
    done = run(redd, settled, "grep CapBnd /proc/self/status", "--private-users=no").ok()
    mask = int(done.out.split()[1], 16)
    assert mask >> 25 & 1 and mask >> 16 & 1 and not mask & 1


def test_unknown_keys_and_sections_warn_and_go_on(redd, settled):
    settled("[Exec]\nNoSuchKey=1\nHostname=fine\n[Nonsense]\nA=b\n[X-Mine]\nZ=y\n[Files]\nX-Own=1\n")
    done = redd.run("--pipe", "-D", settled.tree, "hostname").ok()
    assert done.lines == ["fine"]
    assert "NoSuchKey" in done.err and "Nonsense" in done.err and "X-Mine" not in done.err, done


def test_a_bad_value_warns_and_goes_on(redd, settled):
    settled("[Exec]\nOOMScoreAdjust=abc\nHostname=fine\n")
    done = redd.run("--pipe", "-D", settled.tree, "hostname").ok()
    assert done.lines == ["fine"] and "OOMScoreAdjust" in done.err


def test_continuation_comments_and_reset(redd, settled):
    settled("# comment\n; comment\n[Exec]\nEnvironment=A=1\nEnvironment=\nEnvironment=B=2 \\\n  C=3\n")
    assert run(redd, settled, "echo $A.$B.$C").ok().lines == [".2.3"]


def test_private_users_of_a_trusted_file(redd, settled):
    settled("[Exec]\nPrivateUsers=no\n")
    assert run(redd, settled, "cat /proc/self/uid_map").ok().out.split() == ["0", "0", "4294967295"]
    settled("[Exec]\nPrivateUsers=identity\n")
    assert run(redd, settled, "cat /proc/self/uid_map").ok().out.split() == ["0", "0", "65536"]


def test_an_unreadable_file_is_fatal(redd, settled):
    path = settled("")
    os.unlink(path)
    os.symlink(path, path)
    done = run(redd, settled, "true")
    assert done.code == 1 and NAME + ".nspawn" in done.err


@pytest.mark.parametrize("kind", ["huge", "binary", "fifo"])
def test_a_hostile_file_beside_the_tree_is_survived(redd, settled, kind):
    path = os.path.join(os.path.dirname(settled.tree), NAME + ".nspawn")
    if kind == "fifo":
        os.mkfifo(path)
    else:
        with open(path, "wb") as file:
            file.write(b"[Exec]\n" + (b"Environment=A=" + b"x" * 100000 + b"\n") * 300 if kind == "huge" else bytes(range(256)) * 100)
    try:
        done = run(redd, settled, "true", timeout=20)
        assert done.code in (0, 1), done
    finally:
        os.unlink(path)


def test_the_file_of_an_ephemeral_machine_is_the_trees(redd, settled):
    settled("[Exec]\nEnvironment=A=1\n")
    assert run(redd, settled, "echo $A", "-x").ok().lines == ["1"]


def test_the_plan_names_file_and_line(redd, settled):
    settled("[Exec]\n\n[Files]\nTemporaryFileSystem=/mnt/from-file\n")
    done = redd.run("--print-plan", "-D", settled.tree, "true").ok()
    line = [line for line in done.lines if "/mnt/from-file" in line][0]
    assert NAME + ".nspawn" in line and "4" in line, line
