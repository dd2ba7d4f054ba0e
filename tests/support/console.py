"""A terminal with somebody in front of it: run a program on a real pty, wait for text, type."""
import array
import errno
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

ESCAPES = re.compile(rb"\x1b\[[0-9;?=>]*[A-Za-z]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)|\x1b[()=>78][A-Z0-9]?|\x1bP[^\x1b]*\x1b\\")


class Timeout(AssertionError):
    pass


class Console:
    def __init__(self, argv, env=None, size=(24, 80), cwd=None, before_exec=None):
        self.seen = b""
        self.status = None
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            try:
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
                if cwd:
                    os.chdir(cwd)
                if before_exec:
                    before_exec()
                os.execvpe(argv[0], argv, env if env is not None else os.environ)
            finally:
                os._exit(127)
        os.set_inheritable(self.master, False)

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def attributes(self):
        return termios.tcgetattr(self.master)

    def read(self, timeout):
        """Whatever comes within TIMEOUT; b"" at the end or when nothing came."""
        if not select.select([self.master], [], [], timeout)[0]:
            return b""
        try:
            data = os.read(self.master, 65536)
        except OSError as error:
            if error.errno == errno.EIO:
                return b""
            raise
        self.seen += data
        return data

    def text(self):
        return ESCAPES.sub(b"", self.seen).decode(errors="replace").replace("\r\n", "\n")

    def expect(self, pattern, timeout=30):
        """Wait until the regular expression matches what came since the last match; return the match."""
        end = time.monotonic() + timeout
        while True:
            plain = ESCAPES.sub(b"", self.seen)
            found = re.search(pattern.encode() if isinstance(pattern, str) else pattern, plain)
            if found:
                self.seen = plain[found.end():]
                return found
            left = end - time.monotonic()
            if left <= 0:
                raise Timeout("no %r within %gs; seen:\n%s" % (pattern, timeout, self.text()[-4000:]))
            if not self.read(min(left, 0.5)) and self.poll() is not None:
                while self.read(0):
                    pass
                if not re.search(pattern.encode() if isinstance(pattern, str) else pattern, ESCAPES.sub(b"", self.seen)):
                    raise Timeout("ended (%s) without %r; seen:\n%s" % (self.status, pattern, self.text()[-4000:]))

    def send(self, text):
        data = text.encode() if isinstance(text, str) else text
        while data:
            data = data[os.write(self.master, data):]

    def line(self, text):
        self.send(text + "\r")

    def ask(self, command, timeout=20):
        """Type a shell command, return its output. The marker is split so that the echo does not match."""
        self.line("echo BEG''IN; %s; echo EN''D:$?" % command)
        return self.expect(r"BEGIN\r*\n((?s:.*?))END:(\d+)", timeout).group(1).decode(errors="replace").replace("\r", "").strip()

    def poll(self):
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status

    def wait(self, timeout=30):
        """Exit status, reading all the while so that the other side never blocks."""
        end = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > end:
                raise Timeout("still running after %gs; seen:\n%s" % (timeout, self.text()[-4000:]))
            if not self.read(0.1):
                time.sleep(0.01)
        while self.read(0):
            pass
        return self.status

    def kill(self, number=signal.SIGKILL):
        if self.poll() is None:
            os.kill(self.pid, number)

    def close(self):
        # politely twice, so that the supervisor takes away what it made; then not
        for number, seconds in ((signal.SIGTERM, 0.05), (signal.SIGTERM, 5), (signal.SIGKILL, 10)):
            self.kill(number)
            try:
                self.wait(seconds)
                break
            except Timeout:
                pass
        if self.master >= 0:
            os.close(self.master)
            self.master = -1

    def pending(self):
        count = array.array("i", [0])
        fcntl.ioctl(self.master, termios.FIONREAD, count)
        return count[0]
