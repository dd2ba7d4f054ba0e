"""S39, S42 to S47, S49: images that work against who takes them in, starts them or gives them away. /media is the host's; each
class has a control in which a program without our care is led there."""
import base64
import glob
import io
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import urllib.request

import pytest

from support import machines, oci, runner, sandbox
from support.archives import directory, entry, hard, pax, symlink, tar

from .conftest import LONG

POOL, STORE = "/var/lib/machines", "/var/lib/redd"
ROUNDS = 200 if LONG else 8
SETUID = b"#!/bin/sh\nid -u\n"


@pytest.fixture
def control(redd):
    """importctl, in a /var/lib of the test's own."""
    sandbox.mount("tmpfs", "/var/lib", "tmpfs", 0, "mode=0755")
    os.makedirs(POOL, mode=0o700)
    yield machines.importctl(redd)
    for path in glob.glob(POOL + "/*"):
        subprocess.run(["chattr", "-i", path], stderr=subprocess.DEVNULL)
    sandbox.umount("/var/lib")


@pytest.fixture
def server():
    one = oci.Server()
    yield one
    one.stop()


@pytest.fixture
def other():
    one = oci.Server()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def base(busybox):
    """The busybox tree as a layer."""
    return subprocess.run(["tar", "-c", "--sort=name", "-C", busybox, "."], check=True, capture_output=True).stdout


def put(path, data):
    with open(path, "wb") as file:
        file.write(data)
    return path


def pull(control, server, layers, config=None, name="web"):
    return control.run("-m", "pull-oci", server.serve(oci.Image(layers, config or {"Cmd": ["/bin/sh"]})), name)


# --- S6: an archive's file name is as foreign as what is in it

FORMS = {"mstack": ("layer@0", "/media"), "v": ("evil_1", "/media"), "raw.v": ("evil_1.raw", "/media/disk"), "nspawn": ("x", "/"), "raw": ("x", "/")}


@pytest.mark.parametrize("form", FORMS)
def test_a_trees_name_cannot_make_layers_or_versions_of_its_links(redd, control, form):
    link, target = FORMS[form]
    os.makedirs("/media/etc", exist_ok=True)
    archive = put("/var/lib/evil.%s.tar" % form, tar(directory(b"usr/"), symlink(link.encode(), target.encode())))
    for words in (["import-tar", archive], ["import-tar", archive, "evil." + form]):
        control.run("-m", *words).failed("cannot use 'evil.%s' as the name of an image" % form)
        assert os.listdir(POOL) == []
    control.run("-m", "import-tar", archive, "fine").ok()
    machinectl = machines.machinectl(redd)
    for verb in ("clone", "rename"):
        machinectl.run(verb, "fine", "evil." + form).failed("cannot use 'evil.%s' as the name of an image" % form)
    assert os.listdir(POOL) == ["fine"]
    # the control: whoever gives it such a name by hand has an image of another form
    os.rename(POOL + "/fine", POOL + "/evil." + form)
    seen = machinectl.run("list-images", "--no-legend").ok().out.split()[:1]
    assert seen == (["evil"] if form in ("mstack", "v") else ["evil." + form] if form != "raw.v" else [])


def test_what_belongs_to_an_image_by_name_but_is_one_of_its_own_stays(redd, control):
    machinectl = machines.machinectl(redd)
    for name in ("web", "web.nspawn", "web.verity"):
        os.makedirs(POOL + "/" + name + "/usr")
    put(POOL + "/web.roothash", b"x")
    machinectl.run("remove", "web").ok()
    assert sorted(os.listdir(POOL)) == ["web.nspawn", "web.verity"]


# --- S39: setuid files in images

def as_nobody(*argv):
    return subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *argv], capture_output=True, text=True)


def test_s39_what_gives_rights_in_an_image_is_out_of_reach(control, server, place):
    evil = tar(directory(b"usr/"), entry(b"usr/su", SETUID, mode=0o4755))
    control.run("-m", "import-tar", put(place + "/evil.tar", evil), "tree").ok()
    pull(control, server, [evil]).ok()
    found = [path for top in (POOL, STORE) for path in glob.glob(top + "/**/usr/su", recursive=True)]
    assert len(found) >= 2 and all(os.stat(path).st_mode & stat.S_ISUID for path in found)
    for path in [*found, POOL + "/tree", POOL, STORE]:
        for command in (["ls", path], ["cat", path], [path], ["stat", path + "/."]):
            assert as_nobody(*command).returncode != 0, (command, path)


def test_s39_control_in_an_open_directory_it_is_reached(control, place):
    control.run("-m", "import-tar", put(place + "/evil.tar", tar(entry(b"su", SETUID, mode=0o4755))), "tree").ok()
    os.chmod(POOL, 0o755)
    assert as_nobody(POOL + "/tree/su").returncode == 0


# --- S42: archives that lead out

HOSTILE = {
    "dotdot": [entry(b"../../../../../../../media/public", b"evil")],
    "absolute": [entry(b"/media/public", b"evil")],
    "symlink": [symlink(b"l", b"/media"), entry(b"l/public", b"evil")],
    "symlink-up": [symlink(b"l", b"../../../../../../media"), entry(b"l/public", b"evil")],
    "symlink-late": [directory(b"d/"), symlink(b"d", b"/media"), entry(b"d/public", b"evil")],
    "symlink-itself": [symlink(b"f", b"/media/public"), entry(b"f", b"evil")],
    "hard-link": [hard(b"h", b"/media/public"), entry(b"h", b"evil")],
    "hard-link-through": [symlink(b"l", b"/media"), hard(b"h", b"l/public"), entry(b"h", b"evil")],
    "mode": [symlink(b"l", b"/media"), directory(b"l/", mode=0o777)],
    "mode-inside": [symlink(b"l", b"/media"), directory(b"l/sub/", mode=0o777)],
    "pax": [pax((b"path", b"../../../../../../../media/public")), entry(b"fine", b"evil")],
    "top": [symlink(b".", b"/media"), entry(b"public", b"evil")],
}
# What somebody with the same archive and no care does.
LED_ASTRAY = ["dotdot", "symlink", "symlink-up", "symlink-late", "mode-inside"]


@pytest.mark.parametrize("form", ["tar", "layer", "two-layers"])
@pytest.mark.parametrize("name", HOSTILE)
def test_s42_an_archive_writes_nowhere_else(control, server, victim, place, name, form):
    parts = HOSTILE[name]
    if form == "tar":
        control.run("-m", "import-tar", put(place + "/evil.tar", tar(*parts)), "web")
    else:
        pull(control, server, [tar(*parts)] if form == "layer" else [tar(part) for part in parts])
    victim.check()
    assert [name for name in os.listdir(POOL) if name.startswith(".#transfer")] == []


@pytest.mark.parametrize("name", LED_ASTRAY)
def test_s42_control_a_simple_program_is_led_astray(victim, place, name):
    """Each entry by its name, as it comes."""
    os.chdir(place)
    with tarfile.open(fileobj=io.BytesIO(tar(*HOSTILE[name]))) as archive:
        for member in archive:
            path = os.path.join(place, member.name)
            if member.issym():
                shutil.rmtree(path, ignore_errors=True)
                os.symlink(member.linkname, path)
            elif member.isdir():
                os.makedirs(path, exist_ok=True)
                os.chmod(path, member.mode)
            else:
                put(path, archive.extractfile(member).read())
    os.chdir("/")
    with pytest.raises(AssertionError):
        victim.check()
    put("/media/public", b"canary\n")
    os.chmod("/media/sub", victim.before[0]["/media/sub"][0] & 0o7777)


@pytest.mark.parametrize("white", [b"..", b".", b"", b".wh..opq", b"/media/public", b"l/public"])
def test_s42_what_a_layer_takes_away_is_the_images(control, server, victim, white):
    base = tar(symlink(b"l", b"/media"), directory(b"d/"), entry(b"d/f", b"x"))
    done = pull(control, server, [base, tar(entry(b".wh." + white)), tar(entry(b"l/.wh.public")), tar(entry(b"d/.wh." + white))])
    done.failed("it hides what is no name") if white in (b"..", b".", b"") else done.ok()
    pull(control, server, [base, tar(entry(b"l/.wh..wh..opq"))], name="other").ok()
    victim.check()


# --- S43: small files that become large ones

def test_s43_a_layer_that_is_a_bomb_is_refused(control, server, place):
    bomb = place + "/bomb"
    with open(bomb, "wb") as file:
        file.write(entry(b"zeros", b"", size=600 << 20))
        file.truncate((600 << 20) + 2048)
    packed = subprocess.run(["zstd", "-q", "-c", bomb], check=True, capture_output=True).stdout
    assert len(packed) < 200000
    image = oci.Image([tar(entry(b"f", b"x"))], {"Cmd": ["x"]}, compress=lambda data: packed, kind="+zstd")
    control.run("-m", "pull-oci", server.serve(image), "web").failed("made to fill the disk")
    assert os.listdir(POOL) == [] and glob.glob(STORE + "/layers/sha256/*") == []


def test_s43_control_what_is_as_large_and_no_bomb_comes_in(control, place):
    with open(place + "/large.tar", "wb") as file:
        file.write(entry(b"zeros", b"", size=600 << 20))
        file.truncate((600 << 20) + 2048)
    control.run("-m", "import-tar", place + "/large.tar", "web").ok()


# --- S44: bytes that are not what they are called

@pytest.mark.parametrize("what", ["layer", "config", "manifest"])
def test_s44_one_byte_is_another(control, server, what):
    image = oci.Image([oci.tar({"etc/": None, "etc/name": b"good"})], {"Cmd": ["/bin/sh"]})
    reference = server.serve(image)
    if what == "manifest":
        reference = reference.rsplit(":", 1)[0] + "@sha256:" + "0" * 64
        server.routes["/v2/x/manifests/sha256:" + "0" * 64] = server.routes["/v2/x/manifests/1"]
    else:
        digest = image.layers[0]["digest"] if what == "layer" else image.manifest["config"]["digest"]
        status, headers, body = server.routes["/v2/x/blobs/" + digest]
        server.routes["/v2/x/blobs/" + digest] = (status, headers, body[:-1] + bytes([body[-1] ^ 1]))
    control.run("-m", "pull-oci", reference, "web").failed()
    assert os.listdir(POOL) == [] and glob.glob(STORE + "/layers/sha256/*") == []


def test_s44_control_as_it_was_it_comes_in(control, server):
    pull(control, server, [oci.tar({"etc/": None, "etc/name": b"good"})]).ok()
    assert os.listdir(POOL + "/web.mstack")


# --- S45: who else gets the password

@pytest.fixture
def led_away(server, other):
    """A registry that asks for a password and sends whoever has it to another host. Its reference, and the path of a layer."""
    image = oci.Image([oci.tar({"etc/": None})], {"Cmd": ["/bin/sh"]})
    reference = server.serve(image)
    for path, answer in list(server.routes.items()):
        def guarded(request, path=path, answer=answer):
            if request.headers.get("Authorization") != oci.basic("me", "secret"):
                return 401, {"WWW-Authenticate": 'Basic realm="x"'}, b""
            if "/blobs/" in path:
                other.routes[path] = answer
                return 307, {"Location": "%s://%s%s" % ("http", other.host, path)}, b""
            return answer
        server.routes[path] = guarded
    return reference, "/v2/x/blobs/" + image.layers[0]["digest"]


def test_s45_a_redirect_gets_no_password(control, server, other, place, led_away):
    words = base64.b64encode(b"me:secret").decode()
    put(place + "/auth.json", ('{"auths": {"%s": {"auth": "%s"}}}' % (server.host, words)).encode())
    control.run("-m", "pull-oci", led_away[0], "web", env={"REGISTRY_AUTH_FILE": place + "/auth.json"}).ok()
    assert len(other.asked) >= 2 and all("authorization" not in {name.lower() for name in headers} for _, _, headers in other.asked)
    assert all("secret" not in path and words not in str(headers) for _, path, headers in other.asked)


def test_s45_control_a_simple_program_gives_it_away(server, other, led_away):
    asked = urllib.request.Request("%s://%s%s" % ("http", server.host, led_away[1]), headers={"Authorization": oci.basic("me", "secret")})
    urllib.request.urlopen(asked).read()
    assert [headers.get("Authorization") for _, _, headers in other.asked] == [oci.basic("me", "secret")]


# --- S46: settings that travel with an image

EVIL = b"[Exec]\nBoot=no\nCapability=all\nPrivateUsers=no\n[Files]\nBind=/media:/mnt\n[Network]\nPrivate=no\n"
LOOK = ["/bin/sh", "-c", "cat /mnt/CANARY; grep CapBnd /proc/self/status; cat /proc/self/uid_map"]


@pytest.fixture
def brought(control, base, place):
    """An image "web" that was pulled with settings of its own."""
    put(place + "/web.tar", base)
    put(place + "/web.nspawn", EVIL)
    control.run("-m", "--verify=no", "pull-tar", "file://" + place + "/web.tar", "web").ok()
    assert open(POOL + "/web.nspawn", "rb").read() == EVIL
    return POOL


def test_s46_settings_of_an_image_give_no_rights(redd, brought, victim):
    done = redd.run("-q", "--pipe", "-M", "web", *LOOK)
    assert "canary" not in done.out and done.lines[-1].split()[1] != "0", done
    victim.check()


def test_s46_control_the_administrators_do(redd, brought, victim):
    os.makedirs("/run/systemd/nspawn", exist_ok=True)
    shutil.copy(POOL + "/web.nspawn", "/run/systemd/nspawn")
    try:
        done = redd.run("-q", "--pipe", "-M", "web", *LOOK)
        assert "canary" in done.out and done.lines[-1].split()[1] == "0", done
    finally:
        os.unlink("/run/systemd/nspawn/web.nspawn")


MEMORY = ["sh", "-c", "ulimit -v 1000000; exec \"$@\"", "sh"]
MANY = b"[X-Service]\nMemoryMax=" + b"%i" * 500000 + b"\n"


def test_s46_settings_of_an_image_cost_no_memory(redd, brought):
    put(POOL + "/web.nspawn", MANY)
    done = redd.with_prefix(*MEMORY).run("-q", "--pipe", "-M", "web", "/bin/echo", "runs")
    assert done.code == 0 and "runs" in done.lines and "is for trusted files" in done.err, done


def test_s46_control_one_by_one_they_do():
    slow = "text, all = '%i' * 500000, []\nwhile '%i' in text: text = text.replace('%i', 'web', 1); all.append(text)"
    done = subprocess.run([*MEMORY, sys.executable, "-c", slow], capture_output=True, text=True)
    assert "MemoryError" in done.stderr


# --- S47: paths that an image names

PATHS = tar(symlink(b"w", b"/media"), symlink(b"up", b"../../../../../../media"), directory(b"media/"), entry(b"media/mine", b"x"),
            symlink(b"v", b"/media"))


@pytest.mark.parametrize("path", ["/w", "/up", "/../../media", "/w/../media"])
def test_s47_paths_of_an_image_are_inside(redd, control, server, base, victim, path):
    config = {"Cmd": ["/bin/sh", "-c", "pwd; ls; ls /v; touch /v/touched made"], "WorkingDir": path, "Volumes": {"/v": {}, path: {}}, "User": "root"}
    pulled = pull(control, server, [base, PATHS], config)
    assert pulled.code == 0 or (".." in path and "characters that no setting may have" in pulled.err), pulled
    if pulled.code == 0:
        done = redd.run("-q", "--pipe", "-M", "web")
        assert "CANARY" not in done.out and "public" not in done.out, done
        assert done.code != 0 or "mine" in done.lines, done
        machines.machinectl(redd).run("remove", "web").ok()
    victim.check()


def test_s47_control_by_name_they_lead_out(control, server, base, victim):
    pull(control, server, [base, PATHS]).ok()
    layer = [path for path in glob.glob(STORE + "/layers/sha256/*") if os.path.lexists(path + "/w")][0]
    assert "CANARY" in os.listdir(layer + "/w")


# --- S49: a tree that is changed while it is given away

@pytest.mark.parametrize("link", ["/media", "../../../../../../../media"])
def test_s49_what_goes_out_is_the_images(redd, control, victim, place, swap, link):
    tree = POOL + "/web"
    os.makedirs(tree + "/data/real/in")
    for name in ("real/public", "real/CANARY", "real/in/public"):
        put(tree + "/data/" + name, b"good\n")
    os.symlink(link, tree + "/data/link")
    put(tree + "/data/file", b"good\n")
    os.symlink(link + "/CANARY", tree + "/data/filelink")
    swap(tree + "/data/real", tree + "/data/link")
    swap(tree + "/data/file", tree + "/data/filelink")
    seen, control_machine = 0, machines.machinectl(redd)
    for n in range(ROUNDS):
        out = "%s/out%d" % (place, n)
        if control.run("-m", "export-tar", "web", out + ".tar").code == 0:
            data = open(out + ".tar", "rb").read()
            assert b"canary" not in data
            seen += b"good" in data
        control.run("-m", "import-fs", tree, "copy%d" % n)
        control_machine.run("clone", "--copy", "web", "clone%d" % n)
        control.run("export-oci", "web", "oci:" + out)
    found = subprocess.run(["grep", "-rl", "canary", place, POOL], capture_output=True, text=True).stdout
    assert [path for path in found.splitlines() if not path.startswith(tree + "/")] == [] and seen > 0
    victim.check()


def test_s49_control_by_name_it_is_the_hosts(victim, place):
    os.symlink("/media", place + "/link")
    archive = subprocess.run(["tar", "-C", place, "-ch", "link/CANARY"], check=True, capture_output=True).stdout
    assert b"canary" in archive
