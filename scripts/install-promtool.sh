#!/usr/bin/env bash
# Installs promtool from Debian's or Ubuntu's package prometheus, without the server. See usage below.
set -euo pipefail

usage() {
  cat <<END
Usage: install-promtool.sh [--help]

Unpacks promtool (Debian's and Ubuntu's package prometheus) into /usr/local/bin. Nothing else of the
package is installed: no server is started. Does nothing when promtool is on PATH already. Needs root.
END
}

case ${1:-} in
--help) usage && exit 0 ;;
"") ;;
*) usage >&2 && exit 2 ;;
esac
if command -v promtool >/dev/null; then exit 0; fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# apt downloads as a user of its own, who must be able to write there.
chmod 755 "$folder" && mkdir -m 777 "$folder/package"
(cd "$folder/package" && apt-get download -q prometheus)
dpkg-deb --fsys-tarfile "$folder"/package/prometheus_*.deb | tar -x -C "$folder" ./usr/bin/promtool
install -m 755 "$folder/usr/bin/promtool" /usr/local/bin/promtool
