#!/bin/sh
# After a removal, and after Debian's `purge`. Guests run on, so the folders of guests stay.
set -e
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
fi
if [ "$1" = purge ]; then
  if [ -n "$(ls -A /var/lib/switchyard-agent/run 2>/dev/null)" ]; then
    echo "switchyard-agent: guests may run here: /var/lib/switchyard-agent stays" >&2
  else
    rm -rf /var/lib/switchyard-agent
    rm -f /etc/switchyard/agent.env /etc/switchyard/join-token
    rmdir --ignore-fail-on-non-empty /etc/switchyard 2>/dev/null || true
  fi
fi
