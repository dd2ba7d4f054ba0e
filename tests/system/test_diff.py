"""machinectl diff: what a machine changed in its root."""
import json
import os

import pytest

from support import machines

CHANGE = r"""
echo x > /etc/new; rm /etc/rcS; echo y >> /etc/passwd; mkdir -p /srv/a/b; touch /srv/a/b/c; chmod 600 /etc/group; chmod 711 /root
rm -rf /usr/lib; mkdir /usr/lib; touch /usr/lib/mine; mv /usr/bin/yes /usr/bin/no; rm /sbin; mkdir /sbin
touch -r /etc/inittab /tmp/stamp; sed -i s/respawn/RESPAWN/ /etc/inittab; touch -r /tmp/stamp /etc/inittab
printf x > '/etc/a
b'; printf x > "/etc/$(printf '\033')[31m"
"""
EXPECTED = [
    "M /etc/group", "M /etc/inittab", "A /etc/new", "M /etc/passwd", "D /etc/rcS", "A /etc/\\x1b[31m", "A /etc/a\\x0ab",
    "M /root", "M /sbin", "A /srv", "A /srv/a", "A /srv/a/b", "A /srv/a/b/c", "A /usr/bin/no", "D /usr/bin/yes",
    "A /usr/lib/mine", "D /usr/lib/os-release",
]


@pytest.fixture(scope="module")
def control(redd):
    return machines.machinectl(redd)


def by_path(lines):
    return sorted(lines, key=lambda line: line[2:])


def machine_of(redd, tree, *options):
    return machines.Machine(redd, "differ", tree, "--resolv-conf=off", *options)


@pytest.mark.parametrize("options", [["--ephemeral"], ["--volatile=overlay"], ["--ephemeral", "--private-users=no"]], ids=" ".join)
def test_what_was_changed_is_listed(redd, control, fresh, options):
    made = machine_of(redd, fresh(), *options)
    try:
        control.run("exec", "differ", "--", "cat", "/etc/passwd").ok()
        assert control.run("diff", "differ").ok().out == ""
        control.run("exec", "differ", "--", "sh", "-c", CHANGE).ok()
        lines = control.run("diff", "differ").ok().out.splitlines()
        assert by_path(lines) == by_path(EXPECTED)
        assert [line[2:] for line in lines if "\\" not in line] == sorted(line[2:] for line in lines if "\\" not in line)
        found = json.loads(control.run("diff", "differ", "--json=short").ok().out)
        assert {"change": "A", "path": "/etc/a\nb"} in found and {"change": "D", "path": "/etc/rcS"} in found
        assert len(found) == len(EXPECTED)
    finally:
        made.stop()


def test_a_copy_of_a_tree_in_use_is_compared_too(redd, control, fresh):
    tree = fresh()
    user = machines.Machine(redd, "keeper", tree)
    made = None
    try:
        made = machines.Machine(redd, "differ", tree, "--resolv-conf=off", "--ephemeral")
        assert control.run("diff", "differ").ok().out == ""
        control.run("exec", "differ", "--", "sh", "-c", "echo y >> /etc/passwd; rm /etc/rcS; chmod 600 /etc/group; touch /etc/new").ok()
        assert control.run("diff", "differ").ok().out.splitlines() == ["M /etc/group", "A /etc/new", "M /etc/passwd", "D /etc/rcS"]
    finally:
        if made:
            made.stop()
        user.stop()


@pytest.mark.parametrize("options", [[], ["--volatile=yes"], ["--volatile=state"]], ids=lambda o: " ".join(o) or "plain")
def test_a_root_without_an_image_says_so(redd, control, fresh, options):
    tree = fresh()
    if options == ["--volatile=yes"]:
        made = machines.Machine(redd, "differ", tree, *options, "--private-users=no")
    else:
        made = machines.Machine(redd, "differ", tree, *options)
    try:
        control.run("diff", "differ").failed("cannot compare", "--ephemeral")
    finally:
        made.stop()


def test_a_hostile_tree_is_only_looked_at(redd, control, fresh):
    made = machine_of(redd, fresh(), "--ephemeral", "--private-users=no")
    script = "mkdir /srv; mkfifo /srv/fifo; ln -s /proc/1/root /srv/out; ln -s /srv /srv/loop; rm -r /root; ln -s / /root"
    try:
        control.run("exec", "differ", "--", "sh", "-c", script).ok()
        here = os.open("/proc/%d/root/srv" % made.leader, os.O_RDONLY)
        for _ in range(200):
            os.mkdir("d" * 100, dir_fd=here)
            deeper = os.open("d" * 100, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = deeper
        os.close(here)
        done = control.run("diff", "differ", timeout=20).ok()
        assert {"A /srv/fifo", "A /srv/out", "A /srv/loop", "M /root"} <= set(done.lines), done
        assert "too deep" in done.err and len(done.lines) < 60, done
    finally:
        made.stop()
