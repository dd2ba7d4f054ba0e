"""Images of others run here, and ours run elsewhere: buildah builds, podman runs, a real registry is between."""
import json
import os
import shutil
import subprocess

import pytest

from support import machines, oci, others, runner, sandbox, trees

POOL, STORE = "/var/lib/machines", "/var/lib/redd"
TELL = 'echo it runs; echo "$GREETING"; pwd; id -u; id -g; cat /etc/made; ls /data /etc/inittab 2>&1; for i in "$@"; do echo "[$i]"; done'
BASE = """FROM scratch
COPY tree /
"""
BUILT = r"""FROM localhost/base:1
RUN echo "made by $(id -u)" > /etc/made && rm /etc/inittab
ENV GREETING="hello  'wide' \"world\"" PATH=/usr/bin:/bin
WORKDIR /srv/app
USER svc
STOPSIGNAL SIGUSR1
VOLUME /data
ENTRYPOINT ["/bin/tell"]
CMD ["one two", "%h $GREETING", "back\\slash"]
"""


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


@pytest.fixture(scope="module")
def podman(work_root):
    one = others.Podman(work_root + "/podman")
    yield one
    one.stop()


@pytest.fixture(scope="module")
def built(work_root, registry, podman):
    """The reference of what buildah has made, in the registry; and what it says where podman runs it."""
    buildah, context = others.Buildah(work_root + "/buildah"), work_root + "/context"
    trees.unpack("busybox", context + "/tree")
    with open(context + "/tree/usr/bin/tell", "w") as file:
        file.write("#!/bin/sh\n%s\n" % TELL)
    os.chmod(context + "/tree/usr/bin/tell", 0o755)
    ref = registry.host + "/built:1"
    for name, text in (("base", BASE), ("built", BUILT)):
        with open(context + "/Containerfile", "w") as file:
            file.write(text)
        buildah.build(context, "localhost/%s:1" % name)
    buildah("push", "--tls-verify=false", "localhost/built:1", "docker://" + ref)
    podman("pull", "-q", "--tls-verify=false", ref)
    yield ref, podman.run(ref)
    buildah.stop()
    shutil.rmtree(context)


@pytest.fixture
def service(redd, control):
    """machinectl where no service manager runs."""
    sandbox.mount("tmpfs", "/var/log", "tmpfs", 0, "mode=0755")
    os.makedirs("/run/redd/detached", exist_ok=True)
    os.makedirs("/run/redd/machines", exist_ok=True)
    one = machines.machinectl(redd)
    yield one
    one.run("-q", "stop", "--all")
    sandbox.umount("/var/log")


# ---- theirs ----

def test_what_buildah_built_says_here_what_it_says_in_podman(redd, control, built):
    ref, said = built
    assert said.startswith("it runs\nhello  'wide' \"world\"\n/srv/app\n33\n33\nmade by 0\n") and "[%h $GREETING]" in said, said
    control.run("-m", "pull-oci", ref, "web").ok()
    with open(POOL + "/web.nspawn") as file:
        assert "#Bind=/srv/data:/data\n" in file.read()
    done = redd.run("-q", "--pipe", "-M", "web").ok()
    ours, theirs = done.lines, said.splitlines()
    # an anonymous volume is podman's; here it is proposed
    assert [line for line in ours if "/data" not in line] == [line for line in theirs if "/data" not in line], (done, said)


def test_what_buildah_built_is_a_service(control, service, built):
    ref, said = built
    control.run("-m", "pull-oci", ref, "web").ok()
    service.run("start", "web").ok()
    log = runner.until(lambda: (lambda text: text if "slash" in text else None)(service.run("-n", "100", "logs", "web").out))
    for line in said.splitlines():
        assert "/data" in line or line in log, (line, log)


def test_a_user_runs_what_buildah_built(mine, user, built):
    control = machines.importctl(mine)
    try:
        control.run("-m", "pull-oci", built[0], "web").ok()
        done = mine.run("-q", "--pipe", "-M", "web").ok()
        assert [line for line in done.lines if "/data" not in line] == [line for line in built[1].splitlines() if "/data" not in line]
    finally:
        shutil.rmtree(user.home + "/.local", ignore_errors=True)


# ---- ours ----

@pytest.fixture
def plain(busybox, control):
    """A directory of ours, as an image without a configuration."""
    shutil.copytree(busybox, POOL + "/plain", symlinks=True)
    os.chown(POOL + "/plain/etc/rcS", 33, 33)
    return "plain"


ASK = "echo it runs; cat /etc/passwd; stat -c '%a %u %g %s' /etc/rcS /etc/shadow /root /tmp; readlink /bin; sha256sum /usr/bin/busybox"


def asked(redd, name):
    return redd.run("-q", "--pipe", "-M", name, "/bin/sh", "-c", ASK).ok().out


@pytest.mark.parametrize("way", ["registry", "docker-archive", "oci-archive", "oci"])
def test_podman_runs_ours(redd, control, registry, podman, plain, place, way):
    expected = asked(redd, plain)
    if way == "registry":
        target = registry.host + "/plain:1"
        control.run("push-oci", plain, target).ok()
        podman("pull", "-q", "--tls-verify=false", target)
    else:
        path = place + "/out"
        control.run("export-oci", plain, "%s:%s" % (way, path)).ok()
        target = podman("pull", "-q", "%s:%s" % (way, path)).split()[-1]
    assert podman.run(target, "/bin/sh", "-c", ASK) == expected
    podman("rmi", "-f", target)


def test_podman_runs_what_was_pulled_changed_and_pushed(redd, control, registry, podman, built):
    ref, said = built
    control.run("-m", "pull-oci", ref, "web").ok()
    redd.run("-q", "--pipe", "-M", "web", "--user=root", "/bin/sh", "-c", "echo changed > /etc/made; rm /etc/rcS").ok()
    control.run("push-oci", "web", registry.host + "/built:changed").ok()
    podman("pull", "-q", "--tls-verify=false", registry.host + "/built:changed")
    assert podman.run(registry.host + "/built:changed") == said.replace("made by 0", "changed")
    control.run("export-oci", "web", "docker-archive:/tmp/redd-work/web.tar").ok()
    try:
        loaded = podman("load", "-q", "-i", "/tmp/redd-work/web.tar").split()[-1]
        assert podman.run(loaded) == said.replace("made by 0", "changed")
    finally:
        os.unlink("/tmp/redd-work/web.tar")
