#!/bin/sh
# After an installation and after an upgrade, on Debian and on systems with RPM. An agent that runs
# becomes the new one; guests run on. A new installation is not started: it has no configuration yet.
set -e
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  systemctl try-restart switchyard-agent.service
fi
