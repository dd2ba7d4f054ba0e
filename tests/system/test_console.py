"""The console: a real terminal in front, the container's own pty behind."""
import os
import signal
import subprocess
import termios
import time

import pytest

from support.console import Console, Timeout


@pytest.fixture
def console(redd):
    made = []

    def start(*args, **kwargs):
        made.append(redd.console(*args, **kwargs))
        return made[-1]
    yield start
    for one in made:
        one.close()


def shell(console, tree, *options, **kwargs):
    one = console("-q", "-D", tree, *options, "/bin/sh", **kwargs)
    one.expect("# ", 20)
    one.line("PS1='> '; stty -echo")
    one.expect("> ", 10)
    return one


def test_interactive_by_default_on_a_terminal(console, tree):
    one = shell(console, tree)
    assert one.ask("tty") in ("/dev/console", "/dev/pts/0")
    assert one.ask("for n in 0 1 2; do readlink /proc/self/fd/$n; done").split() == ["/dev/pts/0"] * 3
    assert one.ask("echo hi > /dev/tty; echo after") .split() == ["hi", "after"]
    one.line("exit 12")
    assert one.wait(10) == 12


def test_dev_console_is_the_containers_own_pty(console, tree):
    one = shell(console, tree)
    console_number, pty_number = one.ask("stat -L -c %t:%T /dev/console; stat -c %t:%T /dev/pts/0").split()
    assert console_number == pty_number and console_number.startswith("88:")
    assert one.ask("mount | grep ' /dev/pts ' | grep -c ptmxmode=666") == "1"
    assert one.ask("stat -c '%u %g %a' /dev/pts/0").split()[:1] == ["0"]


def test_a_new_pty_can_be_had_inside(console, tree):
    one = shell(console, tree)
    # script(1) is not in the tree: opening ptmx shows that the instance is usable
    assert one.ask("exec 5<>/dev/ptmx && ls /dev/pts | sort | tr '\\n' ' '; exec 5>&-").split() == ["0", "1", "ptmx"]


@pytest.mark.parametrize("size", [(24, 80), (50, 132), (3, 7)])
def test_the_window_size_is_there_from_the_start(console, tree, size):
    one = console("-q", "-D", tree, "stty", "size", size=size)
    one.expect("%d %d" % size, 10)
    assert one.wait(10) == 0


def test_the_window_size_follows(console, tree):
    one = console("-q", "-D", tree, "sh", "-c", "trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done")
    one.expect("ready", 10)
    for size in ((30, 90), (31, 91), (24, 80)):
        one.resize(*size)
        one.expect("%d %d" % size, 10)
    one.send("\x1d\x1d\x1d")
    assert one.wait(10) == 1


def test_escape_three_times_kills(console, tree):
    one = shell(console, tree)
    one.send("\x1d\x1d\x1d")
    assert one.wait(10) == 1


def test_escape_kills_even_when_nobody_reads(console, tree):
    one = console("-q", "-D", tree, "yes")
    one.expect("y", 10)
    time.sleep(0.3)
    one.send("\x1d\x1d\x1d")
    assert one.wait(10) == 1


def test_escape_twice_or_slowly_does_nothing(console, tree):
    one = shell(console, tree)
    one.send("\x1d\x1d")
    time.sleep(3)  # three within a second, as the supervisor sees them, would kill it
    one.send("\x1d")
    time.sleep(0.3)
    one.send("\x03\r")
    one.expect("> ", 10)
    assert one.ask("echo alive") == "alive"


def test_the_hotkeys_r_and_p_send_the_signals(console, tree):
    for letter, number in (("p", "RTMIN+4"), ("r", "RTMIN+5")):
        # busybox ash knows real-time signals by number only: 34 is RTMIN
        trap = 34 + int(number.split("+")[1])
        one = console("-q", "-D", tree, "sh", "-c", "trap 'exit %d' %d; echo ready; while :; do sleep 0.05; done" % (trap, trap))
        one.expect("ready", 10)
        one.send("\x1d\x1d" + letter)
        assert one.wait(10) == trap


def test_the_callers_terminal_is_raw_meanwhile_and_restored_after(redd, tree):
    # a second process on the same terminal looks at its settings before and after
    script = 'stty -a > /tmp/redd-work/before; "$@"; stty -a > /tmp/redd-work/after'
    one = Console(["sh", "-c", script, "sh", *redd.argv("-q", "-D", tree, "sh", "-c", "sleep 0.3; exit 3")], env=redd.env)
    try:
        time.sleep(0.2)
        one.wait(10)
        with open("/tmp/redd-work/before") as before, open("/tmp/redd-work/after") as after:
            assert before.read() == after.read()
    finally:
        one.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_callers_terminal_is_restored_after_a_signal(redd, tree, number):
    script = 'stty -a > /tmp/redd-work/before; trap : INT TERM; "$@" & wait; kill -%d $!; wait $!; stty -a > /tmp/redd-work/after; true' % number
    one = Console(["sh", "-c", 'stty -a > /tmp/redd-work/before; "$@"; stty -a > /tmp/redd-work/after', "sh",
                   *redd.argv("-q", "-D", tree, "sh", "-c", "echo ready; sleep 60")], env=redd.env)
    try:
        one.expect("ready", 10)
        from support import runner
        os.kill(runner.children(one.pid)[0], number)
        one.wait(10)
        with open("/tmp/redd-work/before") as before, open("/tmp/redd-work/after") as after:
            assert before.read() == after.read()
    finally:
        one.close()


def test_typing_reaches_the_payload_and_ctrl_c_interrupts(console, tree):
    one = shell(console, tree)
    one.line("sleep 60")
    time.sleep(0.3)
    one.send("\x03")
    one.expect("> ", 10)
    assert one.ask("echo still here") == "still here"


def test_a_long_paste_arrives_whole(console, tree):
    one = console("-q", "-D", tree, "sh", "-c", "stty -icanon -echo; echo ready; head -c 200000 | md5sum")
    one.expect("ready", 10)
    data = bytes(33 + n % 90 for n in range(200000))
    import hashlib
    import threading
    thread = threading.Thread(target=one.send, args=(data,))
    thread.start()
    one.expect(hashlib.md5(data).hexdigest(), 30)
    thread.join()
    assert one.wait(10) == 0


def test_ten_megabytes_of_output_arrive(console, tree):
    one = console("-q", "-D", tree, "sh", "-c", "yes 0123456789abcdef0123456789abcdef | head -c 10000000; echo; echo the-end")
    total = 0
    end = time.monotonic() + 60
    while b"the-end" not in one.seen[-200:] and time.monotonic() < end:
        total += len(one.read(1))
        one.seen = one.seen[-1000:]
    assert total >= 10000000
    assert one.wait(10) == 0


def test_read_only_shows_output_and_takes_no_input(console, tree):
    one = console("-q", "--console=read-only", "-D", tree, "sh", "-c", "echo out; read -t 1 x; echo got=$x.")
    one.expect("out", 10)
    one.line("typed")
    one.expect(r"got=\.", 10)
    assert one.wait(10) == 0


def test_passive_shows_nothing(console, tree):
    one = console("-q", "--console=passive", "-D", tree, "sh", "-c", "tty; echo out; exit 4")
    assert one.wait(10) == 4
    assert "out" not in one.text()


def test_pipe_hands_over_the_callers_descriptors(redd, tree):
    done = redd.run("-P", "-D", tree, "sh", "-c", "tty; ls -l /dev/console 2>&1; cat", input="through")
    assert "not a tty" in done.out and "through" in done.out and "No such file" in done.out, done


def test_autopipe_is_a_pipe_without_a_terminal(redd, tree, console):
    assert "not a tty" in redd.run("--console=autopipe", "-D", tree, "tty").out
    one = console("-q", "--console=autopipe", "-D", tree, "tty")
    one.expect("/dev/", 10)


def test_pipe_on_a_terminal_says_so(console, tree):
    one = console("--pipe", "-D", tree, "true")
    one.wait(10)
    assert one.text().strip(), "a notice is expected when both ends are terminals"


def test_hangup_of_the_callers_terminal_ends_the_machine(redd, tree):
    one = redd.console("-q", "-D", tree, "sh", "-c", "echo ready; sleep 62")
    one.expect("ready", 10)
    os.close(one.master)
    end = time.monotonic() + 10
    while one.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    gone = one.poll() is not None
    one.master = -1
    if not gone:
        os.kill(one.pid, signal.SIGKILL)
        os.waitpid(one.pid, 0)
    assert gone, "the supervisor outlives its terminal"


def test_not_quiet_says_what_happens(console, tree):
    one = console("-D", tree, "true")
    one.wait(10)
    text = one.text()
    assert "Spawning container tree on %s" % tree in text and "exited successfully" in text, text


def test_a_user_owns_the_console(console, tree):
    one = console("-q", "-u", "user", "-D", tree, "sh", "-c", "stat -L -c %u /dev/console; echo x > /dev/console; echo done=$?")
    one.expect("1000", 10)
    one.expect("done=0", 10)
