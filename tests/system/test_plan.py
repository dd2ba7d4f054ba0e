"""--print-plan says what would be done and does nothing."""
import json
import os
import re

import pytest

from support import leaks


@pytest.mark.parametrize("options", [[], ["-x"], ["--private-users=no"], ["--private-network"], ["--volatile=yes"], ["-b"], ["-a"], ["--bind=/etc:/mnt:idmap"]],
                         ids=lambda o: " ".join(o) or "plain")
def test_printing_does_nothing(redd, fresh, options):
    tree = fresh()
    before, watched = leaks.Picture(), [os.path.dirname(tree)]
    listing = sorted(os.listdir(tree))
    done = redd.run("--print-plan", "-D", tree, *options, *([] if "-b" in options else ["true"])).ok()
    assert leaks.Picture().compare(before) == [] and sorted(os.listdir(tree)) == listing
    assert len(done.lines) > 20


def test_each_step_has_a_side_and_a_reason(redd, tree):
    steps = redd.plan("-D", tree, "--bind=/etc:/mnt", "true")
    assert len(steps) > 20
    for step in steps:
        assert step.get("reason"), step
    assert any("--bind=" in step["reason"] for step in steps)


def test_the_order_is_the_contracts(redd, tree):
    text = redd.run("--print-plan", "-D", tree, "--bind=/etc:/mnt", "true").ok().out
    def at(pattern):
        found = re.search(pattern, text, re.M)
        assert found, (pattern, text)
        return found.start()
    assert at(r"lock\b") < at(r"/proc\b") and at("/mnt") < at(r"^payload +exec\b")


def test_mounts_are_marked_locked_or_not(redd, tree):
    text = redd.run("--print-plan", "-D", tree, "true").ok().out
    assert "[locked]" in text
    # without a user namespace nothing is
    other = redd.run("--print-plan", "-D", tree, "--private-users=no", "true").ok().out
    assert "[locked]" not in other, other


@pytest.mark.parametrize("how", ["short", "pretty"])
def test_json(redd, tree, how):
    json.loads(redd.run("--print-plan", "--json=" + how, "-D", tree, "true").ok().out)


def test_a_failing_step_names_step_reason_cause_and_remedy(redd, tree, place):
    path = os.path.join(place, "gone")
    done = redd.run("-D", tree, "--bind=%s:/mnt" % path, "true").failed(path, "--bind=")
    assert "No such file" in done.err


def test_what_happens_is_what_was_printed(redd, tree):
    """Every mount point that the payload sees is a step of the plan, and the other way round."""
    steps = redd.plan("-D", tree, "--tmpfs=/mnt/t", "true")
    planned = {step["target"] for step in steps if step.get("target")}
    seen = redd.run("-q", "--pipe", "-D", tree, "--tmpfs=/mnt/t", "cat", "/proc/self/mountinfo").ok()
    for line in seen.lines:
        path = line.split()[4]
        assert path == "/" or path in planned, (path, sorted(planned))
