#!/usr/bin/env bash
# Unpacks another QEMU version beside the system's, installing nothing. See usage below.
set -euo pipefail
# shellcheck source=scripts/debian-mirror.sh
source "$(dirname "$(readlink -f "$0")")/debian-mirror.sh"

readonly PACKAGE=qemu-system-x86
readonly BINARY=qemu-system-x86_64
readonly KEYRING=${DEBIAN_KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}

usage() {
  cat <<END
Usage: fetch-qemu.sh VERSION DIR

Unpacks Debian's $PACKAGE of another version into DIR, with the libraries, the firmware and the libc
it needs, and makes the launcher DIR/$BINARY. The system's packages, apt lists and apt cache
stay as they are; root is not needed.

VERSION  7.2 | 10.0 | 11.1, found in the first Debian suite that carries it now,
         or a suite by name (bookworm, trixie, sid, bookworm-backports): whatever it carries
DIR      made if missing; about 200 MiB. Nothing is done when its launcher already runs that version.

The mirror is the one in the machine's own apt sources on Debian, $DEFAULT_DEBIAN_MIRROR elsewhere.
DEBIAN_KEYRING names Debian's archive keyring (default $KEYRING,
package debian-archive-keyring).
END
}

main() {
  case ${1:-} in
    -h | --help) usage; exit 0 ;;
  esac
  [[ $# -eq 2 ]] || { usage >&2; fail "needs VERSION and DIR"; }
  local wanted=$1 dir suites version=
  suites=$(suites_of "$wanted")
  mkdir -p "$2"
  dir=$(readlink -f "$2")
  [[ $wanted =~ ^[0-9] ]] && version=$wanted
  if already_there "$dir" "$wanted" "$version"; then
    echo "QEMU $(qemu_version "$dir/$BINARY") is there already: $dir/$BINARY"
    return
  fi
  check_tools
  work=$(mktemp -d "$dir/.fetch-XXXXXX")
  trap 'rm -rf "$work"' EXIT
  local suite
  for suite in $suites; do
    update_lists "$suite" || { echo "$suite cannot be read"; continue; }
    if offers "$version"; then
      unpack "$dir" "$wanted" "$suite"
      return
    fi
    echo "$suite carries QEMU ${offered:-none}, not $version"
  done
  fail "found no QEMU${version:+ $version} in: $suites"
}

# The suites that may have a version, likeliest first. Only sid and testing change their versions.
suites_of() {
  case $1 in
    7.2) echo bookworm ;;
    10.0) echo trixie bookworm-backports ;;
    11.1) echo sid forky trixie-backports ;;
    [a-z]*) echo "$1" ;;
    *) fail "knows the versions 7.2, 10.0, 11.1 and Debian's suites, not '$1'" ;;
  esac
}

already_there() {
  local dir=$1 wanted=$2 version=$3 present
  present=$(qemu_version "$dir/$BINARY" || true)
  [[ -n $present ]] || return 1
  [[ $present == "$version" || $(cat "$dir/source" 2>/dev/null) == "$wanted" ]]
}

check_tools() {
  [[ $(uname -m) == x86_64 ]] || fail "the packages are for x86_64, this is $(uname -m)"
  local tool
  for tool in apt-get apt-cache apt-config dpkg-deb; do
    command -v "$tool" >/dev/null || fail "needs $tool"
  done
  [[ -r $KEYRING ]] || fail "needs Debian's archive keyring: $KEYRING (package debian-archive-keyring)"
}

# An apt of its own: empty dpkg status (so that every dependency down to libc is fetched), own sources, lists
# and cache. APT_CONFIG is read first, so the system's apt.conf.d is never read; only how to reach
# mirrors (proxies, retries, clock checks) is carried over. Fails when the mirror has no such suite.
update_lists() {
  local suite=$1 base=${1%-backports} mirror apt=$work/apt
  mirror=$(APT_CONFIG='' debian_mirror)
  rm -rf "$apt"
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/none"
  : >"$apt/status"
  {
    echo "deb [signed-by=$KEYRING] $mirror $base main"
    [[ $base == "$suite" ]] || echo "deb [signed-by=$KEYRING] $mirror $suite main"
  } >"$apt/sources.list"
  {
    APT_CONFIG='' apt-config dump | grep -E '^Acquire::(https?|ftp|Retries|ForceIPv[46]|Check-)' || true
    cat <<END
APT::Architecture "amd64"; APT::Architectures { "amd64"; };
APT::Install-Recommends "0"; APT::Sandbox::User "$(id -un)";
Acquire::Languages "none";
Dir::Etc::parts "$apt/none"; Dir::Etc::main "$apt/none/none";
Dir::Etc::sourcelist "$apt/sources.list"; Dir::Etc::sourceparts "$apt/none";
Dir::Etc::preferences "$apt/none/none"; Dir::Etc::preferencesparts "$apt/none";
Dir::State "$apt"; Dir::State::lists "$apt/lists"; Dir::State::status "$apt/status";
Dir::Cache "$apt/cache"; Dir::Log "$apt";
END
  } >"$apt/apt.conf"
  export APT_CONFIG=$apt/apt.conf
  release=()
  [[ $base == "$suite" ]] || release=(-t "$suite")
  echo "Reading $suite of $mirror"
  apt-get -qq update </dev/null
}

# True when the suite read last carries the version (any, when that is empty); sets `offered`.
offers() {
  offered=$(apt-cache "${release[@]}" policy "$PACKAGE" |
    sed -n 's/^ *Candidate: \([0-9]*:\)\{0,1\}\([0-9]*\.[0-9]*\).*/\2/p')
  [[ -n $offered && (-z $1 || $offered == "$1") ]]
}

unpack() {
  local dir=$1 wanted=$2 suite=$3 deb
  echo "Downloading QEMU $offered with everything it needs"
  apt-get -qq --yes --download-only "${release[@]}" install "$PACKAGE" </dev/null
  mkdir "$work/root"
  for deb in "$work"/apt/cache/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink --no-same-owner -C "$work/root"
  done
  write_launcher "$work/$BINARY"
  rm -rf "$dir/root"
  mv "$work/root" "$dir/root"
  mv "$work/$BINARY" "$dir/$BINARY"
  [[ $(qemu_version "$dir/$BINARY") == "$offered" ]] || {
    "$dir/$BINARY" --version >&2 || true
    fail "unpacked $dir/$BINARY, but it does not run"
  }
  echo "$wanted" >"$dir/source"
  echo "QEMU $offered of $suite: $dir/$BINARY"
}

# The launcher execs, so its process id is QEMU's. The libraries go to the loader by argument and not through
# the environment, so that what QEMU itself starts is not affected.
write_launcher() {
  cat >"$1" <<'END'
#!/bin/sh
root=$(dirname "$(readlink -f "$0")")/root
for loader in "$root"/lib64/ld-linux-x86-64.so.2 "$root"/usr/lib64/ld-linux-x86-64.so.2; do
  [ -x "$loader" ] && break
done
libraries=$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu
export QEMU_MODULE_DIR="$root/usr/lib/x86_64-linux-gnu/qemu"
exec "$loader" --library-path "$libraries" "$root/usr/bin/qemu-system-x86_64" \
  -L "$root/usr/share/qemu" -L "$root/usr/share/seabios" -L "$root/usr/lib/ipxe/qemu" "$@"
END
  chmod +x "$1"
}

main "$@"
