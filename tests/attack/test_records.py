"""S41: records that another user of the host has left where ours would be."""
import os
import shutil
import subprocess

import pytest

VICTIM, OTHER = 47111, 47112
TAG = "80a5c996be05879e"


def as_user(uid, argv):
    return ["setpriv", "--reuid=%d" % uid, "--regid=%d" % uid, "--clear-groups", "env", "-i", "PATH=" + os.environ["PATH"], *argv]


def start_time(pid):
    with open("/proc/%d/stat" % pid) as file:
        return file.read().rsplit(")", 1)[1].split()[19]


@pytest.fixture
def program(redd):
    """Where everybody can reach it."""
    place = "/tmp/redd-test-records"
    shutil.rmtree(place, ignore_errors=True)
    os.makedirs(place)
    shutil.copy(os.path.join(os.path.dirname(redd.path), "machinectl"), place)
    yield place + "/machinectl"
    shutil.rmtree(place)


@pytest.fixture(params=[OTHER, VICTIM], ids=["others", "own-but-open"])
def trap(request, program):
    """What the victim would find in /tmp, in a directory of OTHER's or one that OTHER may write to; and what the victim has."""
    runtime = "/tmp/redd-%d" % VICTIM
    shutil.rmtree(runtime, ignore_errors=True)
    mine = os.path.dirname(program) + "/mine"
    os.makedirs(mine + "/work-" + TAG)
    for path in (mine, mine + "/work-" + TAG):
        os.chown(path, VICTIM, VICTIM)
    sleeper = subprocess.Popen(as_user(VICTIM, ["sleep", "1000"]), stdout=subprocess.DEVNULL)
    while "sleep" not in open("/proc/%d/comm" % sleeper.pid).read():
        pass
    for below in ("machines", "detached"):
        os.makedirs(runtime + "/" + below)
    with open(runtime + "/machines/web", "w") as file:
        file.write("redd-record=1\ntag=%s\nsupervisor=0000000002\nholder=%d %s\ntemporary=%s/work-%s\n" % (TAG, sleeper.pid, start_time(sleeper.pid), mine, TAG))
    for top, directories, files in os.walk(runtime):
        for path in [top] + [top + "/" + name for name in files]:
            os.chown(path, request.param, request.param)
            os.chmod(path, 0o777)
    yield sleeper, mine
    sleeper.kill()
    sleeper.wait()
    shutil.rmtree(runtime)


@pytest.mark.parametrize("words", [("list",), ("show", "web"), ("terminate", "web"), ("poweroff", "web"), ("reap",), ("reap", "web"), ("stop", "web"), ("exec", "web", "true"),
                                   ("events",), ("stats",), ("wait", "web")], ids="-".join)
def test_s41_records_of_somebody_else_are_not_believed(program, trap, words):
    sleeper, mine = trap
    done = subprocess.run(as_user(VICTIM, [program, *words]), capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
    assert sleeper.poll() is None and os.listdir(mine), done
    assert done.returncode != 0, done


def test_s41_control_records_of_ones_own_are(program, trap):
    sleeper, mine = trap
    runtime = "/tmp/redd-%d" % VICTIM
    for path in (runtime, runtime + "/machines", runtime + "/machines/web"):
        os.chown(path, VICTIM, VICTIM)
        os.chmod(path, 0o700)
    subprocess.run(as_user(VICTIM, [program, "list"]), capture_output=True, timeout=20)
    assert sleeper.wait(timeout=20) == -9 and os.listdir(mine) == []
