#!/usr/bin/env bash
# Installs a recent QEMU for x86 guests from the distribution's own packages. See usage below.
set -euo pipefail
# shellcheck source=scripts/debian-mirror.sh
source "$(dirname "$(readlink -f "$0")")/debian-mirror.sh"

readonly MINIMUM=10.0
readonly PACKAGE=qemu-system-x86
readonly BINARY=qemu-system-x86_64
# qemu-img makes the qcow2 images of disks that are copied.
readonly TOOLS_PACKAGE=qemu-utils

usage() {
  cat <<END
Usage: install-qemu.sh [--help]

Installs QEMU >= $MINIMUM and qemu-img (packages $PACKAGE and $TOOLS_PACKAGE, without
recommended packages) on Debian and Ubuntu:
  Debian 12         from bookworm-backports; the suite is added to apt's sources when it is missing,
                    with the mirror that the machine already uses
  Debian 13 onward  from the machine's own suite
  Ubuntu            from the machine's own suite, where that carries QEMU >= $MINIMUM

Does nothing when both are already on PATH. Asks nothing. Needs root, or sudo.
Where the distribution has no such QEMU, fetch-qemu.sh unpacks one without installing it.
END
}

main() {
  case ${1:-} in
    -h | --help) usage; exit 0 ;;
    '') ;;
    *) usage >&2; fail "unknown argument '$1'" ;;
  esac
  if good_qemu; then
    echo "QEMU $(qemu_version "$BINARY") is installed already: $(command -v "$BINARY")"
    return
  fi
  command -v apt-get >/dev/null || fail "needs apt-get (Debian or Ubuntu)"
  become_root
  local id codename
  id=$(os_release ID)
  codename=$(os_release VERSION_CODENAME)
  case $id in
    debian) install_on_debian "$codename" ;;
    ubuntu) install_from_own_suite ;;
    *) fail "knows Debian and Ubuntu only, this is '${id:-unknown}'" ;;
  esac
  hash -r
  good_qemu || fail "installed $PACKAGE and $TOOLS_PACKAGE, but $BINARY >= $MINIMUM or qemu-img is not on PATH: $(command -v "$BINARY")"
  echo "QEMU $(qemu_version "$BINARY") installed: $(command -v "$BINARY")"
}

good_qemu() {
  local version
  command -v qemu-img >/dev/null || return 1
  version=$(qemu_version "$BINARY" || true)
  [[ -n $version ]] && version_at_least "$version" "$MINIMUM"
}

become_root() {
  as_root=()
  [[ $EUID -eq 0 ]] && return
  command -v sudo >/dev/null || fail "needs root, and there is no sudo"
  as_root=(sudo)
}

install_on_debian() {
  local codename=$1
  if [[ $codename != bookworm ]]; then
    install_from_own_suite
    return
  fi
  local suite=bookworm-backports
  if [[ -z $(own_mirror "$suite") ]]; then
    add_suite "$suite"
  fi
  apt_get update
  install_package "$suite"
}

install_from_own_suite() {
  apt_get update
  install_package
}

# Adds the suite as a file of its own, so that removing it is removing one file.
add_suite() {
  local suite=$1 file=/etc/apt/sources.list.d/$1.sources
  [[ -e $file ]] && fail "$file exists but does not enable $suite: repair or remove it"
  printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' \
    "$(debian_mirror)" "$suite" /usr/share/keyrings/debian-archive-keyring.gpg |
    "${as_root[@]}" tee "$file" >/dev/null
  echo "Added $suite: $file"
}

# Installs the package, from the given suite if any; refuses beforehand when it is too old.
install_package() {
  local options=()
  [[ $# -gt 0 ]] && options=(-t "$1")
  local offered
  offered=$(apt-cache "${options[@]}" policy "$PACKAGE" |
    sed -n 's/^ *Candidate: \([0-9]*:\)\{0,1\}\([0-9]*\.[0-9]*\).*/\2/p')
  [[ -n $offered ]] || fail "apt offers no $PACKAGE"
  version_at_least "$offered" "$MINIMUM" ||
    fail "apt offers QEMU $offered only, needed is >= $MINIMUM (try fetch-qemu.sh $MINIMUM DIR)"
  apt_get install --yes --no-install-recommends "${options[@]}" "$PACKAGE" "$TOOLS_PACKAGE"
}

apt_get() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q "$@" </dev/null
}

main "$@"
