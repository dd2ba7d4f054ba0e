"""The program under test."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from .console import Console

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LONG = os.environ.get("REDD_LONG") == "1"


def program():
    """systemd-nspawn of the build under test: REDD_PROGRAM, or in REDD_BUILD, or in build/."""
    path = os.environ.get("REDD_PROGRAM")
    if path:
        return path
    build = os.environ.get("REDD_BUILD", os.path.join(TOP, "build"))
    for name in ("systemd-nspawn", "src/prog/nspawn/systemd-nspawn"):
        if os.path.exists(os.path.join(build, name)):
            return os.path.join(build, name)
    return os.path.join(build, "systemd-nspawn")


def compile_static(source, name=None, libraries=()):
    """Compile a helper of the tests; the result is kept for the session."""
    directory = os.path.join("/tmp", "redd-test-bin")
    os.makedirs(directory, exist_ok=True)
    output = os.path.join(directory, name or os.path.splitext(os.path.basename(source))[0])
    if not os.path.exists(output):
        subprocess.run(["cc", "-O1", "-g", "-static", "-Wall", "-Wextra", "-Wno-unused-parameter", "-D_GNU_SOURCE", "-o",
                        output + ".new", source, *libraries], check=True)
        os.rename(output + ".new", output)
    return output


class Result:
    def __init__(self, argv, done):
        self.argv, self.code, self.out, self.err = argv, done.returncode, done.stdout, done.stderr

    def __repr__(self):
        return "%s -> %d\n--- stdout\n%s\n--- stderr\n%s" % (" ".join(self.argv), self.code, self.out[-6000:], self.err[-6000:])

    def ok(self):
        assert self.code == 0, self
        return self

    def failed(self, *words, code=1):
        assert self.code == code, self
        for word in words:
            assert word in self.err, (word, self)
        return self

    @property
    def lines(self):
        return self.out.replace("\r", "").splitlines()


class Redd:
    """Runs the program with some options always given."""

    def __init__(self, path, always=(), env=None, prefix=()):
        self.path, self.always, self.prefix = path, list(always), list(prefix)
        self.always += os.environ.get("REDD_ARGS", "").split()
        self.env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "TERM": "xterm", "LANG": "C.UTF-8"}
        self.env.update(env or {})

    def argv(self, *args):
        return [*self.prefix, self.path, *self.always, *[str(a) for a in args]]

    def with_prefix(self, *prefix):
        other = Redd(self.path, self.always, self.env, [*prefix, *self.prefix])
        other.always = list(self.always)
        return other

    def run(self, *args, input=None, timeout=60, env=None, cwd=None, text=True, **options):
        argv = self.argv(*args)
        environment = dict(self.env, **(env or {}))
        options.setdefault("stdin", subprocess.DEVNULL if input is None else None)
        if input is not None:
            options.pop("stdin")
        done = subprocess.run(argv, input=input, capture_output=True, text=text, timeout=timeout, env=environment, cwd=cwd,
                              errors="replace" if text else None, **options)
        return Result(argv, done)

    def start(self, *args, env=None, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        return subprocess.Popen(self.argv(*args), env=dict(self.env, **(env or {})), text=True, **options)

    def console(self, *args, env=None, **options):
        return Console(self.argv(*args), env=dict(self.env, **(env or {})), **options)

    def plan(self, *args, env=None):
        """The plan as objects."""
        done = self.run("--print-plan", "--json=short", *args, env=env).ok()
        document = json.loads(done.out)
        return document["steps"] if isinstance(document, dict) else document


def children(pid):
    found = []
    try:
        for task in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/children" % (pid, task)) as file:
                found += [int(word) for word in file.read().split()]
    except OSError:
        pass
    return found


def leader(pid):
    """PID 1 of the container that the supervisor PID runs: the child whose pid namespace differs from ours."""
    own = os.readlink("/proc/self/ns/pid")
    for child in children(pid):
        try:
            if os.readlink("/proc/%d/ns/pid" % child) != own:
                return child
        except OSError:
            continue
        deeper = leader(child)
        if deeper:
            return deeper
    return None


def until(question, seconds=30):
    """What QUESTION answers once that is something. For what cannot be waited for otherwise."""
    end = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        assert time.monotonic() < end, "nothing came of it in %gs" % seconds
        time.sleep(0.01)


def host_view(pid, path):
    """A path inside the container, from outside."""
    return "/proc/%d/root%s" % (pid, path)


def peak(path):
    """Words before a command: how much memory it had is in the file PATH afterwards, in KiB."""
    return [sys.executable, "-S", "-E", os.path.join(os.path.dirname(os.path.abspath(__file__)), "peak.py"), path]


def terminate(process, number=signal.SIGKILL):
    if process.poll() is None:
        process.send_signal(number)
    try:
        process.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def scratch(prefix="redd-"):
    return tempfile.mkdtemp(prefix=prefix, dir="/tmp")


def remove(path):
    shutil.rmtree(path, ignore_errors=True)
