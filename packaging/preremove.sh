#!/bin/sh
# Before a removal (Debian: `remove`, RPM: 0) and before an upgrade, which stops nothing.
set -e
case "$1" in
  remove | 0)
    if [ -d /run/systemd/system ]; then
      systemctl disable --now switchyard-agent.service
    fi
    ;;
esac
