"""redd import: what other programs' files describe is written, plans, and starts; what cannot be said is listed."""
import json
import os
import stat

import pytest

from support import machines

COMPOSE = """
services:
  hello:
    image: example.org/busybox:1
    command: ["/bin/sh", "-c", "echo said $$GREETING in $$(pwd) as $$(id -u); cat /srv/word; touch /x 2>/dev/null || echo closed"]
    environment: { GREETING: "good day" }
    working_dir: /tmp
    user: "0"
    volumes: ["./words:/srv:ro"]
    read_only: true
    network_mode: none
    mem_limit: 64m
    container_name: other
"""


@pytest.fixture
def tool(redd):
    return machines.tool(redd, "redd")


@pytest.fixture
def compose(place):
    os.mkdir(place + "/words")
    with open(place + "/words/word", "w") as file:
        file.write("from the host\n")
    path = place + "/compose.yaml"

    def write(text=COMPOSE, mode=0o644):
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, mode)
        return path
    return write


def test_what_a_compose_file_says_starts(tool, redd, compose, place, fresh):
    output = place + "/out"
    result = tool.run("import", compose(), "--output=" + output).ok()
    assert result.lines == [output + "/hello.nspawn"]
    assert "compose.yaml:13: services.hello.container_name: the machine is called as the service" in result.err
    # The tree stands for the image; the file beside it, trusted, is what was written.
    tree = fresh("busybox", as_name="hello")
    os.makedirs(tree + "/srv", exist_ok=True)
    os.rename(output + "/hello.nspawn", os.path.dirname(tree) + "/hello.nspawn")
    try:
        result = redd.run("-q", "-D", tree, "--settings=trusted").ok()
    finally:
        os.unlink(os.path.dirname(tree) + "/hello.nspawn")
    assert result.lines == ["said good day in /tmp as 0", "from the host", "closed"], result


def test_what_is_written_is_a_plan(tool, compose, place):
    path, output = compose(), place + "/out"
    answer = json.loads(tool.run("import", path, "--output=" + output, "--json").ok().out)
    assert answer["written"] == [output + "/hello.nspawn"]
    assert [(note["file"], note["line"], note["key"], note["machine"]) for note in answer["left_out"]] == \
        [(path, 5, "services.hello.command", "hello"), (path, 13, "services.hello.container_name", "hello")]
    plan = json.loads(tool.run("plan", output, "--json").failed(code=2).out)
    assert "hello" in json.dumps(plan)
    assert "MemoryMax=64M" in tool.run("cat", output + "/hello.nspawn").ok().out


def test_nothing_is_overwritten_or_half_written(tool, compose, place):
    output = place + "/out"
    os.mkdir(output)
    with open(output + "/b.nspawn", "w") as file:
        file.write("mine\n")
    path = compose("services: {a: {image: x}, b: {image: x}}\n")
    tool.run("import", path, "--output=" + output).failed("b.nspawn", "--force")
    assert os.listdir(output) == ["b.nspawn"]
    tool.run("import", path, "--output=" + output, "--force").ok()
    assert sorted(os.listdir(output)) == ["a.nspawn", "b.nspawn"]
    with open(output + "/b.nspawn") as file:
        assert "Source=oci:x" in file.read()


def test_what_is_bad_writes_nothing(tool, compose, place):
    for text, words in ("services: {a: {image: x}, b: {image: x, ports: ['80:99999']}}", ["line 1", "services.b.ports", "65535"]), \
            ("services: [", ["line 2", "no YAML"]), ("a: &a [*a]", ["alias"]):
        tool.run("import", compose(text + "\n"), "--output=" + place + "/out").failed(*words)
        assert not os.path.exists(place + "/out")
    tool.run("import", place + "/nothing.compose.yaml").failed("No such file")
    tool.run("import", "compose", place).failed("Is a directory")
    tool.run("import", place + "/x").failed("cannot tell what", "compose, quadlet")
    tool.run("import", "swarm", place).failed("cannot tell what 'swarm' is")


def test_secrets_stay_with_whom_they_are(tool, compose, place):
    with open(place + "/secret.env", "w") as file:
        file.write("PASSWORD=1\n")
    os.chmod(place + "/secret.env", 0o600)
    path = compose("services: {a: {image: x, env_file: secret.env}}\n")
    tool.run("import", path, "--output=" + place).ok()
    assert stat.S_IMODE(os.stat(place + "/a.nspawn").st_mode) == 0o600


def test_quadlet_and_lxc(tool, place):
    units = place + "/units"
    os.mkdir(units)
    with open(units + "/web.container", "w") as file:
        file.write("[Container]\nImage=example.org/web:1\nVolume=data.volume:/srv\nPodmanArgs=--x\n[Install]\nWantedBy=default.target\n")
    with open(units + "/data.volume", "w") as file:
        file.write("[Volume]\n")
    result = tool.run("import", "quadlet", units, "--output=" + place).ok()
    assert "web.container:4: Container.PodmanArgs" in result.err
    with open(place + "/config", "w") as file:
        file.write("lxc.rootfs.path = dir:/srv/old\nlxc.uts.name = old\nlxc.start.auto = 1\n")
    tool.run("import", "config", "--output=.", cwd=place).ok()
    printed = tool.run("cat", place + "/web.nspawn", place + "/old.nspawn").ok().out
    for line in "Persist=/srv", "Source=oci:example.org/web:1", "Source=dir:/srv/old", "Boot=yes", "WantedBy=machines.target":
        assert line + "\n" in printed


CONF = """PRIVATE_NETWORK=1
HOST_ADDRESS=10.233.1.1
LOCAL_ADDRESS=10.233.1.2
HOST_PORT=tcp:8080:80,udp:53:53
AUTO_START=1
SYSTEM_PATH=/nix/store/0123456789abcdfghijklmnpqrsvwxyz-nixos-system-mail-26.05
LOCAL_ADDRESS6=fd00:7::2
LOCAL_MAC_ADDRESS=02:00:00:00:00:01
PRIVATE_USERS=pick
EXTRA_NSPAWN_FLAGS=--bind-ro=/etc/ssl:/etc/ssl --tmpfs=/scratch
"""


def test_there_and_back(tool, compose, place):
    """What is imported is exported as the same, and what is exported imported."""
    with open(place + "/mail.conf", "w") as file:
        file.write(CONF)
    tool.run("import", "nixos-conf", place + "/mail.conf", "--output=" + place).ok()
    assert tool.run("export", place + "/mail.nspawn", "--as=nixos-conf").ok().out == CONF
    tool.run("import", compose(), "--output=" + place).ok()
    exported = tool.run("export", place + "/hello.nspawn", "--as=compose").ok().out
    tool.run("import", compose(exported), "--output=" + place + "/again").ok()
    lines = []
    for path in place + "/hello.nspawn", place + "/again/hello.nspawn":
        with open(path) as file:
            lines.append(sorted(line for line in file.read().splitlines()
                                if line and line[0] not in "#[" and not line.startswith(("Private=", "Zone="))))
    assert lines[0] == lines[1]
