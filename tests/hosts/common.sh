# sourced by the other scripts
VMDIR=${VMDIR:-/var/cache/redd-tests/hosts}
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
K=$VMDIR/k I=$VMDIR/img T=$VMDIR/t RUN=$VMDIR/run BIN=$VMDIR/bin
mkdir -p "$K" "$I" "$T" "$RUN" "$BIN" "$VMDIR/pkg"

die() { echo "${0##*/}: $*" >&2; exit 125; }

# host packages this needs, installed only when something is missing
need_host() {
	"$HERE/../../tools/install-packages" build tree host >&2 || die "cannot install the packages that tools/packages lists"
	export PATH=$PATH:/usr/sbin:/sbin
}

# a static busybox for the initrds: the host's, or Debian's
static_busybox() {
	local b deb
	b=$(command -v busybox) && ldd "$b" 2>&1 | grep -q 'not a dynamic' && { echo "$b"; return; }
	[ -x "$VMDIR/pkg/bb/bin/busybox" ] || { deb=$(fetch bookworm busybox-static) && dpkg-deb -x "$deb" "$VMDIR/pkg/bb"; }
	ls "$VMDIR"/pkg/bb/{usr/,}bin/busybox 2>/dev/null | head -1
}

build_bin() {
	[ "$BIN/agent" -nt "$HERE/agent.c" ] || gcc -O2 -static -o "$BIN/agent" "$HERE/agent.c" || die agent
	[ "$BIN/vmexec" -nt "$HERE/vmexec.c" ] || gcc -O2 -o "$BIN/vmexec" "$HERE/vmexec.c" || die vmexec
}

# aptx SUITE VERB ARG...: apt with a private state, so that the host's stays as it is
aptx() {
	local s=$1 v=$2 d=$VMDIR/apt/$1 base sec
	shift 2
	if [ ! -e "$d/ok" ]; then
		mkdir -p "$d"/etc/apt/{preferences.d,apt.conf.d,trusted.gpg.d} "$d"/var/lib/apt/lists/partial \
			"$d"/var/cache/apt/archives/partial
		: > "$d/status"
		base=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' | head -1)
		sec=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian-Security' | head -1)
		local k='[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]'
		echo "deb $k $base $s main" > "$d/etc/apt/sources.list"
		[ "$s" = sid ] || [ -z "$sec" ] || echo "deb $k $sec $s-security main" >> "$d/etc/apt/sources.list"
		# a mirror may lag behind the releases' time limit
		apt-get -qq -o Dir="$d" -o Dir::State::status="$d/status" -o Acquire::Languages=none \
			-o Acquire::Check-Valid-Until=false \
			-o APT::Update::Error-Mode=any -o APT::Sandbox::User=root update || return 1
		: > "$d/ok"
	fi
	apt-$v -o Dir="$d" -o Dir::State::status="$d/status" -o APT::Sandbox::User=root "$@"
}

# fetch SUITE PACKAGE: downloads it (not its dependencies), prints the file's name
fetch() {
	local d=$VMDIR/pkg/$1
	mkdir -p "$d"
	(cd "$d" && aptx "$1" get -qq download "$2") >&2 || return 1
	ls -t "$d/$2"_*.deb | head -1
}
