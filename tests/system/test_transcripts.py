"""What the commands for images print, word for word: for people, and as JSON."""
import json
import os
import re

import pytest

from support import machines, sandbox

POOL = "/var/lib/machines"
UNLIMITED = str(2 ** 64 - 1)
STAMP = r"[A-Z][a-z]{2} \d{4}-\d\d-\d\d \d\d:\d\d:\d\d [A-Z]+"


@pytest.fixture(scope="module")
def programs(redd, work_root):
    """machinectl and importctl, where there are a tree, a disk image that is read-only, a hidden tree, and one of another class."""
    for path in ("/var/lib", "/etc/systemd"):
        sandbox.mount("tmpfs", path, "tmpfs", 0, "mode=0755")
    for path in ("/etc", "/usr/lib"):
        os.makedirs(POOL + "/web" + path)
    os.chmod(POOL, 0o700)
    for path in (POOL + "/.old", "/var/lib/extensions/tool", "/etc/systemd/nspawn"):
        os.makedirs(path)
    for path, text in ((POOL + "/web/usr/lib/os-release", 'ID=demo\nVERSION_ID=1\nPRETTY_NAME="Demo 1"\n'), (POOL + "/web/etc/hostname", "inside\n"),
                       (POOL + "/web/etc/machine-id", "0123456789abcdef" * 2 + "\n"), ("/etc/systemd/nspawn/web.nspawn", "[Exec]\nBoot=no\n"),
                       (POOL + "/disk.nspawn", "[Network]\n")):
        with open(path, "w") as file:
            file.write(text)
    with open(POOL + "/disk.raw", "wb") as file:
        file.truncate(8 << 20)
    os.chmod(POOL + "/disk.raw", 0o444)
    yield {"machinectl": machines.machinectl(redd), "importctl": machines.importctl(redd)}
    for path in ("/etc/systemd", "/var/lib"):
        sandbox.umount(path)


def plain(text):
    """Without what differs from run to run."""
    text = re.sub(STAMP + r"; [^\n]* ago", "TIME; AGO", text)
    text = re.sub(STAMP, "TIME", text)
    text = re.sub(r'("(?:created|modified|crtime|mtime)":\s*)\d{16}', r"\1TIME", text)
    return re.sub(r" +", " ", text)


LIST = """NAME TYPE RO USAGE CREATED MODIFIED
disk raw yes 0B TIME TIME
web directory no - TIME -

2 images listed.
"""
DISK = '{"name":"disk","type":"raw","ro":true,"usage":0,"created":TIME,"modified":TIME}'
WEB = '{"name":"web","type":"directory","ro":false,"usage":null,"created":TIME,"modified":null}'
OLD = '{"name":".old","type":"directory","ro":true,"usage":null,"created":TIME,"modified":null}'
HOST = '{"name":".host","type":"directory","ro":false,"usage":null,"created":null,"modified":null}'
PRETTY = """[
\t{
\t\t"name": "disk",
\t\t"type": "raw",
\t\t"ro": true,
\t\t"usage": 0,
\t\t"created": TIME,
\t\t"modified": TIME
\t},
"""
STATUS_WEB = """web
\t Type: directory
\t Path: /var/lib/machines/web
\tHostname: inside
 Machine ID: 0123456789abcdef0123456789abcdef
\t OS: Demo 1
\t RO: writable
\t Created: TIME; AGO
"""
STATUS_DISK = """disk
\t Type: raw
\t Path: /var/lib/machines/disk.raw
\t RO: read-only
\t Created: TIME; AGO
\tModified: TIME; AGO
\t Usage: 0B
\t Limit: 8M
"""
STATUS_JSON = ('{"name":"web","type":"directory","path":"/var/lib/machines/web","hostname":"inside","machine_id":"0123456789abcdef0123456789abcdef",'
               '"deployment":null,"os":"demo","version":"1","os_name":"Demo 1","ro":false,"created":TIME,"modified":null,"usage":null,"limit":null,'
               '"usage_exclusive":null,"limit_exclusive":null}\n')
SHOW_WEB = """Name=web
Path=/var/lib/machines/web
Type=directory
ReadOnly=no
CreationTimestamp=TIME
%sUsage=18446744073709551615
Limit=18446744073709551615
UsageExclusive=18446744073709551615
LimitExclusive=18446744073709551615
"""
SHOW_DISK = """Name=disk
Path=/var/lib/machines/disk.raw
Type=raw
ReadOnly=yes
CreationTimestamp=TIME
ModificationTimestamp=TIME
Usage=0
Limit=8388608
UsageExclusive=0
LimitExclusive=8388608
"""
CAT_WEB = "# /etc/systemd/nspawn/web.nspawn\n[Exec]\nBoot=no\n"
CAT_DISK = "# /var/lib/machines/disk.nspawn\n[Network]\n"
CLASSES = """CLASS NAME TYPE PATH RO CRTIME MTIME USAGE LIMIT
machine disk raw /var/lib/machines/disk.raw ro TIME TIME 0B 8M
machine web directory /var/lib/machines/web rw TIME - - -
sysext tool directory /var/lib/extensions/tool rw TIME - - -

3 images listed.
"""
TOOL = ('[{"class":"sysext","name":"tool","type":"directory","path":"/var/lib/extensions/tool","ro":false,"crtime":TIME,"mtime":null,"usage":null,'
        '"limit":null,"usage-exclusive":null,"limit-exclusive":null}]\n')
USAGE = "TYPE NAME SIZE EXCLUSIVE SHARED HELD-BY\nraw disk 0B 0B 0B -\ndirectory web 12K 12K 0B -\n\n2 images and layers listed.\n"
FEW = "cannot run '%s' with %s: too few"

# command: what it prints, or (what it prints, the sentence of its failure)
LOOKING = {
    "machinectl list-images": LIST,
    "machinectl list-images --no-legend": LIST.split("\n", 1)[1].split("\n\n")[0] + "\n",
    "machinectl list-images --no-pager --no-ask-password --full --system": LIST,
    "machinectl list-images -q": LIST,
    "machinectl list-images -o json": "[%s,%s]\n" % (DISK, WEB),
    "machinectl list-images -o json -a": "[%s,%s,%s,%s]\n" % (HOST, OLD, DISK, WEB),
    "machinectl list-images --json=short --all": "[%s,%s,%s,%s]\n" % (HOST, OLD, DISK, WEB),
    "machinectl list-images --json=pretty": PRETTY,
    "machinectl list-images -o json-pretty": PRETTY,
    "machinectl list-images --json=off": LIST,
    "machinectl list-images -M .host": LIST,
    "machinectl image-status web disk": STATUS_WEB + "\n" + STATUS_DISK,
    "machinectl image-status": "\t Path: /var/lib/machines\n",
    "machinectl image-status --json=short": '{"path":"/var/lib/machines","usage":null,"limit":null}\n',
    "machinectl image-status --json=short web": STATUS_JSON,
    "machinectl image-status nope": ("", "cannot find the image 'nope' (see machinectl list-images)"),
    "machinectl show-image web": SHOW_WEB % "",
    "machinectl show-image -a web disk": SHOW_WEB % "ModificationTimestamp=\n" + "\n" + SHOW_DISK,
    "machinectl show-image -p Name --property=ReadOnly disk": "Name=disk\nReadOnly=yes\n",
    "machinectl show-image -p ModificationTimestamp web": "ModificationTimestamp=\n",
    "machinectl show-image -P Type -P Name web": "web\ndirectory\n",
    "machinectl show-image --value --property=Limit disk web": "8388608\n\n%s\n" % UNLIMITED,
    "machinectl show-image -p Nope web": "",
    "machinectl show-image": "PoolPath=/var/lib/machines\nPoolUsage=%s\nPoolLimit=%s\n" % (UNLIMITED, UNLIMITED),
    "machinectl show-image -P PoolPath": "/var/lib/machines\n",
    "machinectl cat web disk": CAT_WEB + "\n" + CAT_DISK,
    "machinectl cat /var/lib/machines/disk.nspawn": CAT_DISK,
    "machinectl cat nope web": (CAT_WEB, "No settings file found for machine 'nope'."),
    "machinectl edit web": ("", "cannot edit settings without a terminal"),
    "machinectl bind-volume web x": ("", "cannot run 'bind-volume': it is not built yet"),
    "machinectl unbind-volume web x": ("", "cannot run 'unbind-volume': it is not built yet"),
    "machinectl list-transfers": "No transfers.\n",
    "machinectl list-transfers --json=pretty": "[]\n",
    "machinectl cancel-transfer 77": ("", "cannot find transfer 77: there is none"),
    "machinectl clone web": ("", FEW % ("clone", "1 word")),
    "machinectl rename web": ("", FEW % ("rename", "1 word")),
    "machinectl remove": ("", FEW % ("remove", "0 words")),
    "machinectl read-only": ("", FEW % ("read-only", "0 words")),
    "machinectl read-only web maybe": ("", "cannot use 'maybe': it is neither yes nor no"),
    "machinectl set-limit": ("", FEW % ("set-limit", "0 words")),
    "machinectl set-limit web much": ("", "cannot use 'much' as a limit"),
    "machinectl set-limit 1G": ("", "it is no btrfs subvolume"),
    "machinectl set-limit disk 1G": ("", "it is no directory"),
    "machinectl cat": ("", FEW % ("cat", "0 words")),
    "machinectl create new": ("", "--image="),
    "machinectl list-images -o nope": ("", "nope"),
    "machinectl list-images --json=nope": ("", "nope"),
    "machinectl pull-tar --verify=nope http:" + "//x/y.tar": ("", "nope"),
    "importctl list-images": CLASSES,
    "importctl list-images --no-legend --no-pager --no-ask-password --class=sysext": "sysext tool directory /var/lib/extensions/tool rw TIME - - -\n",
    "importctl list-images -S --json=short": TOOL,
    "importctl list-images -S -j": TOOL,
    "importctl list-images -S --json=off --no-legend": "sysext tool directory /var/lib/extensions/tool rw TIME - - -\n",
    "importctl list-images -P": "No images.\n",
    "importctl list-images -C -j": "[]\n",
    "importctl list-images --json=pretty -C": "[]\n",
    "importctl": "No transfers.\n",
    "importctl list-transfers -m --json=pretty": "[]\n",
    "importctl list-transfers --no-legend": "",
    "importctl cancel-transfer 77": ("", "cannot find transfer 77: there is none"),
    "importctl disk-usage": USAGE,
    "importctl disk-usage --no-legend": USAGE.split("\n", 1)[1].split("\n\n")[0] + "\n",
    "importctl export-tar nope": ("", "without a class"),
    "importctl -N -m export-raw nope": ("", "cannot find the image 'nope'"),
    "importctl export-oci nope /tmp/x": ("", "cannot find the image 'nope'"),
    "importctl push-oci nope 127.0.0.1:1/x": ("", "nope"),
    "importctl -m pull-raw ftp:" + "//x/y": ("", "ftp"),
    "importctl -m pull-tar": ("", FEW % ("pull-tar", "0 words")),
    "importctl -m import-oci": ("", FEW % ("import-oci", "0 words")),
    "importctl -m --format=nope export-tar web": ("", "nope"),
    "importctl --class=nope list-images": ("", "nope"),
    "importctl --verify=nope list-images": ("", "cannot use 'nope' as a value of --verify"),
    "importctl --keep-download=nope list-images": ("", "--keep-download"),
    "importctl --verify=help": "signature\nchecksum\nno\n",
}


@pytest.mark.parametrize("command", LOOKING)
def test_it_prints(programs, command):
    program, *words = command.split(" ")
    done, expected = programs[program].run(*words, env={"TZ": "UTC"}), LOOKING[command]
    out, sentence = expected if isinstance(expected, tuple) else (expected, None)
    assert (done.code, bool(done.err)) == ((1, True) if sentence else (0, False)), done
    assert sentence is None or sentence in done.err and len(done.err.splitlines()) == 1, done
    if expected == PRETTY:
        assert plain(done.out).startswith(PRETTY) and [row["name"] for row in json.loads(done.out)] == ["disk", "web"], done
    else:
        assert plain(done.out) == out, done


def test_what_is_changed_is_told(programs):
    """One after the other, in one directory."""
    machinectl, importctl = programs["machinectl"], programs["importctl"]
    for command, out, err in (
            ("clone web copy", "", "'web' is a layer of 'copy' now, and only read as long as that is there\n"),
            ("-q clone --copy web full", "", ""),
            ("clone --read-only disk shut", "", ""),
            ("rename full other", "", ""),
            ("read-only disk no", "", ""),
            ("read-only disk", "", ""),
            ("create new --image=other", "", "'other' is a layer of 'new' now, and only read as long as that is there\n"),
            ("list-images --no-legend", "copy mstack no - TIME -\ndisk raw yes 0B TIME TIME\nnew mstack no - TIME -\nother directory no - TIME -\n"
                                        "shut raw yes 0B TIME TIME\nweb directory no - TIME -\n", ""),
            ("remove copy shut new", "", ""),
            ("clean", "", "Removed image '.old'.\nRemoved 1 images in total.\n"),
            ("export-tar web /var/lib/web.tar", "", ""),
            ("import-tar --read-only /var/lib/web.tar", "", None),
            ("import-tar --force /var/lib/web.tar", "", ""),
            ("import-fs /var/lib/extensions/tool", "", ""),
            ("export-raw disk /var/lib/disk.img", "", ""),
            ("import-raw --read-only /var/lib/disk.img fresh", "", ""),
            ("list-images --no-legend", "disk raw yes 0B TIME TIME\nfresh raw yes 0B TIME TIME\nother directory no - TIME -\ntool directory no - TIME -\n"
                                        "web directory no - TIME -\n", ""),
            ("clean --all", "", "Removed image 'disk'. Freed exclusive disk space: 0B\nRemoved image 'fresh'. Freed exclusive disk space: 0B\n"
                                "Removed image 'other'.\nRemoved image 'tool'.\nRemoved image 'web'.\n"
                                "Removed 5 images in total.\n")):
        done = machinectl.run(*command.split(), env={"TZ": "UTC"})
        if err is None:
            done.failed("cannot make image 'web': it is there already")
        else:
            assert (done.code, plain(done.out), plain(done.err)) == (0, out, err), done
    assert machinectl.run("list-images").ok().out == "No images.\n"
    assert [name for name in os.listdir(POOL) if not name.endswith(".nspawn")] == []
    assert importctl.run("list-images", "-S", "--no-legend").ok().out.startswith("sysext tool ")
