import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { runCommand } from "../../machine/command.ts";
import { type DebianPackages, ROOT, unpackPackages } from "../../machine/debian-packages.ts";
import type { Stage, StageContext } from "../../machine/stage.ts";

const CONFIGURE_DEADLINE_MS = 240_000;

const packages: DebianPackages = {
  suite: "trixie",
  names: [
    ["?essential", "systemd-sysv", "apt", "iproute2", "libstdc++6"],
    ["qemu-system-x86", "seabios"],
  ].flat(),
  downloadMb: 65,
};

/** A Debian with systemd and QEMU, installed by dpkg: other packages can be installed in it. */
export function debianStage(context: StageContext): Stage {
  return {
    name: "debian",
    inputs: [packages.suite, ...packages.names, install],
    outputs: [ROOT],
    build: async () => {
      await unpackPackages(context, packages);
      context.onProgress("debian: installing");
      const root = path.join(context.cacheDir, ROOT);
      try {
        await mkdir(path.join(root, "archives"));
        const archives = path.join(context.cacheDir, "apt/cache/archives");
        const words = ["--mount", "sh", "-ec", install, "sh", root, archives];
        await runCommand("unshare", words, { deadlineMs: CONFIGURE_DEADLINE_MS });
      } catch (error) {
        // Half of a Debian is none.
        await rm(root, { recursive: true, force: true });
        throw error;
      }
    },
  };
}

/**
 * The packages' files are there already, so that their scripts find their tools; dpkg lays them once
 * more, and notes them. Its notes are in memory meanwhile: it flushes them for each package.
 */
const install = `
  mount -t proc proc "$1/proc"
  mount --bind "$2" "$1/archives"
  [ -e "$1/dev/null" ] || mknod -m 666 "$1/dev/null" c 1 3
  notes="$1/var/lib/dpkg"
  mount -t tmpfs notes "$notes"
  mkdir "$notes/info" "$notes/updates" "$notes/triggers"
  : >"$notes/status"
  : >"$notes/available"
  export DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes PATH=/usr/sbin:/usr/bin
  in_root() { chroot "$1" sh -ec "dpkg --force-depends --force-unsafe-io $2"; }
  in_root "$1" "--install /archives/base-passwd_*.deb /archives/base-files_*.deb"
  in_root "$1" "--unpack /archives/*.deb"
  in_root "$1" "--configure --pending"
  cp -a "$notes/." "$notes.done"
  umount "$notes"
  rm -r "$notes"
  mv "$notes.done" "$notes"
`;
