"""Random definitions are exported for other programs and imported again: what was not told to be left out is the same."""
import os
import random
import re
import shlex

import pytest

from support import machines, runner

COUNT = 1000 if runner.LONG else 40

# Of each key some values; those of REPEATS more than one at once.
POOL = {
    "Exec.Parameters": ["/bin/web -x", "/bin/sh -c 'echo $HOME \"x y\"'", "/bin/a 'b  c' %i", "/bin/a a\\\\b", "/bin/a '' #x"],
    "Exec.Environment": ["A=1", "\"B=x y\"", "C=$HOME", "D=100%%", "E="],
    "Exec.User": ["www", "1000"],
    "Exec.WorkingDirectory": ["/srv", "/a b"],
    "Exec.Hostname": ["www", "web.example.org"],
    "Exec.Capability": ["CAP_NET_ADMIN", "CAP_SYS_TIME CAP_NET_RAW"],
    "Exec.DropCapability": ["CAP_MKNOD"],
    "Exec.KillSignal": ["SIGINT", "SIGQUIT"],
    "Exec.NoNewPrivileges": ["yes"],
    "Files.Bind": ["/srv/a:/a", "/srv/b:/b", "/srv/c d:/c d"],
    "Files.BindReadOnly": ["/srv/r:/r", "/etc/localtime"],
    "Files.TemporaryFileSystem": ["/tmp2", "/t:size=64M"],
    "Files.ReadOnly": ["yes"],
    "Network.Port": ["tcp:8080:80", "udp:53:53", "tcp:443", "127.0.0.1:8081:81"],
    "X-Image.Persist": ["/var/log", "/var/lib/x"],
    "X-Service.MemoryMax": ["512M", "1G"],
    "X-Service.MemoryHigh": ["256M"],
    "X-Service.CPUQuota": ["150%", "20%"],
    "X-Service.TasksMax": ["100"],
    "X-Service.CPUWeight": ["200"],
    "X-Service.Restart": ["always", "on-failure", "no"],
    "X-Health.Command": ["/bin/check -x 'a b'", "true"],
    "X-Health.Interval": ["10s"],
    "X-Health.Timeout": ["5s"],
    "X-Health.Retries": ["4"],
    "X-Health.StartPeriod": ["1min"],
    "X-Install.WantedBy": ["machines.target"],
}
SOURCES = ["oci:docker.io/library/web:12", "oci:registry.example.org/web-os@sha256:" + "a" * 64]
REPEATS = {"Exec.Environment", "Files.Bind", "Files.BindReadOnly", "Files.TemporaryFileSystem", "Network.Port", "X-Image.Persist"}
FORMATS = {"compose": "compose.yaml", "quadlet": "units/web.container"}


def random_text(chance):
    """One command at least; how health is asked only where it is."""
    chosen = {key for key in POOL if chance.random() < .4}
    if "X-Health.Command" not in chosen:
        chosen -= {key for key in chosen if key.startswith("X-Health.")}
    text = "[X-Image]\nSource=%s\n" % chance.choice(SOURCES)
    for key in sorted(chosen):
        values = POOL[key]
        for value in chance.sample(values, chance.randrange(1, len(values) + 1) if key in REPEATS else 1):
            text += "[%s]\n%s=%s\n" % (*key.split("."), value)
    return text


def bytes_of(value):
    number, unit = re.fullmatch(r"(\d+)([KMGT]?)", value).groups()
    return int(number) << 10 * " KMGT".index(unit or " ")


def seconds_of(value):
    return sum(int(number) * {"s": 1, "min": 60, "h": 3600}[unit] for number, unit in re.findall(r"(\d+)(s|min|h)", value))


def words_of(value):
    words = shlex.split(value)
    return shlex.split(words[2]) if words[:2] == ["/bin/sh", "-c"] and len(words) == 3 else words


def port_of(value):
    """Protocol, address, both ports."""
    found = re.fullmatch(r"(?:(tcp|udp):)?(?:([\d.]+\.\d+):)?(\d+)(?::(\d+))?", value)
    protocol, address, host, guest = found.groups()
    return protocol or "tcp", address, int(host), int(guest or host)


def bind_of(value):
    """Other programs have no word for how owners are shown."""
    parts = [part for part in value.split(":") if part != "idmap"]
    return parts[0], parts[-1]


def meaning(key, value):
    """The same for all ways to say it."""
    if key in ("Exec.Parameters", "X-Health.Command"):
        return tuple(words_of(value))
    if key == "Exec.Environment":
        return tuple(shlex.split(value))
    if key == "Network.Port":
        return port_of(value)
    if key.startswith("Files.Bind"):
        return bind_of(value)
    if key in ("X-Service.MemoryMax", "X-Service.MemoryHigh"):
        return bytes_of(value)
    if key in ("X-Health.Interval", "X-Health.Timeout", "X-Health.StartPeriod"):
        return seconds_of(value)
    return value


def items(text):
    """(key, meaning) of what a definition says."""
    section, found = "", set()
    for line in text.splitlines():
        if line.startswith("["):
            section = line[1:-1]
        elif "=" in line:
            key, value = line.split("=", 1)
            key = "%s.%s" % (section, key)
            for one in value.split() if key in ("X-Image.Persist", "Exec.Capability") else [value]:
                found.add((key, meaning(key, one)))
    return found


def left_out(said):
    found = set()
    for line in said.splitlines():
        told = re.search(r"\[([^]]+)\] (\w+)=(.*)$", line)
        if told:
            found |= items("[%s]\n%s=%s\n" % told.groups())
    return found


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_random_definitions_come_back_as_they_were(redd, place, form):
    tool = machines.tool(redd, "redd")
    os.makedirs(place + "/units")
    same = 0
    for seed in range(COUNT):
        text = random_text(random.Random("%s %d" % (form, seed)))
        with open(place + "/web.nspawn", "w") as file:
            file.write(text)
        had = items(tool.run("export", place + "/web.nspawn").ok().out)
        out = tool.run("export", place + "/web.nspawn", "--as=" + form).ok()
        with open(os.path.join(place, FORMATS[form]), "w") as file:
            file.write(out.out)
        tool.run("import", form, os.path.join(place, os.path.dirname(FORMATS[form]) if form == "quadlet" else FORMATS[form]),
                 "--output=" + place + "/back", "--force").ok()
        got = items(tool.run("export", place + "/back/web.nspawn").ok().out)
        missing = had - got - left_out(out.err)
        # what restarts by itself starts with the host there, and what is not said is asked for elsewhere
        added = {(key, value) for key, value in got - had if key in POOL and (key != "X-Install.WantedBy" or not any(k == "X-Service.Restart" for k, _ in had))}
        assert not missing and not added, (seed, missing, added, text, out.out, out.err)
        same += len(had & got)
    assert same > 5 * COUNT  # or else nothing was compared
