"""Running a command: exit status, signals, environment, descriptors, user, directory."""
import ctypes
import os
import re
import resource
import select
import signal
import socket
import subprocess
import time

import pytest

from support import runner


def values(lines, key):
    return [rest for name, rest in lines if name == key]


def environment(lines):
    return dict(rest.split("=", 1) for rest in values(lines, "env"))


@pytest.mark.parametrize("code,expected", [(0, 0), (1, 1), (7, 7), (42, 42), (127, 127), (132, 132), (133, 1), (134, 134), (255, 255)])
def test_the_exit_code_is_the_payloads_but_133_becomes_1(redd, tree, code, expected):
    assert redd.run("-D", tree, "sh", "-c", "exit %d" % code).code == expected


@pytest.mark.parametrize("console", ["--pipe", "--console=read-only", "--console=passive", "--console=autopipe"])
def test_every_console_mode_gives_the_exit_code(redd, tree, console):
    assert redd.run("-D", tree, console, "sh", "-c", "exit 9").code == 9


def test_output_arrives_whole(redd, tree):
    done = redd.run("-q", "-D", tree, "seq", "1", "20000").ok()
    assert [line for line in done.lines if line.isdigit()] == [str(n) for n in range(1, 20001)]


def test_output_arrives_whole_through_a_pipe(redd, tree):
    done = redd.run("-D", tree, "--pipe", "seq", "1", "20000").ok()
    assert done.out == "".join("%d\n" % n for n in range(1, 20001))
    assert done.err == ""


def test_input_comes_through_a_pipe(redd, tree):
    assert redd.run("-D", tree, "--pipe", "wc", "-c", input="x" * 100000).ok().out.strip() == "100000"


def test_a_closed_output_pipe_does_not_hang(redd, tree):
    process = redd.start("-D", tree, "--pipe", "sh", "-c", "yes | head -100000; exit 3")
    process.stdout.close()
    assert process.wait(timeout=30) is not None
    process.stderr.close()


@pytest.mark.parametrize("words", [["yes"], ["sh", "-c", "trap '' HUP TERM PIPE; while :; do echo x; done"]], ids=["yes", "stubborn"])
def test_a_command_whose_output_nobody_reads_any_more_ends(redd, tree, words):
    """`systemd-nspawn … | head`, without --pipe: its console is a terminal of its own."""
    process = redd.start("-q", "-D", tree, *words)
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=30) == 1
    process.stderr.close()


def test_a_booted_machine_runs_on_unseen(redd, fresh):
    process = redd.start("-q", "-b", "-D", fresh("busybox"), "-M", "unseen")
    try:
        while "rcS: started" not in process.stdout.readline():
            pass
        process.stdout.close()
        leader = runner.leader(process.pid)
        with open("/proc/%d/root/dev/console" % leader, "w") as terminal:
            for _ in range(3):
                terminal.write("x" * 5000 + "\n")
                terminal.flush()
        assert process.poll() is None and runner.leader(process.pid) == leader
    finally:
        process.terminate()
        process.wait(timeout=30)
        process.stderr.close()


def test_a_missing_program_is_named(redd, tree):
    redd.run("-D", tree, "/no/such/program").failed("/no/such/program")


def test_a_program_that_cannot_be_executed_is_named(redd, tree):
    redd.run("-D", tree, "/etc/passwd").failed("/etc/passwd")


def test_a_missing_tree_is_named(redd):
    redd.run("-D", "/no/such/tree", "true").failed("/no/such/tree")


def test_a_tree_without_usr_is_refused(redd, place):
    redd.run("-D", place, "true").failed(place)


def test_a_file_is_not_a_tree(redd, place):
    path = os.path.join(place, "file")
    open(path, "w").close()
    redd.run("-D", path, "true").failed(path)


def test_a_payload_ended_by_a_signal_is_a_failure(redd, tree):
    process = redd.start("-D", tree, "--pipe", "sleep", "60")
    leader = wait_leader(process)
    os.kill(leader, signal.SIGKILL)
    assert process.wait(timeout=20) == 1
    process.communicate()


def wait_leader(process, command="sleep", seconds=10):
    """PID 1 of the container once it runs COMMAND."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pid = runner.leader(process.pid)
        if pid:
            try:
                with open("/proc/%d/cmdline" % pid, "rb") as file:
                    if command.encode() in file.read():
                        return pid
            except OSError:
                pass
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    raise AssertionError("no payload that runs " + command)


def test_poweroff_from_inside_is_success(redd, tree):
    assert redd.run("-D", tree, "/usr/bin/probe", "reboot", "poweroff").code == 0


def test_reboot_from_inside_starts_again(redd, tree):
    script = "if [ -e /var/again ]; then rm /var/again; exit 5; fi; touch /var/again; exec /usr/bin/probe reboot restart"
    assert redd.run("-D", tree, "sh", "-c", script).code == 5


def test_reboot_with_keep_unit_is_133(redd, tree):
    assert redd.run("--keep-unit", "--register=no", "-D", tree, "/usr/bin/probe", "reboot", "restart").code == 133


def test_reboot_many_times_leaves_nothing(redd, tree):
    script = "n=$(cat /var/n 2>/dev/null || echo 0); echo $((n+1)) > /var/n; [ $n -lt 10 ] || { rm /var/n; exit 6; }; exec /usr/bin/probe reboot restart"
    assert redd.run("-D", tree, "sh", "-c", script).code == 6


def test_a_reboot_keeps_what_was_written_to_a_bind_without_a_source(redd, tree):
    script = "echo x >> /mnt/x/n; echo y >> /mnt/y/n; ls -d /mnt/x/n; [ $(wc -l < /mnt/x/n) -lt 4 ] || exit $(cat /mnt/x/n /mnt/y/n | wc -l); exec /usr/bin/probe reboot restart"
    assert redd.run("-D", tree, "--bind=:/mnt/x", "--overlay=/etc::/mnt/y", "sh", "-c", script).code == 8


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_sigterm_kills_a_plain_command(redd, tree, number):
    process = redd.start("-D", tree, "--pipe", "sleep", "60")
    wait_leader(process)
    process.send_signal(number)
    assert process.wait(timeout=5) == 1
    process.communicate()


def test_the_first_sigterm_sends_the_kill_signal_the_second_kills(redd, tree):
    script = "trap 'echo got' USR1; echo ready; while :; do sleep 0.1; done"
    process = redd.start("-D", tree, "--pipe", "--kill-signal=SIGUSR1", "sh", "-c", script)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "got\n"
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=5) == 1
    process.communicate()


def test_kill_signal_lets_the_payload_choose_the_exit_code(redd, tree):
    script = "trap 'exit 17' TERM; echo ready; while :; do sleep 0.1; done"
    process = redd.start("-D", tree, "--pipe", "--kill-signal=TERM", "sh", "-c", script)
    assert process.stdout.readline() == "ready\n"
    process.terminate()
    assert process.wait(timeout=5) == 17
    process.communicate()


def test_the_payload_dies_with_its_supervisor(redd, tree):
    process = redd.start("-D", tree, "--pipe", "sleep", "61")
    leader = wait_leader(process)
    process.kill()
    process.wait()
    end = time.monotonic() + 5
    while os.path.exists("/proc/%d" % leader) and time.monotonic() < end:
        time.sleep(0.01)
    assert not os.path.exists("/proc/%d/exe" % leader)
    process.communicate()
    redd.run("-D", tree, "true").ok()


# --- as-pid2

def test_as_pid2_makes_the_command_pid_2(redd, tree):
    assert redd.run("-q", "--pipe", "-a", "-D", tree, "sh", "-c", "echo $$").ok().out.strip() == "2"


@pytest.mark.parametrize("code,expected", [(0, 0), (7, 7), (133, 1)])
def test_as_pid2_gives_the_commands_code(redd, tree, code, expected):
    assert redd.run("--as-pid2", "-D", tree, "sh", "-c", "exit %d" % code).code == expected


def test_as_pid2_killed_by_a_signal_is_255(redd, tree):
    assert redd.run("-a", "-D", tree, "sh", "-c", "kill -9 $$").code == 255


def test_the_stub_reaps_orphans(redd, tree):
    script = "(sleep 0.05 &) ; (sleep 0.05 &); sleep 0.4; grep -l '^State:.*Z' /proc/[0-9]*/status; exit 0"
    assert redd.run("-q", "--pipe", "-a", "-D", tree, "sh", "-c", script).ok().out.strip() == ""


@pytest.mark.parametrize("name,code", [("RTMIN+3", 0), ("RTMIN+4", 0), ("RTMIN+13", 0), ("RTMIN+14", 0)])
def test_the_stub_powers_off_on_request(redd, tree, name, code):
    process = redd.start("-a", "--pipe", "-D", tree, "--kill-signal=" + name, "sh", "-c", "echo ready; sleep 60")
    assert process.stdout.readline() == "ready\n"
    process.terminate()
    assert process.wait(timeout=10) == code, process.communicate()
    process.communicate()


def test_the_stub_reboots_on_request(redd, tree):
    process = redd.start("-a", "--pipe", "--keep-unit", "--register=no", "-D", tree, "--kill-signal=INT", "sh", "-c", "echo ready; sleep 60")
    assert process.stdout.readline() == "ready\n"
    process.terminate()
    assert process.wait(timeout=10) == 133
    process.communicate()


def test_the_stub_ignores_sigterm(redd, tree):
    script = "trap '' TERM; kill -TERM 1; sleep 0.3; exit 4"
    assert redd.run("-a", "-D", tree, "sh", "-c", script).code == 4


def test_the_stub_is_called_stubinit_and_shows_little(redd, tree):
    done = redd.run("-q", "--pipe", "-a", "-D", tree, "sh", "-c", "cat /proc/1/comm; tr '\\0' '\\n' < /proc/1/environ; ls /proc/1/fd",
                    env={"SECRET": "canary"}).ok()
    assert "stubinit" in done.lines[0]
    names = [line.split("=")[0] for line in done.lines[1:] if "=" in line]
    assert sorted(names) == ["container", "container_uuid"], done
    assert not [line for line in done.lines[1:] if line.isdigit() and int(line) > 2], done


def test_the_stub_runs_from_no_file_of_the_host(redd, tree):
    done = redd.run("-q", "--pipe", "-a", "-D", tree, "readlink", "/proc/1/exe")
    assert "systemd-nspawn" not in done.out and "/mnt" not in done.out, done


def test_boot_and_as_pid2_contradict_each_other(redd, tree):
    redd.run("-a", "-b", "-D", tree).failed()
    redd.run("-b", "-a", "-D", tree).failed()


# --- environment

ALLOWED = {"PATH", "container", "TERM", "COLORTERM", "NO_COLOR", "HOME", "USER", "LOGNAME", "container_uuid", "NOTIFY_SOCKET", "LANG",
           "container_host_id", "container_host_version_id", "container_host_build_id", "container_host_variant_id"}


def test_the_environment_is_the_documented_one(tell):
    found = environment(tell("env", env={"SECRET": "canary", "LD_PRELOAD": "/evil.so", "BASH_ENV": "/evil", "LC_ALL": "C"}))
    assert set(found) <= ALLOWED, found
    assert found["PATH"] == "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert found["container"] == "systemd-nspawn"
    assert found["HOME"] == "/root" and found["USER"] == found["LOGNAME"] == "root"
    assert found["LANG"] == "C.UTF-8"
    assert found["NOTIFY_SOCKET"] == "/run/host/notify"
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", found["container_uuid"])


def test_term_is_dumb_through_a_pipe_and_copied_to_a_pty(redd, tree):
    assert redd.run("-q", "--pipe", "-D", tree, "sh", "-c", "echo $TERM", env={"TERM": "vt220"}).ok().lines == ["dumb"]
    done = redd.run("-q", "-D", tree, "sh", "-c", "echo term=$TERM", env={"TERM": "vt220", "COLORTERM": "truecolor"}).ok()
    assert "term=vt220" in done.lines


def test_setenv_wins_and_a_bare_name_is_copied(tell):
    found = environment(tell("env", options=["-E", "PATH=/x:/usr/bin", "--setenv=FOO=a=b", "-EBAR", "-E", "GONE"], env={"BAR": "from-host"}))
    assert found["PATH"] == "/x:/usr/bin" and found["FOO"] == "a=b" and found["BAR"] == "from-host" and "GONE" not in found


@pytest.mark.parametrize("word", ["=x", "A B=1", "1A=2", ""])
def test_an_invalid_assignment_is_refused(redd, tree, word):
    redd.run("-D", tree, "-E", word, "true").failed()


def test_the_program_is_searched_in_the_payloads_path(redd, tree):
    os.makedirs(tree + "/opt/tools", exist_ok=True)
    with open(tree + "/opt/tools/only-here", "w") as file:
        file.write("#!/bin/sh\nexit 21\n")
    os.chmod(tree + "/opt/tools/only-here", 0o755)
    assert redd.run("-D", tree, "-E", "PATH=/opt/tools:/usr/bin", "only-here").code == 21
    redd.run("-D", tree, "only-here").failed("only-here")


def test_the_container_service_can_be_renamed(tell):
    assert environment(tell("env", env={"SYSTEMD_NSPAWN_CONTAINER_SERVICE": "redd"}))["container"] == "redd"


def test_uuid_reaches_environment_and_file(redd, fresh):
    tree = fresh()
    done = redd.run("-q", "--pipe", "-D", tree, "--uuid=0123456789abcdef0123456789abcdef", "sh", "-c",
                    "echo $container_uuid; cat /run/host/container-uuid").ok()
    assert done.lines == ["01234567-89ab-cdef-0123-456789abcdef"] * 2


def test_the_trees_machine_id_wins_over_uuid(redd, fresh):
    tree = fresh()
    with open(tree + "/etc/machine-id", "w") as file:
        file.write("f" * 31 + "e\n")
    done = redd.run("-q", "--pipe", "-D", tree, "--uuid=0123456789abcdef0123456789abcdef", "sh", "-c", "echo $container_uuid").ok()
    assert done.out.replace("-", "").strip() == "f" * 31 + "e"


def test_an_invalid_uuid_is_refused(redd, tree):
    for word in ("x", "0" * 32, "0123"):
        redd.run("-D", tree, "--uuid=" + word, "true").failed()


# --- descriptors

def test_only_stdio_is_inherited(redd, tree):
    read, write = os.pipe()
    try:
        done = redd.run("-q", "--pipe", "-D", tree, "/usr/bin/probe", "fds", pass_fds=(read, write)).ok()
    finally:
        os.close(read)
        os.close(write)
    assert [line.split()[1] for line in done.lines] == ["0", "1", "2"], done


def test_listening_sockets_are_passed_on(redd, tree):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("\0redd-test-%d" % os.getpid())
    listener.listen()

    def prepare():
        os.dup2(listener.fileno(), 3)
        os.dup2(listener.fileno(), 4)
        os.environ["LISTEN_PID"] = str(os.getpid())

    # LISTEN_PID must be the program's own: a shell sets it and execs
    argv = ["sh", "-c", 'LISTEN_FDS=2 LISTEN_PID=$$ exec "$@"', "sh", *redd.argv("-q", "--pipe", "-D", tree, "/usr/bin/probe", "fds", "env")]
    done = subprocess.run(argv, capture_output=True, text=True, env=redd.env, stdin=subprocess.DEVNULL,
                          preexec_fn=prepare, close_fds=False, timeout=30)
    listener.close()
    assert done.returncode == 0, done
    fds = dict(line.split()[1:3] for line in done.stdout.splitlines() if line.startswith("fd "))
    assert sorted(fds) == ["0", "1", "2", "3", "4"] and fds["3"] == fds["4"] and fds["3"].startswith("socket:"), done
    assert "env LISTEN_FDS=2" in done.stdout and "env LISTEN_PID=1" in done.stdout


def test_sockets_for_somebody_else_are_not_passed_on(redd, tree):
    done = redd.run("-q", "--pipe", "-D", tree, "/usr/bin/probe", "fds", "env", env={"LISTEN_FDS": "1", "LISTEN_PID": "1"}).ok()
    assert "LISTEN_FDS" not in done.out


# --- directory, user, names

def test_chdir(redd, tree):
    assert redd.run("-q", "--pipe", "-D", tree, "--chdir=/usr/lib", "pwd").ok().lines == ["/usr/lib"]
    assert redd.run("-q", "--pipe", "-D", tree, "pwd").ok().lines == ["/"]


@pytest.mark.parametrize("path", ["/proc/self/fd", "/sys/kernel", "/dev/shm", "relative", "/usr/../etc"])
def test_chdir_refuses_api_file_systems_and_odd_paths(redd, tree, path):
    redd.run("-D", tree, "--chdir=" + path, "true").failed()


def test_chdir_to_nowhere_is_an_error(redd, tree):
    redd.run("-D", tree, "--chdir=/no/where", "true").failed("/no/where")


@pytest.mark.parametrize("user", ["user", "1000"])
def test_user_is_looked_up_in_the_tree(redd, tree, user):
    done = redd.run("-q", "--pipe", "-D", tree, "--user=" + user, "/usr/bin/probe", "ids", "env", "cwd").ok()
    assert "uid 1000 1000 1000" in done.lines and "gid 1000 1000 1000" in done.lines
    groups = [line for line in done.lines if line.startswith("groups")][0].split()[1:]
    assert set(groups) - {"1000"} == {"29", "44"}, done
    assert "env HOME=/home/user" in done.lines and "env USER=user" in done.lines and "cwd /" in done.lines
    assert os.stat(tree + "/home/user").st_mode & 0o777 == 0o755


def test_a_user_has_no_capabilities(tell):
    status = dict(rest.split(":\t", 1) for rest in values(tell("caps", options=["-u", "user"]), "status") if ":\t" in rest)
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[name], 16) == 0, status


@pytest.mark.parametrize("name", ["root", "0"])
def test_root_by_name_and_number(redd, tree, name):
    done = redd.run("-q", "--pipe", "-D", tree, "-u", name, "/usr/bin/probe", "ids").ok()
    assert "uid 0 0 0" in done.lines and "groups" in done.lines


def test_an_unknown_user_is_an_error(redd, tree):
    redd.run("-D", tree, "-u", "nobody-here", "true").failed("nobody-here")


def test_hostname_is_the_machine_or_the_option(redd, tree):
    assert redd.run("-q", "--pipe", "-D", tree, "-M", "some-name", "hostname").ok().lines == ["some-name"]
    assert redd.run("-q", "--pipe", "-D", tree, "-M", "some-name", "--hostname=other", "hostname").ok().lines == ["other"]
    assert redd.run("-q", "--pipe", "-D", tree, "hostname").ok().lines == [os.path.basename(tree)]


@pytest.mark.parametrize("name", ["a_b", "-a", "a-", "a..b", ".a", "a/b", "a b", "x" * 65, "a%n", "a\nb", "é", ".", ".."])
def test_an_invalid_machine_name_is_refused(redd, tree, name):
    redd.run("-D", tree, "-M", name, "true").failed()


# --- limits and friends

def may_raise_limits():
    with open("/proc/self/status") as file:
        return bool(int(re.search(r"CapEff:\s*(\w+)", file.read()).group(1), 16) >> 24 & 1)


def limits(lines):
    return {rest.split()[0]: tuple(int(v) for v in rest.split()[1:]) for rest in values(lines, "limit")}


def test_limits_have_the_documented_defaults(tell):
    found = limits(tell("limits"))
    infinity = (-1, -1)
    for name in ("AS", "CPU", "DATA", "FSIZE", "LOCKS", "RSS", "RTTIME"):
        assert found[name] == infinity, (name, found)
    hard = min(int(open("/proc/sys/fs/nr_open").read()), 524288)
    if not may_raise_limits():
        hard = min(hard, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    assert found["NOFILE"] == (1024, hard) and found["STACK"] == (8388608, -1) and found["CORE"] == (0, -1)
    assert found["MEMLOCK"] == (8388608, 8388608) and found["MSGQUEUE"] == (819200, 819200)
    assert found["NICE"] == (0, 0) and found["RTPRIO"] == (0, 0)


@pytest.mark.parametrize("word,name,value", [
    ("NOFILE=77", "NOFILE", (77, 77)), ("RLIMIT_NOFILE=66:88", "NOFILE", (66, 88)), ("CORE=infinity", "CORE", (-1, -1)),
    ("FSIZE=1M", "FSIZE", (1 << 20, 1 << 20)), ("CPU=100:infinity", "CPU", (100, -1)), ("NICE=+1", "NICE", (19, 19)),
])
def test_rlimit(tell, word, name, value):
    if name == "NICE" and not may_raise_limits():
        value = resource.getrlimit(resource.RLIMIT_NICE)
    assert limits(tell("limits", options=["--rlimit=" + word]))[name] == value


def test_oom_score(tell):
    assert values(tell("oom", options=["--oom-score-adjust=321"]), "oom") == ["321"]


def test_cpu_affinity(redd, tree):
    done = redd.run("-q", "--pipe", "-D", tree, "--cpu-affinity=0", "grep", "Cpus_allowed_list", "/proc/self/status").ok()
    assert done.out.split() == ["Cpus_allowed_list:", "0"]


def test_personality(redd, tree):
    assert redd.run("-q", "--pipe", "-D", tree, "--personality=x86", "uname", "-m").ok().lines == ["i686"]


def test_no_new_privileges(tell):
    assert values(tell("ids", options=["--no-new-privileges=yes"]), "nonewprivs") == ["1"]
    assert values(tell("ids"), "nonewprivs") == ["0"]


def test_the_notify_socket_forwards_ready(redd, tree, place):
    path = os.path.join(place, "notify")
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(path)
    receiver.settimeout(10)
    process = redd.start("--pipe", "--notify-ready=yes", "-D", tree, "sh", "-c", "exec 3>&1; probe notify STATUS=hello; exec probe notify READY=1 sleep",
                         env={"NOTIFY_SOCKET": path})
    got = []
    try:
        while not any("READY=1" in message for message in got):
            got.append(receiver.recv(4096).decode())
    finally:
        process.terminate()
        process.communicate(timeout=10)
        receiver.close()
    text = "\n".join(got)
    assert "STATUS=Container started." in text and "X_NSPAWN_LEADER_PID=" in text
    assert "hello" not in text, "a message of another process than PID 1 was forwarded"


def test_ready_comes_at_once_without_notify_ready(redd, tree, place):
    path = os.path.join(place, "notify")
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(path)
    receiver.settimeout(10)
    process = redd.start("--pipe", "-D", tree, "sleep", "60", env={"NOTIFY_SOCKET": path})
    try:
        got = ""
        while "READY=1" not in got:
            got += receiver.recv(4096).decode() + "\n"
    finally:
        process.terminate()
        process.communicate(timeout=10)
        receiver.close()


# --- the command line

def test_help_and_version(redd):
    assert "--boot" in redd.run("--help").ok().out
    assert redd.run("--version").ok().out
    assert redd.run("-h").ok().out == redd.run("--help").out


@pytest.mark.parametrize("option", ["volatile", "kill-signal", "resolv-conf", "timezone", "console", "private-users-ownership", "capability",
                                    "drop-capability", "ambient-capability", "rlimit"])
def test_help_values(redd, option):
    assert len(redd.run("--%s=help" % option).ok().lines) >= 3


def test_options_stop_at_the_first_word(redd, tree):
    assert redd.run("-q", "--pipe", "-D", tree, "echo", "--version", "-x").ok().lines == ["--version -x"]


def test_long_options_may_be_abbreviated(redd, tree):
    assert redd.run("-q", "--pipe", "--direct", tree, "--mach=abc", "hostname").ok().lines == ["abc"]


@pytest.mark.parametrize("arguments", [["--no-such"], ["--private-users=x"], ["--console=x"], ["--kill-signal=x"], ["--capability=CAP_X"],
                                       ["--oom-score-adjust=2000"], ["--rlimit=X=1"], ["--cpu-affinity=x"], ["--volatile=x"]])
def test_a_wrong_value_is_refused(redd, tree, arguments):
    redd.run("-D", tree, *arguments, "true").failed()


@pytest.mark.parametrize("arguments", [
    ["--oci-bundle=/x"], ["--image=/x.raw"], ["--root-hash=" + "0" * 64],
])
def test_what_is_not_built_yet_is_refused_by_name(redd, tree, arguments):
    if not any(argument.startswith(("--image", "--oci")) for argument in arguments):
        arguments = ["-D", tree, *arguments]
    done = redd.run(*arguments, "true").failed()
    assert done.err.strip(), done


@pytest.mark.parametrize("arguments", [["--register=no"], ["--keep-unit"], ["--link-journal=no"], ["--register=no", "--keep-unit"], ["--register=auto"]])
def test_what_asks_for_nothing_is_accepted(redd, tree, arguments):
    redd.run("-D", tree, *arguments, "true").ok()


def test_two_runs_cannot_share_a_writable_tree(redd, tree):
    process = redd.start("--pipe", "-D", tree, "sleep", "60")
    wait_leader(process)
    try:
        done = redd.run("-D", tree, "true")
        assert done.code == 1 and "in use" in done.err, done
        redd.run("-D", tree, "--read-only", "true").failed("in use")
        redd.run("-x", "-D", tree, "true").ok()
    finally:
        process.terminate()
        process.communicate()
    redd.run("-D", tree, "true").ok()


def test_a_given_name_is_not_changed(redd, fresh):
    process, other = redd.start("--pipe", "-M", "given", "-D", fresh(), "sleep", "60"), fresh()
    wait_leader(process)
    try:
        redd.run("-M", "given", "-D", other, "true").failed("'given'", "running")
        redd.run("-D", other, "true").ok()
    finally:
        process.terminate()
        process.communicate()
    redd.run("-M", "given", "-D", other, "true").ok()


@pytest.mark.parametrize("asked", [False, True])
def test_without_cgroups_no_device_can_be_made(redd, tree, asked):
    hide = 'for i in /sys/fs/cgroup/unified /sys/fs/cgroup; do mount -t tmpfs none $i; done 2>/dev/null; exec "$@"'
    hidden = redd.with_prefix("unshare", "-m", "sh", "-c", hide, "sh")
    options = ["--capability=CAP_MKNOD"] if asked else []
    done = hidden.run("--pipe", "--private-users=no", "-D", tree, *options, "sh", "-c", "mknod /tmp/disk b 7 0 && echo made; rm -f /tmp/disk")
    assert done.code == 0 and ("made" in done.out) == asked, done
    assert done.err.count("cannot restrict which devices") == 1, done
    done = hidden.run("--pipe", "-D", tree, "true").ok()
    assert "cannot restrict" not in done.err, done


def test_read_only_runs_share_a_tree(redd, tree):
    process = redd.start("--pipe", "--read-only", "-D", tree, "sleep", "60")
    wait_leader(process)
    try:
        redd.run("--read-only", "-D", tree, "true").ok()
        redd.run("-D", tree, "true").failed("in use")
    finally:
        process.terminate()
        process.communicate()


def test_suppress_sync(tell):
    lines = tell("fsync", "/root/file", options=["--suppress-sync=yes"])
    found = dict(lines)
    assert found["fsync"] == "ok" and found["badfd"] == "Bad file descriptor" and found["osync"] == "Invalid argument", lines
    assert dict(tell("fsync", "/root/file"))["osync"] == "ok"


def test_credentials(redd, tree, place):
    path = os.path.join(place, "secret")
    with open(path, "w") as file:
        file.write("from file")
    done = redd.run("-q", "--pipe", "-D", tree, "--set-credential=one:a\\x20b", "--load-credential=two:" + path, "sh", "-c",
                    "echo $CREDENTIALS_DIRECTORY; cd $CREDENTIALS_DIRECTORY; for f in *; do stat -c '%n %a %u' $f; cat $f; echo; done; touch x 2>/dev/null && echo writable; stat -c %a .").ok()
    assert done.lines == ["/run/host/credentials", "one 400 0", "a b", "two 400 0", "from file", "500"], done


@pytest.mark.parametrize("word", ["noseparator", "a/b:x", "..:x", ":x"])
def test_an_invalid_credential_is_refused(redd, tree, word):
    redd.run("-D", tree, "--set-credential=" + word, "true").failed()


def test_a_session_keyring_of_its_own(tell):
    libc = ctypes.CDLL(None, use_errno=True)
    add_key, session = 248, -3
    serial = libc.syscall(add_key, b"user", b"redd-canary", b"secret", 6, session)
    assert serial > 0
    try:
        # the default filter denies keyctl; with it out of the way the host's key must still not be there
        assert values(tell("keyring", env={"SYSTEMD_SECCOMP": "0"}), "canary")[0].startswith("-1")
    finally:
        libc.syscall(250, 3, serial, 0, 0, 0)


def test_the_stub_dies_with_its_supervisor(redd, tree):
    """Nothing but the parent-death signal can end it: no terminal that hangs up, and the payload ignores SIGHUP."""
    process = redd.start("-a", "--pipe", "-D", tree, "sh", "-c", "trap '' HUP; echo ready; sleep 301; sleep 302")
    assert process.stdout.readline() == "ready\n", process.communicate()
    with open("/proc/%d/task/%d/children" % (process.pid, process.pid)) as file:
        stub = int(file.read().split()[0])
    stub_fd = os.pidfd_open(stub)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert select.select([stub_fd], [], [], 10)[0], "the stub lives on"
    os.close(stub_fd)
    redd.run("-q", "--pipe", "-D", tree, "true").ok()


def test_without_a_user_namespace_the_callers_groups_stay_outside(redd, tree):
    done = redd.with_prefix("setpriv", "--regid=7", "--groups=1234,27").run("-q", "--pipe", "--private-users=no", "-D", tree, "id").ok()
    assert "1234" not in done.out and "gid=0" in done.out, done


def test_a_loaded_credential_is_waited_for_and_survives_a_reboot(redd, tree):
    script = ("exec 9< <(sleep 0.3; echo secret); exec \"$@\"")
    done = subprocess.run(["bash", "-c", script, "bash", redd.path, "-q", "--pipe", "-D", tree, "--load-credential=x:/dev/fd/9", "sh", "-c",
                           "cat /run/host/credentials/x; test -e /again && exit 4; touch /again; reboot -f"], capture_output=True, text=True)
    os.unlink(tree + "/again")
    assert done.returncode == 4 and done.stdout == "secret\nsecret\n", done


@pytest.mark.parametrize("words,said", [
    (["nosuch"], "cannot run 'nosuch': there is no such program in the container's $PATH (it, its interpreter or its loader is not in the tree)"),
    (["/nosuch"], "cannot run '/nosuch': there is no such program in the container (it, its interpreter or its loader is not in the tree)"),
    (["--chdir=/nope", "true"], "cannot change to the directory '/nope' (--chdir=): No such file or directory"),
    (["--cpu-affinity=8191", "true"], "cannot set the CPU affinity (--cpu-affinity=): Invalid argument (this host has none of these processors to give)"),
    (["--bind=/nope:/mnt", "true"], "bind '/nope' to '/mnt' (--bind=): cannot find '/nope' on the host: No such file or directory"),
    (["--bind=+/nope:/mnt", "true"], "bind '/nope' to '/mnt' (--bind=): cannot find '/nope' in the tree: No such file or directory"),
], ids=lambda value: value[0] if isinstance(value, list) else "")
def test_what_is_not_there_is_named_once(redd, tree, words, said):
    done = redd.run("-q", "-D", tree, *words)
    assert done.code == 1 and done.err == said + "\n", done
