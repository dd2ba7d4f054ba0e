"""Running machines, and the machinectl that enters them."""
import json
import os
import select
import signal
import subprocess
import time

from . import runner


def machinectl(redd):
    """machinectl of the same build, called by who calls REDD."""
    return runner.Redd(os.path.join(os.path.dirname(redd.path), "machinectl"), env=redd.env, prefix=redd.prefix)


def tool(redd, name):
    """Another program of the same build, called by who calls REDD."""
    return runner.Redd(os.path.join(os.path.dirname(redd.path), name), env=redd.env, prefix=redd.prefix)


def wait_for_text(path):
    """The first text in a file that a machine writes."""
    runner.until(lambda: os.path.exists(path) and os.path.getsize(path) > 0)
    with open(path) as file:
        return file.read()


class Machine:
    """A machine NAME of TREE that runs until it is stopped; COMMAND must say "ready" once."""

    def __init__(self, redd, name, tree, *options, command="trap 'exit 0' TERM; sleep 100000 & echo ready; wait", env=None):
        self.name = name
        self.process = redd.start("-q", "--pipe", "-D", tree, "-M", name, *options, "/bin/sh", "-c", command, env=env)
        line = self.process.stdout.readline()
        if "ready" not in line:
            self.process.kill()
            raise AssertionError((line, self.process.communicate()))
        # the program may be faster than the supervisor's note of it, for which this waits
        machinectl(redd).run("exec", name, "true")
        self.leader = runner.leader(self.process.pid)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self.process.terminate()
        elif self.leader and os.path.exists("/proc/%d" % self.leader):
            os.kill(self.leader, signal.SIGKILL)  # it outlived its supervisor, and has our pipe
        self.process.communicate(timeout=20)


class Events:
    """What `machinectl events` prints, as it comes."""

    def __init__(self, machinectl, *names):
        self.process = machinectl.start("events", *names)
        self.left = b""

    def next(self, timeout=10):
        end = time.monotonic() + timeout
        while b"\n" not in self.left:
            assert select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))[0], "no event within %gs" % timeout
            data = os.read(self.process.stdout.fileno(), 65536)
            assert data, self.process.communicate()
            self.left += data
        line, self.left = self.left.split(b"\n", 1)
        return json.loads(line)

    def upto(self, kind):
        """What happens up to the event KIND, without times."""
        seen = []
        while not seen or seen[-1]["event"] != kind:
            seen.append(self.next())
            assert abs(seen[-1].pop("time") / 1e6 - time.time()) < 60
        return seen


def importctl(redd):
    """importctl of the same build, called by who calls REDD."""
    return runner.Redd(os.path.join(os.path.dirname(redd.path), "importctl"), env=redd.env, prefix=redd.prefix)
