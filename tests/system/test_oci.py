"""importctl pull-oci, push-oci, import-oci, export-oci: a real registry, and hostile ones (classes S44 to S47)."""
import glob
import gzip
import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import tarfile
import threading

import pytest

from support import machines, oci, pool as pools, runner, sandbox, trees

POOL, STORE = "/var/lib/machines", "/var/lib/redd"


@pytest.fixture
def control(redd):
    """importctl, in a /var/lib of the test's own."""
    sandbox.mount("tmpfs", "/var/lib", "tmpfs", 0, "mode=0755")
    os.mkdir("/var/lib/containers")
    yield machines.importctl(redd)
    sandbox.umount("/var/lib")


@pytest.fixture(scope="module")
def registry(work_root):
    one = oci.Registry(work_root + "/registry")
    yield one
    one.stop()
    shutil.rmtree(one.place)


@pytest.fixture
def server():
    one = oci.Server()
    yield one
    one.stop()


def packed(path, *parts):
    """PARTS of a tree as a tar archive; all of it without."""
    return subprocess.run(["tar", "-c", "--sort=name", "-C", path, *(parts or ["."])], check=True, capture_output=True).stdout


@pytest.fixture(scope="module")
def layers(busybox):
    """The busybox tree in two layers, and a third that takes away and adds."""
    base = packed(busybox, "--exclude=./usr/bin", ".")
    programs = packed(busybox, "./usr/bin")
    changes = oci.tar({"etc/": None, "etc/.wh.inittab": b"", "etc/name": b"demo\n", "var/": None, "var/.wh..wh..opq": b"", "var/own": b"x"})
    return [base, programs, changes]


@pytest.fixture(scope="module")
def demo(layers):
    return oci.Image(layers, {"Entrypoint": ["/bin/sh", "-c"], "Cmd": ["echo \"$GREETING from $(pwd)\"; cat /etc/name; ls /var"],
                              "Env": ["GREETING=hello  world", "PATH=/usr/bin:/bin"], "WorkingDir": "/etc", "StopSignal": "SIGQUIT",
                              "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/data": {}}, "Labels": {"a": "b"}})


def push(registry, image, name, place):
    layout = image.layout(os.path.join(place, "layout-" + name.replace("/", "-").replace(":", "-")))
    oci.skopeo("copy", "--dest-tls-verify=false", "oci:" + layout, "docker://%s/%s" % (registry.host, name))
    return "%s/%s" % (registry.host, name)


def stored(kind):
    path = os.path.join(STORE, kind, "sha256")
    return sorted(os.listdir(path)) if os.path.isdir(path) else []


def check_store():
    """Every blob is what its name says, and nothing is unfinished."""
    for name in stored("blobs"):
        with open(os.path.join(STORE, "blobs/sha256", name), "rb") as file:
            assert hashlib.sha256(file.read()).hexdigest() == name
    assert not [name for name in stored("layers") if name.startswith(".")]


def exported(control, name, path):
    """The tree that a machine shows."""
    control.run("-m", "export-tar", name, path + ".tar").ok()
    os.mkdir(path)
    subprocess.run(["tar", "-x", "-C", path, "-f", path + ".tar", "--xattrs"], check=True)
    return path


def same(one, other):
    found = subprocess.run(["rsync", "-aHAX", "--checksum", "--dry-run", "--itemize-changes", "--delete", "--omit-dir-times", one + "/", other + "/"],
                           check=True, capture_output=True, text=True).stdout
    assert found == ""


# ---- a real registry ----

def test_an_image_is_pulled_and_runs(redd, control, registry, demo, place):
    ref = push(registry, demo, "demo:1", place)
    done = control.run("-m", "pull-oci", ref, "web").ok()
    assert sorted(os.listdir(POOL)) == ["web.mstack", "web.nspawn", "web.oci-config"], done
    with open(POOL + "/web.oci-config") as file:
        assert json.load(file) == demo.config
    with open(POOL + "/web.nspawn") as file:
        settings = file.read().splitlines()
    assert {"Boot=no", 'Environment="GREETING=hello  world"', "WorkingDirectory=/etc", "KillSignal=SIGQUIT", "#Port=tcp:80",
            "#Bind=/srv/data:/data"} <= set(settings), settings
    assert stored("layers") == sorted(layer.split(":")[1] for layer in demo.config["rootfs"]["diff_ids"])
    check_store()
    done = redd.run("-q", "--pipe", "-M", "web").ok()
    assert done.lines == ["hello  world from /etc", "demo", "own"], done
    assert redd.run("-q", "--pipe", "-M", "web", "/bin/sh", "-c", "ls /etc/inittab").code != 0
    control.run("-m", "pull-oci", ref, "web").failed("is there already", "--force")
    control.run("-m", "pull-dkr", "--force", ref, "web").ok()


def test_layers_that_are_there_are_not_fetched(control, registry, demo, layers, place):
    control.run("-m", "pull-oci", push(registry, demo, "demo:1", place), "one").ok()
    other = oci.Image([*layers[:2], oci.tar({"etc/": None, "etc/other": b"other\n"})], {"Cmd": ["/bin/sh"]})
    ref = push(registry, other, "other:1", place)
    registry.asked()
    control.run("-m", "pull-oci", ref, "two").ok()
    fetched = [line.split("/")[-1] for line in registry.asked() if "/blobs/" in line]
    assert sorted(fetched) == sorted([other.manifest["config"]["digest"], other.layers[2]["digest"]])
    assert len(stored("layers")) == 4
    control.run("-m", "pull-oci", ref, "three").ok()
    assert [line for line in registry.asked() if "/blobs/" in line] == []


def test_what_is_kept_of_a_registry_is_cleaned_away_when_no_machine_has_it(redd, control, server, demo):
    other, ref = machines.machinectl(redd), server.serve(demo)
    control.run("-m", "pull-oci", ref, "one").ok()
    had = [stored("layers"), stored("blobs")]
    other.run("clean").ok()
    assert [stored("layers"), stored("blobs")] == had
    other.run("remove", "one").ok()
    assert [stored("layers"), stored("blobs")] == had
    server.asked.clear()
    control.run("-m", "pull-oci", ref, "two").ok()
    assert not [path for _, path, _ in server.asked if "/blobs/" in path]
    other.run("remove", "two").ok()
    assert "Removed 3 layers" in other.run("clean").ok().err
    assert stored("layers") == stored("blobs") == os.listdir(STORE + "/images") == []
    assert json.loads(control.run("disk-usage", "-j").ok().out) == []


@pytest.mark.parametrize("by_hand", [False, True], ids=["", "chattr"])
def test_a_read_only_machine_gets_another_name_and_goes(redd, control, server, by_hand):
    other = machines.machinectl(redd)
    ref = server.serve(oci.Image([oci.tar({"usr/": None, "usr/x": b"x"})]))
    control.run("-m", "--read-only", "pull-oci", ref, "one").ok()
    assert json.loads(other.run("list-images", "-o", "json").ok().out)[0]["ro"] is True
    if by_hand:
        subprocess.run(["chattr", "+i", POOL + "/one.mstack"], check=True)
    other.run("rename", "one", "two").ok()
    assert sorted(name for name in os.listdir(POOL) if not name.startswith(".#")) == ["two.mstack", "two.nspawn", "two.oci-config"]
    control.run("-m", "--read-only", "--force", "pull-oci", ref, "two").ok()
    other.run("clean", "--all").ok()
    assert os.listdir(POOL) == []


@pytest.mark.parametrize("kind, compress", [("", bytes), ("+zstd", lambda data: subprocess.run(["zstd"], input=data, capture_output=True, check=True).stdout)],
                         ids=["tar", "zstd"])
def test_layers_need_not_be_gzip(control, server, kind, compress):
    image = oci.Image([oci.tar({"usr/": None, "usr/x": b"x" * 1000})], compress=compress, kind=kind)
    control.run("-m", "pull-oci", server.serve(image), "web").ok()
    assert len(stored("layers")) == 1
    check_store()


def test_the_image_of_this_host_is_chosen(control, server):
    def described(image, **platform):
        text = json.dumps(image.manifest).encode()
        server.serve(image, tag=oci.sha256(text))
        return {"mediaType": oci.MANIFEST, "digest": oci.sha256(text), "size": len(text), "platform": {"os": "linux", **platform}}
    machine = os.uname().machine
    ours = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    images = [oci.Image([oci.tar({name: b"x"})], architecture=name) for name in (ours, "other")]
    index = {"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": [described(images[1], architecture="other"), described(images[0], architecture=ours)]}
    server.routes["/v2/x/manifests/1"] = (200, {"Content-Type": oci.INDEX}, json.dumps(index).encode())
    control.run("-m", "pull-oci", server.host + "/x:1", "web").ok()
    with open(POOL + "/web.oci-config") as file:
        assert json.load(file)["architecture"] == ours
    index["manifests"].pop()
    server.routes["/v2/x/manifests/1"] = (200, {"Content-Type": oci.INDEX}, json.dumps(index).encode())
    control.run("-m", "pull-oci", server.host + "/x:1", "other").failed("linux", ours)


def test_what_was_pulled_is_pushed_as_it_was(redd, control, registry, demo, place):
    ref = push(registry, demo, "demo:1", place)
    control.run("-m", "pull-oci", ref, "web").ok()
    registry.asked()
    done = control.run("push-oci", "web", registry.host + "/demo:copy").ok()
    assert oci.sha256(json.dumps(demo.manifest).encode()) in done.err
    asked = registry.asked()
    assert [line for line in asked if line.startswith("PUT")] == ["PUT /v2/demo/manifests/copy"], asked
    assert len([line for line in asked if line.startswith("HEAD")]) == 4
    control.run("push-oci", "web", registry.host + "/elsewhere:1").ok()
    asked = registry.asked()
    assert len([line for line in asked if line.startswith("POST")]) == 4
    details = [json.loads(oci.skopeo("inspect", "--tls-verify=false", "docker://%s/%s" % (registry.host, name))) for name in ("demo:1", "elsewhere:1")]
    assert details[0]["Digest"] == details[1]["Digest"]


def test_a_registry_that_is_not_there_is_not_reached(control, place):
    """What is sent is not said to be downloaded."""
    os.makedirs(place + "/tree/usr")
    control.run("-m", "import-fs", place + "/tree", "alone").ok()
    control.run("push-oci", "alone", "127.0.0.1:1/alone").failed("cannot reach 'http://127.0.0.1:1/v2/alone/blobs/")
    control.run("-m", "pull-oci", "127.0.0.1:1/alone", "other").failed("cannot download 'http://127.0.0.1:1/v2/alone/manifests/latest'")


def test_what_a_machine_has_written_is_pushed(redd, control, registry, demo, place):
    control.run("-m", "pull-oci", push(registry, demo, "demo:1", place), "web").ok()
    redd.run("-q", "--pipe", "-M", "web", "/bin/sh", "-c", "rm /etc/name; echo new > /etc/new; rm -r /var; mkdir /var; ln -s new /etc/link").ok()
    registry.asked()
    control.run("push-oci", "web", registry.host + "/demo:changed").ok()
    assert len([line for line in registry.asked() if line.startswith("POST")]) == 2  # a layer and the configuration
    oci.skopeo("copy", "--src-tls-verify=false", "docker://%s/demo:changed" % registry.host, "oci:%s/changed:x" % place)
    subprocess.run(["umoci", "unpack", "--image", place + "/changed:x", place + "/unpacked"], check=True, capture_output=True)
    same(exported(control, "web", place + "/ours"), place + "/unpacked/rootfs")
    assert not os.path.exists(place + "/unpacked/rootfs/etc/name") and os.listdir(place + "/unpacked/rootfs/var") == []
    # and comes back
    control.run("-m", "pull-oci", registry.host + "/demo:changed", "back").ok()
    same(place + "/ours", exported(control, "back", place + "/back"))


# ---- logins ----

@pytest.fixture(scope="module")
def closed(work_root, layers):
    """A registry that knows one user."""
    one = oci.Registry(work_root + "/closed", {"me": "secret word"})
    layout = oci.Image([oci.tar({"usr/": None})]).layout(work_root + "/closed/layout")
    oci.skopeo("copy", "--dest-tls-verify=false", "--dest-creds=me:secret word", "oci:" + layout, "docker://%s/x:1" % one.host)
    yield one
    one.stop()
    shutil.rmtree(one.place)


def logins(path, **document):
    with open(path, "w") as file:
        json.dump(document, file)
    return {"REGISTRY_AUTH_FILE": path}


def test_a_login_is_needed_and_found(control, closed, place):
    auth = oci.basic("me", "secret word").split()[1]
    control.run("-m", "pull-oci", closed.host + "/x:1", "a").failed("refuses", "podman login")
    for wrong in ({"auths": {closed.host: {"auth": oci.basic("me", "wrong").split()[1]}}}, {"auths": {"127.0.0.1:1": {"auth": auth}}}):
        control.run("-m", "pull-oci", closed.host + "/x:1", "a", env=logins(place + "/auth.json", **wrong)).failed("refuses")
    assert not os.path.exists(POOL) or os.listdir(POOL) == []
    control.run("-m", "pull-oci", closed.host + "/x:1", "a", env=logins(place + "/auth.json", auths={closed.host: {"auth": auth}})).ok()
    os.makedirs(place + "/.docker")
    logins(place + "/.docker/config.json", auths={closed.host: {"auth": auth}})
    control.run("-m", "pull-oci", closed.host + "/x:1", "b", env={"HOME": place}).ok()
    control.run("push-oci", "b", closed.host + "/y:1", env={"HOME": place}).ok()


def test_a_helper_knows_the_login(control, closed, server, demo, place):
    with open(place + "/docker-credential-test", "w") as file:
        file.write("#!/bin/sh\nread -r server\n[ \"$server\" = %s ] && echo '{\"Username\":\"me\",\"Secret\":\"secret word\"}'\n" % closed.host)
    os.chmod(place + "/docker-credential-test", 0o755)
    environment = logins(place + "/auth.json", credHelpers={closed.host: "test"})
    control.run("-m", "pull-oci", closed.host + "/x:1", "a", env=environment).failed("docker-credential-test")
    # whoever else is asked about in the same breath is asked
    names = [closed.host + "/x:1", server.serve(demo, "app", "1")]
    rows = json.loads(control.run("--json=short", "resolve-oci", *names, env=environment).failed(code=1).out)
    assert "docker-credential-test" in rows[0]["problem"] and rows[0]["digest"] is None and rows[1]["digest"] and not rows[1]["problem"]
    control.run("-m", "pull-oci", closed.host + "/x:1", "a", env={**environment, "PATH": place + ":/usr/bin:/bin"}).ok()


def demand(server, image, realm, token="the-token"):
    """SERVER wants a token of REALM for everything."""
    server.serve(image)
    for path, answer in list(server.routes.items()):
        def guarded(request, answer=answer):
            if request.headers.get("Authorization") == "Bearer " + token:
                return answer
            return 401, {"WWW-Authenticate": 'Bearer realm="%s",service="the service",scope="repository:x:pull"' % realm}, b"{}"
        server.routes[path] = guarded
    return server.host + "/x:1"


@pytest.fixture
def small():
    return oci.Image([oci.tar({"usr/": None, "usr/one": b"one"}), oci.tar({"usr/": None, "usr/two": b"two"})])


def test_tokens_are_got_once_and_are_for_the_registry_alone(control, server, small, place):
    tokens, elsewhere = oci.Server(), oci.Server()
    try:
        ref = demand(server, small, "http:" + "//%s/token" % tokens.host)
        tokens.routes["/token"] = (200, {}, json.dumps({"token": "the-token"}).encode())
        # one layer is somewhere else
        digest = small.layers[1]["digest"]
        elsewhere.routes["/blob"] = (200, {}, small.blobs[digest])
        guarded = server.routes["/v2/x/blobs/" + digest]
        server.routes["/v2/x/blobs/" + digest] = lambda request: (
            (307, {"Location": "http:" + "//%s/blob" % elsewhere.host}, b"") if guarded(request)[0] == 200 else guarded(request))
        environment = logins(place + "/auth.json", auths={server.host: {"auth": oci.basic("me", "word").split()[1]}})
        control.run("-m", "pull-oci", ref, "web", env=environment).ok()
        assert [path for _, path, _ in tokens.asked] == ["/token?service=the%20service&scope=repository%3Ax%3Apull"]
        assert tokens.asked[0][2]["Authorization"] == oci.basic("me", "word")
        assert {headers.get("Authorization") for _, _, headers in server.asked} == {None, "Bearer the-token"}
        assert [path for _, path, _ in elsewhere.asked] == ["/blob"] and "Authorization" not in elsewhere.asked[0][2]
    finally:
        tokens.stop()
        elsewhere.stop()


def test_what_is_on_this_host_is_not_asked_for_elsewhere(control, server, small, place):
    """No proxy reaches it, and none is told the login of what needs no TLS."""
    proxy = oci.Server()
    try:
        proxies = {name: "http:" + "//" + proxy.host for name in ("http_proxy", "https_proxy", "all_proxy")}
        logged_in = logins(place + "/auth.json", auths={server.host: {"auth": oci.basic("me", "word").split()[1]}})
        control.run("-m", "pull-oci", server.serve(small), "web", env={**proxies, **logged_in}).ok()
        control.run("-m", "pull-oci", server.serve(small).replace("127.0.0.1", "localhost"), "other", env={**proxies, **logged_in}).ok()
        assert proxy.asked == []
        control.run("-m", "pull-tar", "--verify=no", "http:" + "//elsewhere.invalid/x.tar", env=proxies).failed("says 404")
        assert proxy.asked != []
    finally:
        proxy.stop()


def test_who_is_not_the_registry_does_not_say_who_is_told_the_login(control, server, small, place):
    """Class S45, as in CVE-2020-15157: a layer is somewhere else, where a login is asked for."""
    elsewhere = oci.Server()
    try:
        digest = small.layers[1]["digest"]
        ref = server.serve(small)
        server.routes["/v2/x/blobs/" + digest] = (307, {"Location": "http:" + "//%s/blob" % elsewhere.host}, b"")
        environment = logins(place + "/auth.json", auths={server.host: {"auth": oci.basic("me", "word").split()[1]}})
        elsewhere.routes["/token"] = (200, {}, json.dumps({"token": "the-token"}).encode())
        for challenge in ('Bearer realm="http:' + '//%s/token"' % elsewhere.host, 'Basic realm="x"'):
            elsewhere.routes["/blob"] = (401, {"WWW-Authenticate": challenge}, b"{}")
            done = control.run("-m", "pull-oci", ref, "web", env=environment).failed("the place where the registry", "refuses")
            assert "is told the login" not in done.err
        assert [path for _, path, _ in elsewhere.asked] == ["/blob", "/blob"]
        assert not [headers for _, _, headers in elsewhere.asked + server.asked if "Authorization" in headers]
    finally:
        elsewhere.stop()


def test_a_login_that_is_asked_for_when_a_layer_is_sent(control, server, place):
    """What was told of where it goes holds no longer."""
    os.makedirs(place + "/tree/usr")
    control.run("-m", "import-fs", place + "/tree", "alone").ok()
    server.routes["/token"] = (200, {}, json.dumps({"token": "the-token"}).encode())
    places = iter(range(100))
    server.routes["/v2/x/blobs/uploads/"] = lambda request: (202, {"Location": "/upload/%d" % next(places)}, b"")
    server.routes["/upload/0"] = (401, {"WWW-Authenticate": 'Bearer realm="http:' + '//%s/token"' % server.host}, b"{}")
    server.routes["/upload/1"] = server.routes["/upload/2"] = server.routes["/v2/x/manifests/1"] = (201, {}, b"")
    control.run("push-oci", "alone", server.host + "/x:1").ok()
    sent = [(path.split("?")[0], headers.get("Authorization")) for method, path, headers in server.asked if method == "PUT"]
    assert sent == [("/upload/0", None)] + [(path, "Bearer the-token") for path in ("/upload/1", "/upload/2", "/v2/x/manifests/1")]


@pytest.mark.slow
def test_a_registry_has_its_time_for_a_layer(control, server, place):
    """It has all of it, and answers much later than one who gives something may."""
    os.makedirs(place + "/tree/usr")
    control.run("-m", "import-fs", place + "/tree", "alone").ok()
    waited = threading.Event()

    def take(request):
        if not waited.is_set():
            waited.wait(33)
            waited.set()
        return 201, {}, b""
    server.routes["/v2/x/blobs/uploads/"] = (202, {"Location": "/upload"}, b"")
    server.routes["/upload"], server.routes["/v2/x/manifests/1"] = take, (201, {}, b"")
    control.run("push-oci", "alone", server.host + "/x:1").ok()


def test_a_token_that_is_too_old_is_replaced(control, server, small):
    counts = {"given": 0}

    def give(request):
        counts["given"] += 1
        return 200, {}, json.dumps({"access_token": "token-%d" % counts["given"]}).encode()
    server.serve(small)
    for path, answer in list(server.routes.items()):
        def guarded(request, answer=answer, blob="/blobs/" in path):
            if request.headers.get("Authorization") == ("Bearer token-2" if blob else "Bearer token-1"):
                return answer
            return 401, {"WWW-Authenticate": 'Bearer realm="http:' + '//%s/token"' % server.host}, b"{}"
        server.routes[path] = guarded
    server.routes["/token"] = give
    control.run("-m", "pull-oci", server.host + "/x:1", "web").ok()
    assert counts["given"] == 2


@pytest.mark.parametrize("realm, word", [
    ("http:" + "//192.0.2.7:%d/token", "not reached by https"),
    ("file:" + "///etc/passwd", "which is no place"),
    ("gopher:" + "//127.0.0.1:%d/", "which is no place"),
    ("http:" + "//me@127.0.0.1:%d/token", "which is no place"),
    ("", "refuses"),
], ids=["http", "file", "gopher", "user", "none"])
def test_a_realm_that_is_none_gets_nothing(control, server, small, place, realm, word):
    sandbox_address = subprocess.run(["ip", "addr", "add", "192.0.2.7/32", "dev", "lo"], capture_output=True)
    assert sandbox_address.returncode == 0 or b"exists" in sandbox_address.stderr
    evil = oci.Server("192.0.2.7")
    try:
        port = int(evil.host.split(":")[1])
        ref = demand(server, small, realm % port if "%d" in realm else realm)
        environment = logins(place + "/auth.json", auths={server.host: {"auth": oci.basic("me", "word").split()[1]}})
        control.run("-m", "pull-oci", ref, "web", env=environment).failed(word)
        assert evil.asked == []
        assert all("Authorization" not in headers for _, _, headers in server.asked)
    finally:
        evil.stop()
        subprocess.run(["ip", "addr", "del", "192.0.2.7/32", "dev", "lo"], check=True)


@pytest.mark.parametrize("text, word", [("{", "gives no JSON"), ("{}", "gives no token"), ('{"token":"a\\nX-Evil: 1"}', "gives no token"),
                                        ('{"token":"%s"}' % ("a" * 70000), "larger than")], ids=["json", "none", "lines", "long"])
def test_a_token_is_one_word(control, server, small, text, word):
    ref = demand(server, small, "http:" + "//%s/token" % server.host)
    server.routes["/token"] = (200, {}, text.encode())
    control.run("-m", "pull-oci", ref, "web").failed(word)


# ---- hostile registries ----

def flipped(data):
    return data[:len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1:]


def change_blob(server, digest, change):
    status, headers, body = server.routes["/v2/x/blobs/" + digest]
    server.routes["/v2/x/blobs/" + digest] = (status, headers, change(body))


def serve_changed(server, image, change):
    """The manifest after CHANGE."""
    manifest = json.loads(json.dumps(image.manifest))
    change(manifest)
    server.serve(image)
    return server.serve(json.dumps(manifest).encode())


def set_layer(**values):
    return lambda manifest: manifest["layers"][0].update(values)


def set_config(**values):
    return lambda manifest: manifest["config"].update(values)


HOSTILE = {
    "flipped layer": (lambda server, image: change_blob(server, image.layers[0]["digest"], flipped), ["layer"]),
    "flipped last byte": (lambda server, image: change_blob(server, image.layers[1]["digest"], lambda data: data[:-1] + b"\xff"), ["cannot"]),
    "other layer": (lambda server, image: change_blob(server, image.layers[0]["digest"], lambda data: gzip.compress(oci.tar({"evil": b""}))), ["layer"]),
    "truncated layer": (lambda server, image: change_blob(server, image.layers[0]["digest"], lambda data: data[:-7]), ["bytes"]),
    "empty layer": (lambda server, image: change_blob(server, image.layers[0]["digest"], lambda data: b""), ["bytes"]),
    "longer layer": (lambda server, image: change_blob(server, image.layers[0]["digest"], lambda data: data + b"x"), ["larger"]),
    "bytes behind": (lambda server, image: change_blob(server, image.layers[0]["digest"], lambda data: data + bytes(512)), ["larger"]),
    "flipped configuration": (lambda server, image: change_blob(server, image.manifest["config"]["digest"], flipped), ["configuration", "digest"]),
    "no layer": (lambda server, image: server.routes.pop("/v2/x/blobs/" + image.layers[0]["digest"]), ["does not have"]),
    "called an index": (lambda server, image: server.routes.update({"/v2/x/manifests/1": (200, {"Content-Type": oci.INDEX}, json.dumps(image.manifest).encode())}),
                        ["called"]),
    "called a page": (lambda server, image: server.routes.update({"/v2/x/manifests/1": (200, {"Content-Type": "text/html"}, json.dumps(image.manifest).encode())}),
                      ["called"]),
    "ambiguous": (lambda server, image: serve_changed(server, image, lambda manifest: manifest.update(manifests=[])), ["as well"]),
    "ambiguous type": (lambda server, image: serve_changed(server, image, lambda manifest: manifest.update(mediaType=oci.INDEX)), ["called"]),
    "a key twice": (lambda server, image: server.serve(json.dumps(image.manifest).replace('"layers"', '"layers": [], "layers"').encode()), ["no JSON"]),
    "schema 1": (lambda server, image: server.serve(b'{"schemaVersion": 1, "fsLayers": [], "history": []}'), ["schema"]),
    "digest as a path": (lambda server, image: serve_changed(server, image, set_layer(digest="sha256:../../../../etc/passwd")), ["digest"]),
    "digest of another kind": (lambda server, image: serve_changed(server, image, set_layer(digest="md5:" + "0" * 32)), ["digest"]),
    "digest in capitals": (lambda server, image: serve_changed(server, image, set_layer(digest=image.layers[0]["digest"].upper())), ["digest"]),
    "digest too short": (lambda server, image: serve_changed(server, image, set_layer(digest=image.layers[0]["digest"][:-1])), ["digest"]),
    "size too small": (lambda server, image: serve_changed(server, image, set_layer(size=image.layers[0]["size"] - 1)), ["larger"]),
    "size too large": (lambda server, image: serve_changed(server, image, set_layer(size=image.layers[0]["size"] + 1)), ["bytes"]),
    "negative size": (lambda server, image: serve_changed(server, image, set_layer(size=-1)), ["size"]),
    "size of a configuration": (lambda server, image: serve_changed(server, image, set_config(size=1)), ["larger"]),
    "huge configuration": (lambda server, image: serve_changed(server, image, set_config(size=1 << 30)), ["too large"]),
    "foreign layer": (lambda server, image: serve_changed(server, image, set_layer(urls=["http:" + "//192.0.2.1/layer"])), ["elsewhere"]),
    "foreign type": (lambda server, image: serve_changed(server, image, set_layer(mediaType="application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")), ["type"]),
    "encrypted type": (lambda server, image: serve_changed(server, image, set_layer(mediaType=oci.LAYER + "+gzip+encrypted")), ["type"]),
    "no machine": (lambda server, image: serve_changed(server, image, set_config(mediaType="application/vnd.cncf.helm.config.v1+json")), ["no image of a machine"]),
    "a layer less": (lambda server, image: serve_changed(server, image, lambda manifest: manifest["layers"].pop()), ["layers"]),
    "layers in another order": (lambda server, image: serve_changed(server, image, lambda manifest: manifest["layers"].reverse()), ["layer"]),
    "too many layers": (lambda server, image: serve_changed(server, image, lambda manifest: manifest.update(layers=manifest["layers"] * 300)), ["layers"]),
    "no layers": (lambda server, image: serve_changed(server, image, lambda manifest: manifest.update(layers={})), ["list"]),
    "no end": (lambda server, image: server.serve(b"[" * 100000), ["no JSON"]),
    "to a file": (lambda server, image: server.routes.update({"/v2/x/blobs/" + image.layers[0]["digest"]: (307, {"Location": "file:" + "///etc/shadow"}, b"")}),
                  ["redirected"]),
    "to the cloud": (lambda server, image: server.routes.update({"/v2/x/manifests/1": (302, {"Location": "http:" + "//169.254.169.254/latest"}, b"")}), ["link-local"]),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_registry_is_refused(control, server, small, case):
    change, words = HOSTILE[case]
    ref = server.serve(small)
    change(server, small)
    done = control.run("-m", "pull-oci", ref, "web").failed(*words)
    assert len([line for line in done.err.splitlines() if line]) == 1, done
    assert not os.path.exists(POOL) or os.listdir(POOL) == []
    check_store()
    good = {digest.split(":")[1] for digest in small.config["rootfs"]["diff_ids"]}
    assert set(stored("layers")) <= good


def test_no_layer_is_kept_under_a_digest_that_its_bytes_do_not_have(control, server, small):
    """Else the next image with that layer would be made of it (class S44)."""
    evil = oci.Image([oci.tar({"evil-%d" % n: b""}) for n in range(len(small.layers))])
    evil.config["rootfs"] = small.config["rootfs"]
    control.run("-m", "pull-oci", server.serve(evil.finish()), "web").failed("configuration says")
    assert list(stored("layers")) == []
    control.run("-m", "pull-oci", server.serve(small), "web").ok()
    assert not glob.glob(STORE + "/layers/sha256/*/evil*")


def test_a_document_is_never_a_device(control, tmp_path):
    """Opening some does something (class S42)."""
    for name in ("index.json", "manifest.json"):
        archive = str(tmp_path / "image.tar")
        with tarfile.open(archive, "w") as made:
            entry = tarfile.TarInfo(name)
            entry.type, entry.devmajor, entry.devminor = tarfile.CHRTYPE, 1, 5
            made.addfile(entry)
        control.run("-m", "import-oci", archive, "web").failed()
    layout = str(tmp_path / "layout")
    os.makedirs(layout + "/blobs/sha256")
    os.mknod(layout + "/index.json", 0o600 | stat.S_IFCHR, os.makedev(1, 5))
    control.run("-m", "import-oci", layout, "web").failed("no file")
    check_store()


def test_a_digest_holds_for_the_manifest(control, server, small):
    server.serve(small)
    other = oci.Image([oci.tar({"evil": b""})])
    wanted = oci.sha256(json.dumps(small.manifest).encode())
    control.run("-m", "pull-oci", "%s/x@%s" % (server.host, wanted), "good").ok()
    server.serve(other)
    server.routes["/v2/x/manifests/" + wanted] = server.routes["/v2/x/manifests/1"]
    control.run("-m", "pull-oci", "%s/x:1@%s" % (server.host, wanted), "bad").failed("manifest")
    assert not os.path.exists(POOL + "/bad.mstack")


@pytest.mark.parametrize("how", ["cancel", "kill"])
def test_what_a_transfer_left_in_the_store_goes(control, server, small, how):
    layers = [oci.tar({"usr/": None, "usr/%d" % number: os.urandom(1 << 20)}) for number in range(2)]
    image, stalled, ended = oci.Image(layers), threading.Event(), threading.Event()
    ref = server.serve(image)
    digest = image.layers[1]["digest"]

    def stall(request):
        request.send_response(200)
        request.send_header("Content-Length", str(len(image.blobs[digest])))
        request.end_headers()
        request.wfile.write(image.blobs[digest][:1 << 19])
        stalled.set()
        ended.wait(60)
        request.close_connection = True

    def unfinished():
        return [name for room in ("blobs", "layers") for name in os.listdir("%s/%s/sha256" % (STORE, room)) if name.startswith(".#")]
    server.routes["/v2/x/blobs/" + digest] = stall
    pull = control.start("-m", "pull-oci", ref, "web")
    try:
        assert stalled.wait(30)
        number = json.loads(control.run("list-transfers", "--json=short").ok().out)[0]["id"]
        assert len(unfinished()) >= 1
        if how == "cancel":
            control.run("cancel-transfer", str(number)).ok()
        else:
            with open(glob.glob("/run/**/transfers/%d" % number, recursive=True)[0]) as file:
                os.kill(int(file.read().split("PID=")[1].split()[0]), signal.SIGKILL)
        assert "was canceled" in pull.communicate(timeout=30)[1]
        if how == "kill":  # its workers may live a moment longer than who looked
            other = server.serve(small, tag="2")
            runner.until(lambda: control.run("-m", "pull-oci", "--force", other, "other").ok() and not unfinished())
        assert unfinished() == []
    finally:
        ended.set()
    check_store()


def test_a_lost_connection_is_taken_up(control, server):
    image = oci.Image([oci.tar({"usr/": None, "usr/noise": os.urandom(3 << 20)})])
    ref, digest = server.serve(image), image.layers[0]["digest"]
    body, ranges = image.blobs[digest], []

    def lose(request):
        start = int((request.headers.get("Range") or "bytes=0-")[6:-1])
        ranges.append(start)
        end = min(len(body), start + (1 << 20))
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(body) - start))
        request.send_header("ETag", '"x"')
        if start:
            request.send_header("Content-Range", "bytes %d-%d/%d" % (start, len(body) - 1, len(body)))
        request.end_headers()
        request.wfile.write(body[start:end])
        request.close_connection = True
    server.routes["/v2/x/blobs/" + digest] = lose
    control.run("-m", "pull-oci", ref, "web").ok()
    assert len(ranges) >= 4 and ranges[0] == 0 and ranges[1] > 0
    check_store()


EVIL_CONFIG = {
    "line in a command": ({"Cmd": ["/bin/sh", "x\n[Files]\nBind=/:/host"]}, "command"),
    "line in a user": ({"User": "root\nBind=/:/host"}, "user"),
    "specifier": ({"WorkingDir": "/%h"}, "working directory"),
    "path above": ({"WorkingDir": "/w/../../root"}, "working directory"),
    "signal": ({"StopSignal": "$(reboot)"}, "stop signal"),
    "long word": ({"Cmd": ["a" * 5000]}, "too long"),
    "long list": ({"Env": ["A=b"] * 2000}, "Env"),
    "other kind": ({"Cmd": "/bin/sh"}, "Cmd"),
}


@pytest.mark.parametrize("case", EVIL_CONFIG)
def test_settings_that_are_more_are_refused(control, server, case):
    config, word = EVIL_CONFIG[case]
    control.run("-m", "pull-oci", server.serve(oci.Image([oci.tar({"usr/": None})], config)), "web").failed(word)
    assert not os.path.exists(POOL) or os.listdir(POOL) == []


def test_only_what_is_listed_takes_effect(control, server):
    config = {"Cmd": ["x"], "Env": ["A=b\nBind=/:/host", "NOTIFY_SOCKET=/x", "GOOD=$(x)"], "Volumes": {"/v:/etc": {}, "/good": {}},
              "ExposedPorts": {"80/tcp\nBind=/": {}}, "Healthcheck": {"Test": ["CMD", "x"]}, "Privileged": True, "Binds": ["/:/host"]}
    done = control.run("-m", "pull-oci", server.serve(oci.Image([oci.tar({"usr/": None})], config)), "web").ok()
    with open(POOL + "/web.nspawn") as file:
        lines = [line for line in file.read().splitlines() if line and not line.startswith("#")]
    assert lines == ["[Exec]", "Boot=no", 'Parameters="x"', 'Environment="GOOD=$(x)"', "[Files]"], lines
    for word in ("Privileged", "Binds", "Healthcheck", "NOTIFY_SOCKET"):
        assert word in done.err


def test_a_working_directory_that_no_layer_has_is_made(redd, control, server, layers):
    """Others make it as well; where a link or a whiteout is on the way, it is left alone."""
    top = oci.tar({"srv/": None, "srv/link": "/etc", "srv/file": b"x", "srv/.wh.gone": b""})
    below = oci.tar({"srv/": None, "srv/gone/": None})
    for number, (path, made) in enumerate({"/srv/app/data": True, "/new": True, "/etc": None, "/": None, "/srv/link/x": False, "/srv/file/x": False,
                                           "/srv/gone/x": False, "/srv/link": None, "": None}.items()):
        name = "web%d" % number
        image = oci.Image([*layers[:2], below, top], {"Cmd": ["pwd"], "WorkingDir": path})
        control.run("-m", "pull-oci", server.serve(image), name).ok()
        data = "%s/%s.mstack/rw/data" % (POOL, name)
        if made:
            assert os.path.isdir(data + path) and stat.S_IMODE(os.stat(data + path).st_mode) == 0o755
            assert redd.run("-q", "--pipe", "-M", name).ok().lines == [path]
            mode = redd.run("-q", "--pipe", "-M", name, "stat", "-c", "%a", "/srv").ok().lines
            assert mode == ["755"]
        else:
            assert os.listdir(data) == []
            assert (redd.run("-q", "--pipe", "-M", name).code == 0) == (made is None)
    control.run("-m", "--read-only", "pull-oci", server.serve(oci.Image(layers, {"Cmd": ["pwd"], "WorkingDir": "/new"})), "fixed").ok()
    assert not os.path.exists(POOL + "/fixed.mstack/rw")


def test_a_layer_may_hide_all_that_is_below_it(control, server, place):
    layers = [oci.tar({"usr/": None, "usr/secret": b"x", "sbin/": None, "sbin/init": b"x"}),
              oci.tar({".wh..wh..opq": b"", "usr/": None, "usr/own": b"y"}), oci.tar({"usr/": None, "usr/more": b"z"})]
    image = oci.Image(layers, {"Cmd": ["/usr/own"]})
    control.run("-m", "pull-oci", server.serve(image), "web").ok()
    assert sorted(os.listdir(exported(control, "web", place + "/tree") + "/usr")) == ["more", "own"]
    assert os.listdir(place + "/tree") == ["usr"]
    control.run("export-oci", "web", place + "/out").ok()
    control.run("-m", "import-oci", place + "/out", "back").ok()
    same(place + "/tree", exported(control, "back", place + "/back"))
    check_store()


def test_an_init_is_booted(control, server, busybox):
    image = oci.Image([packed(busybox)])
    control.run("-m", "pull-oci", server.serve(image), "web").ok()
    with open(POOL + "/web.nspawn") as file:
        assert "Boot=yes" in file.read()


@pytest.mark.parametrize("verb", ["import-tar", "import-raw"])
@pytest.mark.parametrize("settings", ["made", "changed", "own"])
def test_what_an_image_said_does_not_hold_for_what_takes_its_place(redd, control, server, layers, place, verb, settings):
    with open(place + "/web.tar", "wb") as file:
        file.write(layers[0])
    control.run("-m", "pull-oci", server.serve(oci.Image(layers, {"Entrypoint": ["/bin/echo", "old"]})), "web").ok()
    if settings != "made":
        with open(POOL + "/web.nspawn", "a" if settings == "changed" else "w") as file:
            file.write("[Network]\nPrivate=yes\n")
    with open(POOL + "/web.roothash", "w") as file:
        file.write("0" * 64)
    control.run("-m", "--force", verb, place + "/web.tar", "web").ok()
    left = {"web" if verb == "import-tar" else "web.raw", "web.roothash", *(["web.nspawn"] if settings == "own" else [])}
    assert set(os.listdir(POOL)) == left


# ---- files ----

@pytest.mark.parametrize("form", ["oci-archive", "docker-archive", "oci"])
def test_an_export_comes_back_as_it_was(control, demo, place, form):
    control.run("-m", "import-oci", demo.layout(place + "/layout"), "web").ok()
    ours = exported(control, "web", place + "/ours")
    target = "%s:%s/out" % (form, place)
    control.run("export-oci", "web", target).ok()
    details = json.loads(oci.skopeo("inspect", "--config", target))
    assert details["config"]["Cmd"] == demo.config["config"]["Cmd"] and len(details["rootfs"]["diff_ids"]) == 3
    control.run("-m", "import-oci", place + "/out", "back").ok()
    same(ours, exported(control, "back", place + "/back"))
    with open(POOL + "/web.nspawn") as one, open(POOL + "/back.nspawn") as other:
        assert one.read() == other.read()
    control.run("-m", "import-oci", place + "/out", "back").failed("is there already")
    control.run("export-oci", "nobody", place + "/x").failed("cannot find the image 'nobody'")


@pytest.mark.parametrize("form", ["oci-archive", "docker-archive"])
def test_skopeos_archives_are_imported(control, demo, place, form):
    oci.skopeo("copy", "oci:" + demo.layout(place + "/layout"), "%s:%s/demo.tar%s" % (form, place, ":demo:1" if form == "docker-archive" else ""))
    control.run("-m", "import-oci", place + "/demo.tar").ok()
    assert sorted(os.listdir(POOL)) == ["demo.mstack", "demo.nspawn", "demo.oci-config"]
    assert stored("layers") == sorted(layer.split(":")[1] for layer in demo.config["rootfs"]["diff_ids"])
    if form == "docker-archive":
        control.run("-m", "import-oci", place + "/demo.tar:demo:1", "named").ok()
        control.run("-m", "import-oci", place + "/demo.tar:other:1", "other").failed("other:1")


def test_a_tree_becomes_an_image(control, place, busybox):
    shutil.copytree(busybox, POOL + "/plain", symlinks=True)
    control.run("export-oci", "plain", place + "/plain.tar").ok()
    control.run("-m", "import-oci", place + "/plain.tar", "back").ok()
    same(POOL + "/plain", exported(control, "back", place + "/back"))
    with open(POOL + "/back.nspawn") as file:
        assert "Boot=yes" in file.read()


@pytest.mark.parametrize("case, word", [("empty", "neither"), ("path", "no path"), ("link", "cannot"), ("garbage", "cannot"), ("many", "cannot")])
def test_a_hostile_archive_is_refused(control, place, case, word):
    entries = {"x": b""}
    if case == "path":
        entries = {"manifest.json": b'[{"Config": "../../../../etc/passwd", "Layers": []}]'}
    if case == "link":
        entries = {"manifest.json": b'[{"Config": "config", "Layers": []}]', "config": "/etc/passwd"}
    if case == "many":
        entries = {"file-%d" % number: b"" for number in range(5000)}
    with open(place + "/x.tar", "wb") as file:
        file.write(os.urandom(4096) if case == "garbage" else oci.tar(entries))
    control.run("-m", "import-oci", place + "/x.tar", "web").failed(word)
    assert not os.path.exists(POOL) or os.listdir(POOL) == []
    check_store()


def test_layers_of_images_elsewhere_stay(redd, control, demo, place):
    """In a directory that no name is looked for in, and while its file system is not mounted."""
    layout, manager = demo.layout(place + "/layout"), machines.machinectl(redd)
    pool = "/var/lib/elsewhere"
    os.mkdir(pool)
    pools.make("ext4", place + "/disk")
    for disk in (False, True):
        if disk:
            subprocess.run(["mount", "-o", "loop", place + "/disk", pool], check=True)
        control.run("-m", "--image-root=" + pool, "import-oci", layout, "web").ok()
        had = stored("layers")
        assert "layers" not in manager.run("clean").ok().err and stored("layers") == had != []
        redd.run("-q", "-D", pool + "/web.mstack", "cat", "/etc/name").ok()
        if disk:
            sandbox.umount(pool)
            assert "layers" not in manager.run("clean").ok().err and stored("layers") == had
            rows = json.loads(control.run("disk-usage", "--json=short").ok().out)
            assert {row["held-by"] for row in rows if row["type"] == "layer"} == {pool}, rows
            subprocess.run(["mount", "-o", "loop", place + "/disk", pool], check=True)
        shutil.rmtree(pool + "/web.mstack")
        assert "Removed %d layers" % len(had) in manager.run("clean").ok().err and stored("layers") == []
    sandbox.umount(pool)


@pytest.mark.parametrize("kind", ["ext4", "btrfs", "xfs"])
def test_layers_of_images_on_a_disk_stay_while_another_one_is_there(redd, control, demo, place, kind):
    """Of the same kind: with the inode of its root, and maybe its device."""
    layout, manager = demo.layout(place + "/layout"), machines.machinectl(redd)
    pool = "/var/lib/elsewhere"
    os.mkdir(pool)
    for name in ("one", "other"):
        pools.make(kind, place + "/" + name)
    mount = lambda name: subprocess.run(["mount", "-o", "loop", place + "/" + name, pool], check=True)
    mount("one")
    control.run("-m", "--image-root=" + pool, "import-oci", layout, "web").ok()
    had = stored("layers")
    sandbox.umount(pool)
    mount("other")
    assert "layers" not in manager.run("clean").ok().err and stored("layers") == had != []
    sandbox.umount(pool)
    mount("one")
    redd.run("-q", "-D", pool + "/web.mstack", "cat", "/etc/name").ok()
    shutil.rmtree(pool + "/web.mstack")
    assert "Removed %d layers" % len(had) in manager.run("clean").ok().err and stored("layers") == []
    sandbox.umount(pool)


def test_a_user_pulls_runs_and_pushes(mine, user, registry, demo, place):
    control = machines.importctl(mine)
    try:
        ref = push(registry, demo, "demo:1", place)
        control.run("-m", "pull-oci", ref, "web").ok()
        assert os.stat(user.home + "/.local/state/redd").st_uid == user.uid
        done = mine.run("-q", "--pipe", "-M", "web").ok()
        assert done.lines == ["hello  world from /etc", "demo", "own"], done
        control.run("push-oci", "web", registry.host + "/of-a-user:1").ok()
    finally:
        shutil.rmtree(user.home + "/.local", ignore_errors=True)


@pytest.mark.parametrize("words, said", [
    (["pull-oci", "x:1"], "class"),
    (["-m", "pull-oci", "X"], "small letters"),
    (["-m", "pull-oci", "a@sha256:x"], "digest"),
    (["-P", "pull-oci", "127.0.0.1:1/x"], "machine"),
    (["-m", "pull-oci", "127.0.0.1:1/x"], "127.0.0.1:1"),
    (["push-oci", "nobody", "127.0.0.1:1/x"], "nobody"),
    (["-m", "import-oci", "/nowhere"], "/nowhere"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_bad_words_are_refused(control, words, said):
    done = control.run(*words).failed(said)
    assert len(done.err.splitlines()) == 1, done


def test_what_registries_have_is_told_without_fetching_it(control, server, demo):
    text = json.dumps(demo.manifest).encode()
    reference, manifest = server.serve(demo, "app", "1"), oci.sha256(text)
    entry = {"mediaType": oci.MANIFEST, "digest": manifest, "size": len(text), "platform": {"architecture": "amd64", "os": "linux"}}
    other = {**entry, "digest": oci.sha256(b"other"), "platform": {"architecture": "s390x", "os": "linux"}}
    for name, entries in (("both", [other, entry]), ("none", [other])):
        document = {"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": entries}
        server.routes["/v2/app/manifests/" + name] = (200, {"Content-Type": oci.INDEX}, json.dumps(document).encode())
    server.routes["/v2/app/manifests/noise"] = (200, {"Content-Type": oci.MANIFEST}, b"noise")
    names = [reference, *("%s/app:%s" % (server.host, name) for name in ("both", "none", "noise", "missing")), "127.0.0.1:1/x"]
    rows = json.loads(control.run("--json=short", "resolve-oci", *names).failed(code=1).out)
    assert [row["reference"] for row in rows] == names and [row["digest"] for row in rows] == [manifest, manifest, None, None, None, None]
    assert [bool(row["problem"]) for row in rows] == [False, False, True, True, True, True]
    assert all("/manifests/" in path for _, path, _ in server.asked) and not os.path.exists(STORE)
    assert control.run("--no-legend", "resolve-oci", names[1]).ok().out.split() == [names[1], manifest, "-"]
    control.run("resolve-oci", "no reference").failed("cannot use 'no reference'")


@pytest.mark.parametrize("case", ["of the same registry", "of another registry", "of many registries"])
def test_a_registry_that_gives_no_answer_is_not_in_the_way_of_others(control, server, demo, case):
    """There is room for eight questions at a time, and the whole of it may not be theirs as long as somebody waits."""
    others = [oci.Server() for _ in range({"of the same registry": 0, "of another registry": 1, "of many registries": 8}[case])]
    stuck, waiting, found, seen, names = others or [server], threading.Event(), [], [], []
    good = server.serve(demo, "app", "1")
    path, answer = "/v2/app/manifests/1", server.routes["/v2/app/manifests/1"]

    def hold(request):
        found.append(request.path)
        waiting.wait(60)
        return 404, {}, b"{}"

    def release(request):
        seen.append(len(found))
        waiting.set()
        return answer

    for number in range(8):
        one = stuck[number % len(stuck)]
        one.routes["/v2/app/manifests/s%d" % number] = hold
        names.append("%s/app:s%d" % (one.host, number))
    server.routes[path] = release
    try:
        rows = json.loads(control.run("--json=short", "resolve-oci", *names, good).failed(code=1).out)
    finally:
        waiting.set()
        for one in others:
            one.stop()
    assert [bool(row["digest"]) for row in rows] == [False] * 8 + [True] and all(row["problem"] for row in rows[:8])
    # of another one it does not even have to wait for room
    assert len(seen) == 1 and (seen[0] < 8 or case != "of another registry")
