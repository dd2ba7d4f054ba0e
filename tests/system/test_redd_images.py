"""redd apply of images that say how they are run, and of every form in which images come."""
import json
import os
import re
import subprocess
import threading

import pytest

from support import console, declared, disks, oci, runner
from support.declared import clean, host  # noqa: F401

SERVE = ["/bin/sh", "-c", 'echo "$GREETING in $(pwd): $0 $1" >/said; trap "exit 0" TERM QUIT; while :; do sleep 100 & wait $!; done']


@pytest.fixture(scope="module")
def layer(busybox):
    return subprocess.run(["tar", "-c", "--sort=name", "-C", busybox, "."], check=True, capture_output=True).stdout


def application(layer, **config):
    """With an init in its tree, which is not what it runs."""
    return oci.Image([layer], {"Entrypoint": SERVE, "Cmd": ["one", "two"], "Env": ["GREETING=hello", "PATH=/usr/bin:/bin"],
                               "WorkingDir": "/etc", "StopSignal": "SIGQUIT", **config})


def said(host, name):
    """What its program has written when it began."""
    return runner.until(lambda: host.machinectl("exec", name, "--", "cat", "/said").out.strip())


def test_an_application_of_a_compose_file_runs_what_its_image_says(clean, layer, place):
    server = oci.Server()
    try:
        reference = server.serve(application(layer), "app", "1")
        with open(place + "/compose.yaml", "w") as file:
            file.write("services:\n  app:\n    image: %s\n    network_mode: none\n    restart: always\n" % reference)
        clean.redd("import", place + "/compose.yaml", "--output=" + declared.DEFINITIONS).ok()
        clean.redd("apply").ok()
    finally:
        server.shutdown()
        server.server_close()
    assert clean.running() == ["app"]
    assert said(clean, "app") == "hello in /etc: one two"
    assert clean.redd("plan").ok().out == "Nothing to do.\n"
    leader = clean.leader("app")
    clean.redd("apply").ok()
    assert clean.leader("app") == leader and clean.current() == 1


@pytest.fixture
def server():
    one = oci.Server()
    yield one
    one.stop()


def manifest_of(image):
    return oci.sha256(json.dumps(image.manifest).encode())


def asked(server):
    """What was asked for since the last call."""
    paths = [path.split("/v2/")[1] for _, path, _ in server.asked]
    server.asked.clear()
    return paths


def changes(host, *words, code=2):
    plan = json.loads(host.redd("plan", "--json=short", *words).failed(code=code).out)
    return [(line["act"], line["key"], line["old"], line["new"]) for line in plan["changes"]]


@pytest.mark.parametrize("index", [False, True])
def test_plan_asks_a_registry_and_fetches_nothing(clean, layer, server, index):
    """Once for all machines of an image, and only if the answer matters."""
    old, new = application(layer), application(layer, Cmd=["other", "words"])

    def publish(image):
        reference = server.serve(image, "app", "1")
        if index:
            text = json.dumps(image.manifest).encode()
            document = {"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": [
                {"mediaType": oci.MANIFEST, "digest": oci.sha256(text), "size": len(text), "platform": {"architecture": "amd64", "os": "linux"}}]}
            server.routes["/v2/app/manifests/1"] = (200, {"Content-Type": oci.INDEX}, json.dumps(document).encode())
        return reference

    reference = publish(old)
    clean.define("app", "oci:" + reference, "Update=digest")
    clean.define("second", "oci:" + reference, "Update=digest", "Root=ephemeral")
    clean.define("still", "oci:" + reference)
    clean.redd("apply").ok()
    asked(server)
    assert clean.redd("plan").ok().out == "Nothing to do.\n"
    assert asked(server) == ["app/manifests/1"]
    publish(new)
    trees = os.listdir(declared.STATE + "/trees")
    lines = [(act, "Digest", manifest_of(old), manifest_of(new)) for act in ("recreate", "restart")]
    assert changes(clean) == lines
    assert changes(clean, "--update")[-1] == lines[0]
    assert set(asked(server)) == {"app/manifests/1"} and sorted(os.listdir(declared.STATE + "/trees")) == sorted(trees)
    clean.undefine("second")
    clean.undefine("still")
    one = console.Console([os.path.join(clean.programs, "redd"), "apply"], env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TERM": "xterm"})
    one.expect(r"(?s)app +recreate +image digest +%s → %s.*\[y/N\] " % (manifest_of(old), manifest_of(new)))
    assert asked(server) == ["app/manifests/1"]
    one.send("y\n")
    assert one.wait() == 0 and "[y/N]" not in one.text()
    one.close()
    assert said(clean, "app") == "hello in /etc: other words"
    assert clean.redd("plan").ok().out == "Nothing to do.\n"
    assert "%s → %s" % (manifest_of(new), manifest_of(old)) in clean.redd("rollback", "--yes").ok().out
    # What is current is the older one again, whatever was fetched last.
    assert changes(clean)[0] == ("recreate", "Digest", manifest_of(old), manifest_of(new))


def test_a_registry_that_gives_no_answer_is_no_difference(clean, layer, server):
    reference = server.serve(application(layer), "app", "1")
    clean.define("app", "oci:" + reference, "Update=digest")
    clean.define("still", "oci:" + reference)
    clean.redd("apply").ok()
    said_so = r"not known: whether app has another image, oci:%s \((.*)\)\nNothing to do.\n" % reference
    server.routes["/v2/app/manifests/1"] = (403, {}, b"{}")
    assert re.fullmatch(said_so, clean.redd("plan").ok().out)
    line, = json.loads(clean.redd("plan", "--json=short").ok().out)["not_known"]
    assert line["machine"] == "app" and line["source"] == "oci:" + reference and line["why"]
    stuck = threading.Event()
    server.routes["/v2/app/manifests/1"] = lambda request: stuck.wait(60) and None
    try:
        assert "no answer in time" in re.fullmatch(said_so, clean.redd("plan").ok().out).group(1)
    finally:
        stuck.set()
    clean.define("app", "oci:" + reference, "Update=never")
    asked(server)
    assert clean.redd("plan", "--only=app").failed(code=2).out.count("\n") == 1 and asked(server) == []


def test_an_image_that_is_asked_for_by_its_digest_is_not_asked_for_again(clean, layer, server):
    image = application(layer)
    reference = server.serve(image, "app", "1")
    clean.define("app", "oci:" + reference, "Update=digest", "Digest=" + manifest_of(image))
    clean.redd("apply").ok()
    leader = clean.leader("app")
    asked(server)
    assert clean.redd("plan").ok().out == "Nothing to do.\n"
    clean.redd("apply", "--update").ok()
    assert asked(server) == [] and clean.leader("app") == leader and clean.current() == 1


def test_a_definition_goes_before_its_image(clean, layer, place):
    image = application(layer).layout(place + "/layout")
    clean.define("app", "oci-layout:" + image, exec_=["Environment=GREETING=bye"])
    clean.redd("apply").ok()
    assert said(clean, "app") == "bye in /etc: one two"
    clean.define("app", "oci-layout:" + image, exec_=['Parameters=/bin/sh -c "trap \\"exit 0\\" QUIT; echo own >/said; sleep 1000 & wait"'])
    assert "restart" in clean.redd("plan").out
    clean.redd("apply").ok()
    assert said(clean, "app") == "own"
    # An init is booted where the definition says so, and the image's words are not for it.
    clean.define("app", "oci-layout:" + image, exec_=["Boot=yes"])
    clean.redd("apply").ok()
    assert clean.inside("app", "cat", "/proc/1/comm") == "init"
    clean.redd("rollback").ok()
    assert said(clean, "app") == "own"


def test_an_image_that_is_run_otherwise_is_another_one(clean, layer, place):
    """Though its layers are the same."""
    one, two = application(layer).layout(place + "/one"), application(layer, Cmd=["other", "words"]).layout(place + "/two")
    clean.define("app", "oci-layout:" + one)
    clean.redd("apply").ok()
    assert said(clean, "app") == "hello in /etc: one two"
    clean.define("app", "oci-layout:" + two)
    clean.redd("apply").ok()
    assert said(clean, "app") == "hello in /etc: other words"
    clean.redd("rollback").ok()
    clean.machinectl("exec", "app", "--", "true").ok()
    assert said(clean, "app") == "hello in /etc: one two"
    clean.redd("gc", "--keep=1").ok()
    clean.machinectl("stop", "app").ok()
    clean.machinectl("start", "app").ok()
    assert said(clean, "app") == "hello in /etc: one two"


def test_what_was_there_already_is_not_taken_for_what_comes_next(clean, layer, place):
    clean.tree("base", files={"etc/version": "1\n"})
    clean.define("a", "snapshot:base")
    clean.define("b", "snapshot:base")
    clean.define("c", "oci-layout:" + application(layer).layout(place + "/layout"))
    subprocess.run(["cp", "-a", clean.root + "/base", "/var/lib/machines/base"], check=True)
    clean.redd("apply").ok()
    assert clean.inside("a", "cat", "/etc/version") == clean.inside("b", "cat", "/etc/version") == "1"
    assert said(clean, "c") == "hello in /etc: one two"


@pytest.mark.parametrize("root", ["overlay", "copy", "ephemeral", "direct"])
def test_a_disk_image_changes_and_goes_back(clean, place, root):
    """An overlay of a disk image is a copy of it; what Persist= keeps is not in it."""
    paths = []
    for version in ("1", "2"):
        tree = clean.tree("base", files={"etc/version": version + "\n"})
        paths.append("%s/%s.raw" % (place, version))
        disks.table(paths[-1], [(disks.ROOT, disks.filesystem(paths[-1] + ".ext4", "ext4", tree))])
    with open(paths[0], "rb") as file:
        before = file.read()
    persist = [] if root == "direct" else ["Persist=/var/log"]
    for number, path in enumerate(paths):
        clean.define("web", "raw:" + path, "Root=" + root, *persist)
        clean.redd("apply").ok()
        assert clean.inside("web", "cat", "/etc/version") == str(number + 1)
        clean.inside("web", "sh", "-c", "echo %d >>/root/note; echo %d >>/var/log/kept; sync" % (number, number))
    assert clean.redd("plan").ok().out.endswith("Nothing to do.\n")
    clean.redd("rollback").ok()
    assert clean.inside("web", "cat", "/etc/version") == "1"
    assert clean.machinectl("exec", "web", "cat", "/root/note").out == ("" if root == "ephemeral" else "0\n")
    assert clean.inside("web", "cat", "/var/log/kept") == ("0" if root == "direct" else "0\n1")
    with open(paths[0], "rb") as file:
        assert (file.read() == before) == (root != "direct")
