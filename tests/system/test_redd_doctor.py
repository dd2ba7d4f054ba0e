"""redd doctor: what it says is so, for root and for a user, and nothing stays of its questions."""
import json
import os

import pytest

from support import machines, sandbox


@pytest.fixture
def doctor(redd):
    tool = machines.tool(redd, "redd")

    def ask(*prefix, env=None, code=None):
        result = tool.with_prefix(*prefix).run("doctor", "--json", env=env)
        answer = json.loads(result.out)
        assert result.code == (0 if answer["can_start"] else 1) and (code is None or result.code == code), result
        answer["by"] = {(check["area"], check["check"]): check for check in answer["checks"]}
        return answer
    ask.tool = tool
    return ask


def test_root_is_told_what_there_is_and_it_is_so(doctor, redd, fresh):
    answer = doctor(code=0)
    for check in answer["checks"]:
        assert check["state"] in ("yes", "less", "no")
        assert check["state"] != "no" or check["lost"], "what is not there is missed: %r" % check
    assert answer["by"]["kernel", "Linux"]["found"] == os.uname().release
    # Containers can start: one does, and on the rung that was told.
    result = redd.run("-D", fresh("busybox"), "--private-users=pick", "cat", "/proc/self/uid_map", timeout=60)
    assert answer["by"]["users", "user namespaces"]["state"] == "yes"
    assert result.ok().lines[-1].split()[2] == "65536"


def test_nothing_is_left_behind(doctor):
    def look():
        with open("/proc/self/mountinfo") as file:
            mounts = len(file.readlines())
        loaded = sorted(os.listdir("/sys/module"))
        return mounts, sorted(os.listdir("/sys/class/net")), loaded, sorted(os.listdir("/dev"))
    before = look()
    doctor()
    assert look() == before


def test_a_user_is_told_about_a_user(doctor, user):
    answer = doctor(*user.prefix(), env=user.environment(), code=0)
    assert answer["by"]["users", "subordinate ids"]["state"] == "yes"
    assert ("network", "nftables") not in answer["by"]
    for name in ("/etc/subuid", "/etc/subgid"):
        with open(name) as file:
            text = file.read()
        with open(name, "w") as file:
            file.write("".join(line for line in text.splitlines(True) if user.name not in line))
        assert doctor(*user.prefix(), env=user.environment())["by"]["users", "subordinate ids"]["state"] == "less"
        with open(name, "w") as file:
            file.write(text)


def test_a_mount_below_usr_or_etc_takes_no_overlays_from_a_user(doctor, user):
    """/usr/local is often one, and so is /etc/resolv.conf in a container."""
    assert doctor(*user.prefix(), env=user.environment())["by"]["kernel", "overlayfs"]["state"] == "yes"
    for place in ("/usr/local", "/etc/systemd"):
        sandbox.mount("tmpfs", place, "tmpfs", 0, "mode=0755")
    try:
        assert doctor(*user.prefix(), env=user.environment())["by"]["kernel", "overlayfs"]["state"] == "yes"
    finally:
        for place in ("/usr/local", "/etc/systemd"):
            sandbox.umount(place)


def test_without_user_namespaces_one_is_told_how_to_get_them(doctor):
    script = 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"'
    answer = doctor("unshare", "--user", "--map-root-user", "sh", "-c", script, "sh")
    namespaces = answer["by"]["users", "user namespaces"]
    assert namespaces["state"] == "less" and "user.max_user_namespaces" in namespaces["hint"], namespaces


def test_people_read_lines(doctor):
    result = doctor.tool.run("doctor").ok()
    assert result.lines[-1] == "Containers can start here."
    assert all(line == line.rstrip() for line in result.lines)
    assert any(line.startswith("yes ") for line in result.lines)
    doctor.tool.run("doctor", "x").failed("doctor")
