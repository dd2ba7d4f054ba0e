"""Nix, as Debian has it, and systems without nixpkgs, which it builds in some tenths of a second.

/nix, the directories of nixos-container and /etc are the sandbox's own while a Host lives.
"""
import os
import shutil
import subprocess

import pytest

from . import machines, runner, sandbox

STORE, PROFILES, GCROOTS = "/nix/store", "/nix/var/nix/profiles/per-container", "/nix/var/nix/gcroots/per-container"
CONF, STATE, OLD_CONF, OLD_STATE = "/etc/nixos-containers", "/var/lib/nixos-containers", "/etc/containers", "/var/lib/containers"
COMPANIONS = "/etc/systemd/nspawn"

SETTINGS = """experimental-features = nix-command flakes
build-users-group =
sandbox = false
substituters =
flake-registry =
"""

# busybox looks at the name that it is called by, so its builder is a directory of the store
EXPRESSION = r"""
{ version ? "1", init ? "", reload ? "", system ? "x86_64-linux" }:
let
  bb = derivation {
    name = "busybox-static"; system = "x86_64-linux"; builder = "${./bb}/busybox";
    args = [ "sh" "-c" ''
      b=${./bb}/busybox; $b mkdir -p $out/bin; $b cp $b $out/bin/busybox
      for a in $($b --list); do [ $a = busybox ] || $b ln -s busybox $out/bin/$a; done '' ];
  };
in derivation {
  name = "nixos-system-test-${version}"; system = "x86_64-linux";
  builder = "${bb}/bin/sh"; PATH = "${bb}/bin";
  inherit version;
  guest_system = system;
  init_script = ''
    #!${bb}/bin/sh
    export PATH=${bb}/bin
    ln -sfn @out@ /run/current-system
    ${init}
    exec busybox init
  '';
  switch_script = ''
    #!${bb}/bin/sh
    ${reload}
    ${bb}/bin/ln -sfn @out@ /run/current-system
    echo switched ${version} "$@"
  '';
  args = [ "-ec" ''
    mkdir -p $out/etc $out/bin; ln -s ${bb} $out/sw
    echo "$init_script" | sed "s|@out@|$out|" >$out/init
    echo "$switch_script" | sed "s|@out@|$out|" >$out/bin/switch-to-configuration
    printf %s "$guest_system" >$out/system; printf %s "$version" >$out/nixos-version
    printf 'ID=nixos\nVERSION_ID="%s"\n' "$version" >$out/etc/os-release
    chmod +x $out/init $out/bin/* '' ];
}
"""

# What <nixpkgs/nixos> is asked for: the configuration's number is the system's.
NIXOS = r"""
let
  module = import <nixos-config>;
  lib = { mkDefault = x: x; };
  load = path: if builtins.isPath path || builtins.isString path then import path else path;
  call = m: let x = load m; in if builtins.isFunction x then x { config = {}; pkgs = {}; inherit lib; } else x;
  all = m: let x = call m; in builtins.foldl' (a: b: a // all b) x (x.imports or []);
  found = all module;
in assert found.boot.isContainer; {
  system = import ./sys.nix { version = found.test or found.networking.hostName; };
}
"""


class Host:
    """A host with nix. system("2"): the path of a system; run(): a program of nix's. PLACE: where the store and the trees of
    containers are kept; None: in memory."""

    def __init__(self, work, place=None):
        self.work = os.path.join(work, "nix-host")
        self.sources = os.path.join(self.work, "nixpkgs/nixos")
        self.mounted = []
        for part in ("upper", "work", "nixpkgs/nixos/bb", "flake"):
            os.makedirs(os.path.join(self.work, part))
        for number, target in enumerate(("/nix", STATE, OLD_STATE)):
            # it stays: who removes a directory takes away what other runs have mounted there
            os.makedirs(target, exist_ok=True)
            if place is None:
                self._mount("tmpfs", target, "tmpfs", "mode=0755")
                continue
            source = os.path.join(place, str(number))
            os.mkdir(source)
            self._mount(source, target, None, None, sandbox.MS_BIND)
        self._mount("overlay", "/etc", "overlay", "lowerdir=/etc,upperdir=%s/upper,workdir=%s/work" % (self.work, self.work))
        os.makedirs("/etc/nix", exist_ok=True)
        with open("/etc/nix/nix.conf", "w") as file:
            file.write(SETTINGS)
        shutil.copy(shutil.which("busybox"), os.path.join(self.sources, "bb/busybox"))
        self._write("nixpkgs/nixos/sys.nix", EXPRESSION)
        self._write("nixpkgs/nixos/default.nix", NIXOS)
        self.env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": os.path.join(self.work, "home"), "LANG": "C.UTF-8",
                    "NIX_PATH": "nixpkgs=" + os.path.join(self.work, "nixpkgs")}
        os.makedirs(self.env["HOME"])
        self.known = {}

    def _mount(self, source, place, kind, data, flags=0):
        sandbox.mount(source, place, kind, flags, data)
        self.mounted.append(place)

    def _write(self, name, text):
        with open(os.path.join(self.work, name), "w") as file:
            file.write(text)

    def run(self, *argv, **options):
        done = subprocess.run(argv, env=self.env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, **options)
        return runner.Result(list(argv), done)

    def system(self, version="1", **arguments):
        """The path in the store of a system of this version; the rest are arguments of EXPRESSION."""
        key = (version, *sorted(arguments.items()))
        if key not in self.known:
            argv = ["nix-build", "--no-out-link", os.path.join(self.sources, "sys.nix"), "--argstr", "version", version]
            for name, value in arguments.items():
                argv += ["--argstr", name, value]
            self.known[key] = self.run(*argv).ok().out.strip()
        return self.known[key]

    def flake(self, **versions):
        """A flake without inputs, with a configuration each: flake(container="1")."""
        place = os.path.join(self.work, "flake")
        shutil.copytree(self.sources, place, dirs_exist_ok=True)
        text = "".join('      "%s".config.system.build.toplevel = import ./sys.nix { version = "%s"; };\n' % pair
                       for pair in versions.items())
        self._write("flake/flake.nix", "{ outputs = { self }: { nixosConfigurations = {\n%s}; }; }\n" % text)
        return place

    def close(self):
        for place in reversed(self.mounted):
            sandbox.umount(place)
        # what nix built is read-only, also for its owner's tools
        subprocess.run(["chmod", "-R", "u+w", self.work], check=False)
        shutil.rmtree(self.work, ignore_errors=True)


class Container:
    """NAME with a conf of these keys, started as a service would."""

    def __init__(self, redd, host, name, directory=CONF, **keys):
        self.redd, self.name = redd, name
        self.root = os.path.join(OLD_STATE if directory == OLD_CONF else STATE, name)
        self.starter = runner.Redd(os.path.join(os.path.dirname(redd.path), "redd-nixos"), env=host.env, prefix=redd.prefix)
        self.starter.always = []
        self.control = machines.machinectl(redd)
        self.process = None
        os.makedirs(directory, exist_ok=True)
        self.path = os.path.join(directory, name + ".conf")
        self.write(**keys)

    def write(self, **keys):
        with open(self.path, "w") as file:
            file.write("".join("%s=%s\n" % pair for pair in keys.items()))

    def start(self, *options):
        self.process = self.starter.start("start", self.name, *options)
        self.wait()
        return self

    def wait(self):
        def runs():
            assert self.process.poll() is None, self.process.communicate()
            return self.inside("true").code == 0
        runner.until(runs)

    def inside(self, *command):
        return self.control.run("exec", self.name, "--", "/run/current-system/sw/bin/busybox", *command)

    def leader(self):
        return int(self.control.run("show", self.name, "-p", "Leader", "--value").ok().out)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.control.run("terminate", self.name)
            self.process.wait(timeout=30)
        return self.process.communicate() if self.process else None


# ---- for tests that import them ----

@pytest.fixture(scope="module")
def host(work_root):
    made = Host(work_root)
    yield made
    made.close()


@pytest.fixture
def container(redd, host):
    made = []

    def make(name="web", **keys):
        made.append(Container(redd, host, name, **keys))
        return made[-1]
    yield make
    for one in made:
        one.stop()
        if os.path.lexists(one.path):
            os.unlink(one.path)
        subprocess.run(["rm", "-rf", one.root], check=True)
