"""Images as registries have them, made by hand; registries: Debian's, and one that does whatever a test wants."""
import base64
import gzip
import hashlib
import http.server
import io
import json
import os
import socket
import subprocess
import tarfile
import threading
import urllib.parse
import warnings

from support import runner

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import crypt

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def tar(entries):
    """{"etc/": None, "etc/name": b"text", "bin": "link"} in this order."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in entries.items():
            entry = tarfile.TarInfo(name.rstrip("/"))
            entry.mode, entry.mtime = 0o755 if name.endswith("/") or "bin/" in name else 0o644, 1000000000
            if content is None:
                entry.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
            else:
                entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content) if isinstance(content, bytes) else None)
    return out.getvalue()


class Image:
    """Blobs by digest, and a manifest. LAYERS: tar archives."""

    def __init__(self, layers, config=None, compress=gzip.compress, kind="+gzip", **more):
        self.blobs, self.layers, self.archives = {}, [], layers
        for archive in layers:
            packed = compress(archive)
            self.layers.append({"mediaType": LAYER + kind, "digest": self.add(packed), "size": len(packed)})
        self.config = {"architecture": "amd64", "os": "linux", "config": config or {},
                       "rootfs": {"type": "layers", "diff_ids": [sha256(archive) for archive in layers]}, **more}
        self.finish()

    def add(self, data):
        self.blobs[sha256(data)] = data
        return sha256(data)

    def finish(self):
        """After something was changed."""
        text = json.dumps(self.config).encode()
        self.manifest = {"schemaVersion": 2, "mediaType": MANIFEST,
                         "config": {"mediaType": CONFIG, "digest": self.add(text), "size": len(text)}, "layers": self.layers}
        return self

    def layout(self, path, name="latest"):
        """As an OCI layout, where tools take it from."""
        text = json.dumps(self.manifest).encode()
        os.makedirs(path + "/blobs/sha256")
        for digest, data in {**self.blobs, sha256(text): text}.items():
            with open(path + "/blobs/sha256/" + digest.split(":")[1], "wb") as file:
                file.write(data)
        index = {"schemaVersion": 2, "manifests": [{"mediaType": MANIFEST, "digest": sha256(text), "size": len(text),
                                                    "annotations": {"org.opencontainers.image.ref.name": name}}]}
        for name, document in {"index.json": index, "oci-layout": {"imageLayoutVersion": "1.0.0"}}.items():
            with open(path + "/" + name, "w") as file:
                json.dump(document, file)
        return path


# ---- Debian's registry ----

class Registry:
    """docker-registry on 127.0.0.1, with its data in PLACE. USERS: {"name": "password"} for basic auth."""

    def __init__(self, place, users=None):
        os.makedirs(place)
        self.place, self.process, self.log_path = place, None, place + "/log"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.host = "127.0.0.1:%d" % free.getsockname()[1]
        settings = {"version": "0.1", "log": {"level": "warn", "accesslog": {"disabled": False}},
                    "storage": {"filesystem": {"rootdirectory": place + "/data"}, "delete": {"enabled": True}}, "http": {"addr": self.host}}
        if users:
            with open(place + "/users", "w") as file:
                for name, word in users.items():
                    salt = crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)
                    file.write("%s:%s\n" % (name, crypt.crypt(word, salt)))
            settings["auth"] = {"htpasswd": {"realm": "test", "path": place + "/users"}}
        with open(place + "/settings.yml", "w") as file:
            json.dump(settings, file)  # every JSON is YAML
        self.log = open(self.log_path, "wb")
        self.process = subprocess.Popen(["docker-registry", "serve", place + "/settings.yml"], stdout=self.log, stderr=self.log,
                                        stdin=subprocess.DEVNULL)
        runner.until(self.answers)

    def answers(self):
        assert self.process.poll() is None, open(self.log_path).read()
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", int(self.host.split(":")[1]))) == 0

    def asked(self):
        """"GET /v2/…" of Redd's since the last call."""
        with open(self.log_path) as file:
            lines = [line for line in file if '"Redd/' in line and line.startswith("127.")]
        new, self.seen = lines[getattr(self, "seen", 0):], len(lines)
        return [line.split('"')[1].split(" HTTP")[0] for line in new]

    def stop(self):
        runner.terminate(self.process)
        self.log.close()


def skopeo(*arguments):
    return subprocess.run(["skopeo", "--insecure-policy", *arguments], check=True, capture_output=True, text=True).stdout


# ---- one that does whatever a test wants ----

class Server(http.server.ThreadingHTTPServer):
    """Answers by `routes`: {path: (status, headers, body) or a function of the request}; `asked` has (method, path, headers)."""
    daemon_threads = True

    def __init__(self, address="127.0.0.1"):
        super().__init__((address, 0), Handler)
        self.host = "%s:%d" % self.server_address
        self.routes, self.asked = {}, []
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def serve(self, image, name="x", tag="1", index=None):
        """As a registry: IMAGE as NAME:TAG."""
        text = image if isinstance(image, bytes) else json.dumps(image.manifest).encode()
        base = "/v2/%s/" % name
        for reference in (tag, sha256(text)):
            self.routes[base + "manifests/" + reference] = (200, {"Content-Type": MANIFEST}, text)
        for digest, data in ({} if isinstance(image, bytes) else image.blobs).items():
            self.routes[base + "blobs/" + digest] = (200, {"Content-Type": "application/octet-stream"}, data)
        return "%s/%s:%s" % (self.host, name, tag)

    def stop(self):
        self.shutdown()
        self.thread.join()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        path = urllib.parse.urlsplit(self.path).path
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, self.path, dict(self.headers)))
        route = self.server.routes.get(path, (404, {}, b"{}"))
        if callable(route):
            route = route(self)
        if route is None:
            return
        status, headers, body = route
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = answer

    def log_message(self, *words):
        pass


def basic(user, word):
    return "Basic " + base64.b64encode(("%s:%s" % (user, word)).encode()).decode()
