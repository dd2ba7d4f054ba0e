"""importctl pull-tar and pull-raw: verification, lost connections, redirects, what is kept, what is never left behind."""
import base64
import gzip
import hashlib
import http.server
import io
import os
import random
import shutil
import signal
import socketserver
import ssl
import stat
import subprocess
import tarfile
import threading

import pytest

from support import machines, runner

POOL = "/var/lib/machines"
SETTINGS = b"[Exec]\nBoot=no\n"
VERITY = random.Random(3).randbytes(3 << 20)


def tar(content=b"hello\n", size=0):
    """A tree with one file of that content and one that cannot be compressed."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in (("usr/lib/os-release", b"ID=test\n"), ("content", content), ("large", random.Random(1).randbytes(size))):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return gzip.compress(out.getvalue(), 1, mtime=0)


def line(name, data, form="  "):
    return ("%s%s%s\n" % (hashlib.sha256(data).hexdigest(), form, name)).encode()


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """Files by path; what a test changes of how they are sent stands in the attributes."""
    daemon_threads = True

    def __init__(self, context=None):
        super().__init__(("127.0.0.1", 0), Handler)
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.scheme = "https" if context else "http"
        self.files, self.etags, self.redirects, self.cuts, self.lengths, self.asked = {}, {}, {}, {}, {}, []
        self.ranges, self.stall, self.stalled = True, threading.Event(), threading.Event()
        self.stalls, self.answers_etag, self.statuses = set(), None, {}
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def url(self, path, user=""):
        return "%s://%s127.0.0.1:%d%s" % (self.scheme, user, self.server_port, path)

    def paths(self):
        return [path for path, _ in self.asked]

    def handle_error(self, request, address):
        pass

    def stop(self):
        self.stall.set()
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers and status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        server, path = self.server, self.path.split("?")[0]
        server.asked.append((path, dict(self.headers)))
        if path in server.redirects:
            return self.answer(302, Location=server.redirects[path])
        if path in server.statuses:
            return self.answer(server.statuses[path], b"there is something else\n")
        if path not in server.files:
            return self.answer(404, b"there is nothing\n")
        data, etag = server.files[path], server.etags.get(path)
        more = {"ETag": etag or server.answers_etag} if etag or server.answers_etag else {}
        if etag and etag in [known.strip() for known in self.headers.get("If-None-Match", "").split(",")]:
            return self.answer(304, **more)
        status, start = 200, 0
        if server.ranges and self.headers.get("Range", "").startswith("bytes=") and self.headers.get("If-Range") == etag:
            start = int(self.headers["Range"][6:-1])
            status, more["Content-Range"] = 206, "bytes %d-%d/%d" % (start, len(data) - 1, len(data))
        more["Content_Length"] = str(server.lengths.get(path, len(data) - start))
        more["Last_Modified"] = "Sun, 06 Nov 1994 08:49:37 GMT"
        cut = server.cuts.get(path)
        if cut:
            server.cuts[path] = cut[1:]
            self.answer(status, data[start:cut[0]], **more)
            self.close_connection = True
        elif path in server.stalls:
            self.answer(status, data[start:len(data) // 2], **more)
            self.wfile.flush()
            server.stalled.set()
            server.stall.wait(60)
            self.close_connection = True
        else:
            self.answer(status, data[start:], **more)
            self.close_connection = path in server.lengths


@pytest.fixture
def server():
    made = Server()
    yield made
    made.stop()


@pytest.fixture
def other():
    made = Server()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A certificate of 127.0.0.1 that nobody knows."""
    path = str(tmp_path_factory.mktemp("tls"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj",
                    "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", path + "/key", "-out", path + "/certificate"],
                   check=True, capture_output=True)
    return path


@pytest.fixture
def secure(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority + "/certificate", authority + "/key")
    made = Server(context)
    yield made
    made.stop()


class Keys:
    def __init__(self, home):
        self.home = home
        for name in ("publisher", "stranger"):
            self.gpg("--passphrase", "", "--quick-gen-key", "%s <%s@example.org>" % (name, name), "ed25519", "sign", "0")
            with open(os.path.join(home, name), "wb") as file:
                file.write(self.gpg("--export", name).stdout)

    def gpg(self, *words, input=None):
        return subprocess.run(["gpg", "--homedir", self.home, "--batch", "--yes", *words], input=input, check=True, capture_output=True)

    def sign(self, data, *words, by="publisher"):
        return self.gpg("-u", by, *(words or ("--detach-sign",)), input=data).stdout

    def keyring(self, name="publisher"):
        return {"SYSTEMD_OPENPGP_KEYRING": os.path.join(self.home, name)}


@pytest.fixture(scope="module")
def keys():
    home = runner.scratch("redd-keys-")
    yield Keys(home)
    subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=True)
    runner.remove(home)


def everything(pool=POOL):
    return sorted(os.listdir(pool)) if os.path.isdir(pool) else []


def images(pool=POOL):
    """Also hidden ones; not locks and marks, which say nothing of a download."""
    return [name for name in everything(pool) if not name.startswith(".#")]


def empty(pool):
    subprocess.run(["chattr", "-R", "-f", "-i", pool], capture_output=True)
    for name in everything(pool):
        path = os.path.join(pool, name)
        shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)


@pytest.fixture
def control(redd):
    empty(POOL)
    program = runner.Redd(os.path.join(os.path.dirname(redd.path), "importctl"), env=redd.env, prefix=redd.prefix)
    program.always = ["-m"]
    yield program
    empty(POOL)


def content(name="web", pool=POOL):
    with open(os.path.join(pool, name, "content")) as file:
        return file.read()


# ---- what comes ----

def test_an_archive_becomes_an_image(control, server):
    server.files["/a/web.tar.gz"] = tar()
    control.run("pull-tar", "--verify=no", "-N", server.url("/a/web.tar.gz")).ok()
    assert content() == "hello\n" and images() == ["web"]
    assert "Redd/" in server.asked[0][1]["User-Agent"]
    assert sorted(server.paths()) == ["/a/web.nspawn", "/a/web.tar.gz"]


def test_what_was_downloaded_is_kept_and_asked_for_by_its_etag(control, server):
    url = server.url("/web.tar.gz")
    server.files["/web.tar.gz"], server.etags["/web.tar.gz"] = tar(), '"one"'
    control.run("pull-tar", "--verify=no", url).ok()
    kept = [name for name in images() if name.startswith(".tar-")]
    assert len(kept) == 1 and kept[0].endswith(".\\x22one\\x22") and content(kept[0]) == "hello\n"
    assert [name for name in images() if name not in kept][0] in ("web", "web.mstack")
    assert os.getxattr(os.path.join(POOL, kept[0]), "user.source_url").decode() == url
    done = control.run("pull-tar", "--verify=no", url, "again").ok()
    assert "here already" in done.err
    assert len(images()) == 3 and [name for name in images() if name.startswith(".tar-")] == kept
    assert server.asked[-1][1].get("If-None-Match") == '"one"' or server.asked[-2][1].get("If-None-Match") == '"one"'
    server.etags["/web.tar.gz"], server.files["/web.tar.gz"] = '"two"', tar(b"newer\n")
    control.run("pull-tar", "--verify=no", url, "-").ok()
    assert sorted(content(name) for name in images() if name.startswith(".tar-")) == ["hello\n", "newer\n"]
    assert len(images()) == 4


def kept():
    return [name for name in images() if name.startswith(".tar-")]


def test_what_is_kept_is_never_replaced_by_something_else(control, server):
    """Images may be made of it."""
    url = server.url("/web.tar.gz")
    for etag in (None, '"one"'):
        before = len(kept())
        for data, count in ((b"first\n", 1), (b"first\n", 1), (b"second\n", 2), (b"second\n", 2), (b"first\n", 2)):
            server.files["/web.tar.gz"], server.answers_etag = tar(data), etag
            control.run("pull-tar", "--verify=no", url, "-").ok()
            assert len(kept()) - before == count, (etag, data, kept())
        empty(POOL)


def test_what_did_not_change_needs_no_list_but_was_verified_as_it_is_wished(control, server):
    server.files["/web.tar.gz"] = data = tar()
    server.etags["/web.tar.gz"] = '"one"'
    server.files["/SHA256SUMS"] = line("web.tar.gz", data)
    url = server.url("/web.tar.gz")

    def pull(mode):
        server.asked.clear()
        done = control.run("pull-tar", "--verify=" + mode, url, "-").ok()
        assert len(kept()) == 1
        assert ("here already" in done.err) == any("If-None-Match" in headers for path, headers in server.asked)
        return "here already" in done.err

    assert not pull("no")
    assert pull("no")
    assert not pull("checksum"), "it was not verified"
    assert pull(hashlib.sha256(data).hexdigest())
    empty(POOL)
    assert not pull("checksum")
    del server.files["/SHA256SUMS"]
    assert pull("checksum")
    assert pull("no")
    assert pull(hashlib.sha256(data).hexdigest())
    control.run("pull-tar", "--verify=" + "0" * 64, url, "-").failed("DOWNLOAD INVALID")


def test_an_image_that_others_are_made_of_is_not_replaced(control, server, redd):
    server.files["/web.tar.gz"] = tar()
    control.run("pull-tar", "--verify=no", "-N", server.url("/web.tar.gz")).ok()
    machines.machinectl(redd).run("clone", "web", "other").ok()
    if os.path.exists(POOL + "/other.mstack"):
        control.run("pull-tar", "--verify=no", "-N", "--force", server.url("/web.tar.gz")).failed("layer of 'other'")
    assert content() == "hello\n"


def test_a_name_that_is_taken_is_refused_before_anything_is_asked_for(control, server):
    server.files["/web.tar.gz"] = tar()
    control.run("pull-tar", "--verify=no", "-N", server.url("/web.tar.gz")).ok()
    asked = len(server.asked)
    control.run("pull-tar", "--verify=no", server.url("/web.tar.gz")).failed("there already")
    assert len(server.asked) == asked
    server.files["/web.tar.gz"] = tar(b"newer\n")
    control.run("pull-tar", "--verify=no", "-N", "--force", server.url("/web.tar.gz")).ok()
    assert content() == "newer\n"
    server.files["/web.tar.gz"] = tar(b"newest\n")
    control.run("pull-tar", "--verify=no", "--force", server.url("/web.tar.gz")).ok()
    assert content() == "newest\n"


@pytest.mark.parametrize("url, words", [
    ("ftp://example.org/web.tar", "this is no URL"), ("web.tar", "this is no URL"), ("http://localhost", "no file"),
    ("http://localhost/", "no file"), ("file:///", "no file"), ("http://localhost/SHA256SUMS", "list of checksums")])
def test_urls_that_are_none(control, url, words):
    control.run("pull-tar", "--verify=checksum", url).failed(words)
    assert images() == []


def test_what_is_not_there(control, server):
    control.run("pull-tar", "--verify=no", server.url("/web.tar.gz")).failed("says 404")
    assert everything() == []
    server.stop()
    control.run("pull-tar", "--verify=no", server.url("/web.tar.gz")).failed("cannot download", "connect")


def test_neither_a_name_nor_what_is_kept(control, server):
    control.run("pull-tar", "--verify=no", "-N", server.url("/web.tar.gz"), "-").failed("leave nothing")


def test_a_file_of_this_host(control, place):
    data = tar()
    with open(place + "/web.tar.gz", "wb") as file:
        file.write(data)
    with open(place + "/SHA256SUMS", "wb") as file:
        file.write(line("web.tar.gz", data))
    control.run("pull-tar", "-N", "--verify=checksum", "file://%s/web.tar.gz" % place).ok()
    assert content() == "hello\n"
    with open(place + "/SHA256SUMS", "wb") as file:
        file.write(line("web.tar.gz", b"other"))
    control.run("pull-tar", "-N", "--verify=checksum", "file://%s/web.tar.gz" % place, "two").failed("DOWNLOAD INVALID")
    assert everything() == ["web"]


def disk():
    """Some bytes, and holes around them."""
    return bytes(1 << 20) + random.Random(2).randbytes(1 << 20) + bytes(2 << 20)


def test_a_disk_image(control, server):
    server.files["/web.raw.gz"] = gzip.compress(disk(), 1)
    server.files.update({"/web.roothash": b"00\n", "/web.roothash.p7s": b"signature", "/web.verity": VERITY, "/web.nspawn": SETTINGS})
    names = ["web.raw.gz", "web.roothash", "web.roothash.p7s", "web.verity", "web.nspawn"]
    server.files["/SHA256SUMS"] = b"".join(line(name, server.files["/" + name]) for name in names[:-1])
    control.run("pull-raw", "--verify=checksum", server.url("/web.raw.gz")).failed("DOWNLOAD INVALID", "web.nspawn")
    assert everything() == []
    server.files["/SHA256SUMS"] += line("web.nspawn", SETTINGS)
    server.etags["/web.raw.gz"] = '"one"'
    for name in ("web", "again"):
        control.run("pull-raw", "--verify=checksum", server.url("/web.raw.gz"), name).ok()
        with open("%s/%s.raw" % (POOL, name), "rb") as file:
            assert file.read() == disk()
        assert os.stat("%s/%s.raw" % (POOL, name)).st_blocks * 512 < 2 << 20
        for suffix, data in ((".roothash", b"00\n"), (".roothash.p7s", b"signature"), (".verity", VERITY), (".nspawn", SETTINGS)):
            with open("%s/%s%s" % (POOL, name, suffix), "rb") as file:
                assert file.read() == data
    kept = [name for name in images() if name.startswith(".raw-") and name.endswith(".raw")]
    assert len(kept) == 1
    status = os.stat(os.path.join(POOL, kept[0]))
    assert stat.S_IMODE(status.st_mode) == 0o444 and status.st_mtime == 784111777


def test_a_disk_image_in_qcow2(control, server, place):
    with open(place + "/raw", "wb") as file:
        file.write(disk())
    subprocess.run(["qemu-img", "convert", "-c", "-O", "qcow2", place + "/raw", place + "/web.qcow2"], check=True)
    with open(place + "/web.qcow2", "rb") as file:
        server.files["/web.qcow2"] = data = file.read()
    control.run("pull-raw", "-N", "--verify=" + hashlib.sha256(data).hexdigest(), server.url("/web.qcow2")).ok()
    with open(POOL + "/web.raw", "rb") as file:
        assert file.read() == disk()


# ---- verification ----

@pytest.mark.parametrize("form", [" *", "  ", " "])
@pytest.mark.parametrize("where", ["/web.tar.gz.sha256", "/SHA256SUMS"])
def test_checksums(control, server, form, where):
    server.files["/web.tar.gz"] = data = tar()
    server.files[where] = line("other", b"") + line("web.tar.gz", data, form)
    control.run("pull-tar", "-N", "--verify=checksum", server.url("/web.tar.gz")).ok()
    assert content() == "hello\n"


@pytest.mark.parametrize("text, words", [
    (line("web.tar.gz", b"other"), "the sum of 'web.tar.gz' is"), (line("web.tar", tar()), "no sum of 'web.tar.gz'"), (b"", "no sum"),
    (line("web.tar.gz", tar()) + line("web.tar.gz", b"other"), "two different sums"), (line("web.tar.gz", tar())[:-1], "no sum")])
def test_wrong_checksums(control, server, text, words):
    server.files.update({"/web.tar.gz": tar(), "/web.tar.gz.sha256": text})
    control.run("pull-tar", "--verify=checksum", server.url("/web.tar.gz")).failed("DOWNLOAD INVALID", words)
    assert everything() == []


def test_without_a_list_nothing_is_verified(control, server):
    server.files["/web.tar.gz"] = tar(size=100000)
    control.run("pull-tar", "--verify=checksum", server.url("/web.tar.gz")).failed("no list of checksums")
    assert everything() == []


def test_the_sum_itself(control, server):
    server.files["/web.tar.gz"] = data = tar()
    server.files["/web.nspawn"] = SETTINGS
    control.run("pull-tar", "--verify=" + "0" * 64, server.url("/web.tar.gz")).failed("DOWNLOAD INVALID")
    assert everything() == []
    control.run("pull-tar", "-N", "--verify=" + hashlib.sha256(data).hexdigest(), server.url("/web.tar.gz")).ok()
    assert images() == ["web"] and "/web.nspawn" not in server.paths()


def test_what_is_broken_and_not_what_was_published_is_called_invalid(control, server):
    data = bytearray(tar(size=3000000))
    server.files["/SHA256SUMS"] = line("web.tar.gz", bytes(data))
    data[-1000] ^= 0xff
    server.files["/web.tar.gz"] = bytes(data)
    control.run("pull-tar", "--verify=checksum", server.url("/web.tar.gz")).failed("DOWNLOAD INVALID")
    assert everything() == []


@pytest.mark.parametrize("names", [
    ("web.tar.gz.sha256", "web.tar.gz.sha256.asc"), ("web.tar.gz.sha256", "web.tar.gz.sha256.gpg"), ("SHA256SUMS", "SHA256SUMS.gpg"),
    ("SHA256SUMS", "SHA256SUMS.asc")])
def test_signatures(control, server, keys, names):
    data, armour = tar(), ("--armor",) if names[1].endswith(".asc") else ()
    text = line("web.tar.gz", data)
    server.files.update({"/web.tar.gz": data, "/" + names[0]: text, "/" + names[1]: keys.sign(text, *armour, "--detach-sign")})
    done = control.run("pull-tar", "-N", server.url("/web.tar.gz"), env=keys.keyring()).ok()
    assert "Signature of '%s' by " % names[0] in done.err and "publisher@example.org" in done.err
    assert content() == "hello\n"


def test_a_list_that_is_signed_in_one_piece(control, server, keys):
    server.files["/web.tar.gz"] = data = tar()
    server.files["/web.tar.gz.sha256"] = keys.sign(line("web.tar.gz", data), "--clearsign")
    control.run("pull-tar", "-N", server.url("/web.tar.gz"), env=keys.keyring()).ok()
    # the signature says nothing of what stands around it
    server.files["/web.tar.gz"] = changed = tar(b"changed\n")
    server.files["/web.tar.gz.sha256"] += line("web.tar.gz", changed)
    control.run("pull-tar", "-N", server.url("/web.tar.gz"), "two", env=keys.keyring()).failed("DOWNLOAD INVALID")
    assert everything() == ["web"]


def test_an_unsigned_list_of_the_file_leaves_the_signed_one_of_the_directory(control, server, keys):
    server.files["/web.tar.gz"] = data = tar()
    text = line("web.tar.gz", data)
    server.files.update({"/web.tar.gz.sha256": text, "/SHA256SUMS": text, "/SHA256SUMS.gpg": keys.sign(text)})
    control.run("pull-tar", "-N", server.url("/web.tar.gz"), env=keys.keyring()).ok()


@pytest.mark.parametrize("change, words", [
    ("stranger", "not in the keyring"), ("list", "was changed"), ("signature", "DOWNLOAD INVALID"), ("file", "the sum of"),
    ("missing", "no signature")])
def test_wrong_signatures(control, server, keys, change, words):
    data = tar()
    text = line("web.tar.gz", data)
    server.files.update({"/web.tar.gz": data, "/SHA256SUMS": text,
                         "/SHA256SUMS.gpg": keys.sign(text, by="stranger" if change == "stranger" else "publisher")})
    if change == "list":
        server.files["/SHA256SUMS"] += line("more", b"")
    elif change == "signature":
        server.files["/SHA256SUMS.gpg"] = b"this is none"
    elif change == "file":
        server.files["/web.tar.gz"] = tar(b"changed\n")
    elif change == "missing":
        del server.files["/SHA256SUMS.gpg"]
    control.run("pull-tar", server.url("/web.tar.gz"), env=keys.keyring()).failed(words)
    assert everything() == []


def test_without_a_keyring_there_are_no_signatures(control, server):
    control.run("pull-tar", server.url("/web.tar.gz"), env={"SYSTEMD_OPENPGP_KEYRING": "/nowhere"}).failed("no keyring", "--verify=checksum")
    assert server.asked == []


# ---- what stands beside it ----

def test_settings_come_along_and_have_to_be_in_the_list(control, server):
    server.files["/web.tar.gz"] = data = tar()
    server.files["/web.nspawn"] = SETTINGS
    server.files["/SHA256SUMS"] = line("web.tar.gz", data)
    control.run("pull-tar", "-N", "--verify=checksum", server.url("/web.tar.gz")).failed("DOWNLOAD INVALID", "web.nspawn")
    assert everything() == []
    server.files["/SHA256SUMS"] += line("web.nspawn", SETTINGS)
    control.run("pull-tar", "-N", "--verify=checksum", server.url("/web.tar.gz"), "one").ok()
    control.run("pull-tar", "--verify=checksum", server.url("/web.tar.gz"), "two").ok()
    for name in ("one", "two"):
        with open("%s/%s.nspawn" % (POOL, name), "rb") as file:
            assert file.read() == SETTINGS


@pytest.mark.parametrize("status", [403, 404, 410])
def test_what_the_server_does_not_have_is_left_out(control, server, status):
    server.files["/web.tar.gz"] = tar()
    server.statuses["/web.nspawn"] = status
    control.run("pull-tar", "-N", "--verify=no", server.url("/web.tar.gz")).ok()
    assert images() == ["web"]


def test_an_image_does_not_lose_what_belongs_to_it_on_the_way(control, server, keys):
    """Who can keep the root hash back must not get the image used without it."""
    server.files.update({"/web.raw": b"#" * 100000, "/web.roothash": b"00\n"})
    text = line("web.raw", server.files["/web.raw"]) + line("web.roothash", b"00\n")
    server.files.update({"/SHA256SUMS": text, "/SHA256SUMS.gpg": keys.sign(text)})

    def pull(*words):
        control.run("pull-raw", "-N", server.url("/web.raw"), env=keys.keyring()).failed(*words)
        assert everything() == []

    server.statuses["/web.roothash"] = 500
    pull("web.roothash", "says 500")
    server.statuses["/web.roothash"] = 404
    pull("DOWNLOAD INVALID", "has a sum of 'web.roothash'")
    del server.statuses["/web.roothash"]
    server.lengths["/web.roothash"] = 10
    pull("web.roothash", "lost after 3 bytes")
    server.lengths["/web.roothash"] = 1 << 21
    pull("web.roothash", "larger than 1048576 bytes")
    server.lengths.clear()
    server.lengths["/web.verity"], server.files["/web.verity"] = 1 << 40, b"#"
    pull("web.verity", "larger than")
    del server.files["/web.verity"]
    control.run("pull-raw", "-N", server.url("/web.raw"), env=keys.keyring()).ok()
    assert images() == ["web.raw", "web.roothash"]


@pytest.mark.parametrize("etag", [None, '"one"'])
@pytest.mark.parametrize("before, now", [("no", "checksum"), ("no", "no"), ("checksum", "checksum"), ("no", "sum")])
def test_what_stands_beside_what_is_kept_does_not_hold_for_what_comes_now(control, server, before, now, etag):
    """The image is the same, its settings and root hash are newer, or were not verified."""
    def pull(mode, name):
        mode = hashlib.sha256(server.files["/web.raw"]).hexdigest() if mode == "sum" else mode
        server.files["/SHA256SUMS"] = b"".join(line(path[1:], data) for path, data in server.files.items() if path != "/SHA256SUMS")
        return control.run("pull-raw", "--verify=" + mode, server.url("/web.raw"), name).ok()

    def beside(name):
        return {other[len(name):]: open(os.path.join(POOL, other), "rb").read() for other in images()
                if other.startswith(name + ".") and other != name + ".raw"}

    server.files.update({"/web.raw": b"#" * 100000, "/web.nspawn": SETTINGS, "/web.roothash": b"00\n"})
    server.etags["/web.raw"] = etag
    pull(before, "one")
    assert beside("one") == {".nspawn": SETTINGS, ".roothash": b"00\n"}
    server.files["/web.nspawn"] = SETTINGS + b"#\n"
    del server.files["/web.roothash"]
    pull(now, "two")
    assert beside("two") == ({} if now == "sum" else {".nspawn": SETTINGS + b"#\n"})
    assert beside("one") == {".nspawn": SETTINGS, ".roothash": b"00\n"}


def test_what_stands_beside_what_did_not_change_is_verified_if_it_did(control, server):
    server.files["/web.tar.gz"], server.etags["/web.tar.gz"], server.files["/web.nspawn"] = tar(), '"one"', SETTINGS
    server.files["/SHA256SUMS"] = sums = line("web.tar.gz", server.files["/web.tar.gz"]) + line("web.nspawn", SETTINGS)
    control.run("pull-tar", "--verify=checksum", server.url("/web.tar.gz"), "one").ok()
    server.files["/web.nspawn"] = SETTINGS + b"#\n"
    control.run("pull-tar", "--verify=checksum", server.url("/web.tar.gz"), "two").failed("DOWNLOAD INVALID", "the sum of 'web.nspawn'")
    del server.files["/SHA256SUMS"]
    done = control.run("pull-tar", "--verify=checksum", server.url("/web.tar.gz"), "two").ok()
    assert "that of then is taken" in done.err
    with open(POOL + "/two.nspawn", "rb") as file:
        assert file.read() == SETTINGS
    # what is as it was needs no list
    server.files["/web.nspawn"], server.files["/SHA256SUMS"] = SETTINGS, b"#" + sums
    assert "taken" not in control.run("pull-tar", "--verify=checksum", server.url("/web.tar.gz"), "three").ok().err


def test_what_stands_beside_a_file_of_this_host(control, place):
    data, url = tar(), "file://%s/web.tar.gz" % place
    for name, content in (("web.tar.gz", data), ("SHA256SUMS", line("web.tar.gz", data) + line("web.nspawn", SETTINGS))):
        with open(os.path.join(place, name), "wb") as file:
            file.write(content)
    control.run("pull-tar", "-N", "--verify=checksum", url).failed("DOWNLOAD INVALID", "has a sum of 'web.nspawn'")
    os.mkdir(place + "/web.nspawn")
    control.run("pull-tar", "-N", "--verify=checksum", url).failed("cannot read", "web.nspawn")
    os.rmdir(place + "/web.nspawn")
    with open(place + "/web.nspawn", "wb") as file:
        file.write(SETTINGS + b"#")
    control.run("pull-tar", "-N", "--verify=checksum", url).failed("DOWNLOAD INVALID", "the sum of 'web.nspawn'")
    os.truncate(place + "/web.nspawn", len(SETTINGS))
    assert everything() == []
    control.run("pull-tar", "-N", "--verify=checksum", url).ok()
    with open(POOL + "/web.nspawn", "rb") as file:
        assert file.read() == SETTINGS


def test_a_url_of_a_file_has_some_characters_in_another_form(control, place):
    data = tar()
    os.mkdir(place + "/a b%")
    for name, content in (("web 1.tar.gz", data), ("web 1.nspawn", SETTINGS),
                          ("SHA256SUMS", line("web%201.tar.gz", data) + line("web%201.nspawn", SETTINGS))):
        with open(os.path.join(place, "a b%", name), "wb") as file:
            file.write(content)
    for number, part in enumerate(("a%20b%25", "a b%")):
        control.run("pull-tar", "-N", "--verify=checksum", "file://%s/%s/web%%201.tar.gz" % (place, part), "web%d" % number).ok()
        assert images() == sorted(["web%d" % at for at in range(number + 1)] + ["web%d.nspawn" % at for at in range(number + 1)])
    control.run("pull-tar", "-N", "--verify=no", "file://%s/no%%00thing.tar" % place, "none").failed("cannot open '%s/no%%00thing.tar'" % place)


def test_an_archive_does_not_say_how_it_was_verified(control, server):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, kind in (("./", tarfile.DIRTYPE), ("./content", tarfile.REGTYPE)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = kind, 0o755
            entry.pax_headers = {"SCHILY.xattr.user.source_etag": "any", "SCHILY.xattr.user.other": "any"}
            archive.addfile(entry)
    server.files["/web.tar"] = out.getvalue()
    done = control.run("pull-tar", "-N", "--verify=no", server.url("/web.tar")).ok()
    assert "extended attributes were left out" in done.err
    assert "user.source_etag" not in os.listxattr(POOL + "/web") and "user.other" in os.listxattr(POOL + "/web")
    assert "user.source_etag" in os.listxattr(POOL + "/web/content")


# ---- the connection ----

def test_a_lost_connection_goes_on_where_it_was(control, server):
    server.files["/web.tar.gz"] = data = tar(size=400000)
    server.etags["/web.tar.gz"], server.cuts["/web.tar.gz"] = '"one"', [100000, 250000]
    control.run("pull-tar", "-N", "--verify=" + hashlib.sha256(data).hexdigest(), server.url("/web.tar.gz")).ok()
    assert [headers.get("Range") for _, headers in server.asked] == [None, "bytes=100000-", "bytes=250000-"]
    assert os.path.getsize(POOL + "/web/large") == 400000


def test_a_server_without_ranges_is_asked_for_all_of_it_again(control, server):
    server.ranges, server.files["/web.tar.gz"] = False, tar(size=400000)
    server.cuts["/web.tar.gz"] = [100000, 250000]
    control.run("pull-tar", "-N", "--verify=no", server.url("/web.tar.gz")).ok()
    assert os.path.getsize(POOL + "/web/large") == 400000


def test_a_file_that_changed_meanwhile_is_not_mixed(control, server):
    server.ranges, server.files["/web.tar.gz"] = False, tar(size=400000)
    server.redirects["/again.tar.gz"] = "/web.tar.gz"
    server.cuts["/web.tar.gz"] = [100000]
    original = server.files["/web.tar.gz"]

    class Changing(dict):
        def __getitem__(self, path):
            return original if len(server.asked) < 3 else original[:50000] + bytes(len(original) - 50000)

    server.files = Changing(server.files)
    control.run("pull-tar", "-N", "--verify=no", server.url("/web.tar.gz")).failed("changed on the server")
    assert everything() == []


def test_a_file_that_is_shorter_than_was_said(control, server):
    server.files["/web.tar.gz"] = data = tar(size=100000)
    server.lengths["/web.tar.gz"] = len(data) + 1000
    control.run("pull-tar", "--verify=no", server.url("/web.tar.gz")).failed("lost after %d bytes" % len(data))
    assert everything() == []


def test_a_file_that_is_too_large(control, server):
    server.files["/web.tar.gz"], server.lengths["/web.tar.gz"] = tar(), 1 << 40
    control.run("pull-tar", "--verify=no", server.url("/web.tar.gz")).failed("larger than")
    assert everything() == []


def test_nothing_is_seen_of_one_that_is_killed(control, server):
    server.files["/web.tar.gz"] = tar(size=400000)
    server.stalls.add("/web.tar.gz")
    front = control.start("pull-tar", "-N", "--verify=no", server.url("/web.tar.gz"))
    assert server.stalled.wait(20)
    runner.until(lambda: [name for name in everything() if name.startswith(".#")])
    assert images() == []
    number = control.run("list-transfers", "--no-legend").ok().out.split()[0]
    control.run("cancel-transfer", number).ok()
    front.communicate(timeout=20)
    assert front.returncode == 1
    control.run("list-transfers").ok()
    assert everything() == []


# ---- redirects ----

def test_redirects_are_followed_without_secrets(control, server, other):
    server.redirects["/web.tar.gz"] = other.url("/blob")
    other.files["/blob"] = tar()
    control.run("pull-tar", "-N", "--verify=no", server.url("/web.tar.gz", "user:word@")).ok()
    assert content() == "hello\n"
    assert [headers.get("Authorization", "").startswith("Basic ") for path, headers in server.asked if path == "/web.tar.gz"] == [True]
    assert [headers.get("Authorization") for path, headers in other.asked] == [None]
    done = control.run("pull-tar", "--verify=no", server.url("/web.tar.gz", "user:word@"), "two").ok()
    assert not [name for name in images() if "word" in name] and "word" not in done.err


@pytest.mark.parametrize("user", ["", "other:secret@"])
@pytest.mark.parametrize("asked", ["", "us%65r:w%40rd@"])
def test_redirects_to_the_same_server_have_the_same_login(control, server, asked, user):
    server.redirects["/web.tar.gz"], server.redirects["/two"] = server.url("/two", user), "/three"
    server.files["/three"] = tar()
    control.run("pull-tar", "-N", "--verify=no", server.url("/web.tar.gz", asked)).ok()
    wanted = "Basic " + base64.b64encode(b"user:w@rd").decode() if asked else None
    assert {headers.get("Authorization") for path, headers in server.asked} == {wanted}


@pytest.mark.parametrize("where, words", [
    ("file:///etc/passwd", "only http and https"), ("gopher://127.0.0.1/", "only http and https"),
    ("http" + "://169.254.169.254/latest/user-data", "link-local"), ("/web.tar.gz", "more than 10 times")])
def test_redirects_that_are_refused(control, server, where, words):
    server.redirects["/web.tar.gz"] = where
    control.run("pull-tar", "--verify=no", server.url("/web.tar.gz")).failed(words)
    assert everything() == []


# ---- TLS ----

def test_certificates_are_verified(control, secure, authority):
    secure.files["/web.tar.gz"] = tar()
    control.run("pull-tar", "--verify=no", secure.url("/web.tar.gz")).failed("cannot trust the server")
    assert everything() == []
    control.run("pull-tar", "-N", "--verify=no", secure.url("/web.tar.gz"), env={"SSL_CERT_FILE": authority + "/certificate"}).ok()
    assert content() == "hello\n"


def test_from_https_nothing_leads_to_http(control, secure, server, authority):
    secure.redirects["/web.tar.gz"] = server.url("/web.tar.gz")
    server.files["/web.tar.gz"] = tar()
    control.run("pull-tar", "--verify=no", secure.url("/web.tar.gz"),
                env={"SSL_CERT_FILE": authority + "/certificate"}).failed("from https")
    assert server.asked == [] and everything() == []


# ---- without root ----

def test_a_user_pulls_into_the_own_directory(control, server, user):
    own = runner.Redd(control.path, env=dict(control.env, **user.environment()), prefix=user.prefix())
    pool = user.home + "/.local/state/machines"
    server.files["/web.tar.gz"] = data = tar()
    server.files["/SHA256SUMS"] = line("web.tar.gz", data)
    own.run("-m", "pull-tar", "-N", "--verify=checksum", server.url("/web.tar.gz"), cwd="/").ok()
    assert content(pool=pool) == "hello\n" and everything() == []
    own.run("-m", "pull-tar", "-N", "--verify=" + "1" * 64, server.url("/web.tar.gz"), "two", cwd="/").failed("DOWNLOAD INVALID")
    assert images(pool) == ["web"]
    # what is kept cannot be marked there, which is nobody's worry
    for name in ("three", "four"):
        assert "read-only" not in own.run("-m", "pull-tar", "--verify=checksum", server.url("/web.tar.gz"), name, cwd="/").ok().err
    assert len([name for name in os.listdir(pool) if name.startswith(".tar-")]) == 1
    shutil.rmtree(pool)
