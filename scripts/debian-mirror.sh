# shellcheck shell=bash
# Sourced by install-qemu.sh and fetch-qemu.sh: where this machine gets its distribution's packages.

readonly DEFAULT_DEBIAN_MIRROR=http://deb.debian.org/debian

# Prints the mirror that the machine's own apt sources use for its base suite (one-line, deb822 and mirror
# lists alike, because apt itself reads them), or nothing when they name none.
own_mirror() {
  local codename=$1
  # apt expands the $(...) words, not the shell.
  # shellcheck disable=SC2016
  apt-get indextargets --format '$(REPO_URI)|$(RELEASE)|$(CODENAME)|$(COMPONENT)' \
    'Created-By: Packages' 2>/dev/null |
    awk -F'|' -v suite="$codename" \
      '($2 == suite || $3 == suite) && $4 == "main" { sub(/\/+$/, "", $1); print $1; exit }'
}

# Prints the Debian mirror to use: the machine's own on Debian, else Debian's own name.
debian_mirror() {
  local id codename mirror=
  id=$(os_release ID)
  codename=$(os_release VERSION_CODENAME)
  if [[ $id == debian && -n $codename ]]; then
    mirror=$(own_mirror "$codename")
  fi
  printf '%s\n' "${mirror:-$DEFAULT_DEBIAN_MIRROR}"
}

# Prints one field of os-release(5), or nothing.
os_release() {
  sed -n "s/^$1=//p" /etc/os-release | tr -d '"'
}

# Prints MAJOR.MINOR of a QEMU binary, or nothing when it does not run.
qemu_version() {
  "$1" --version 2>/dev/null | sed -n 's/^QEMU emulator version \([0-9]*\.[0-9]*\).*/\1/p'
}

# True when version $1 (MAJOR.MINOR) is at least $2.
version_at_least() {
  [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]
}

fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}
