import { symlink } from "node:fs/promises";
import path from "node:path";
import { runCommand } from "../../machine/command.ts";
import {
  type DebianPackages,
  packedPackage,
  ROOT,
  unpackPackages,
} from "../../machine/debian-packages.ts";
import type { Stage, StageContext } from "../../machine/stage.ts";

const KERNEL_SOURCE = "linux-source-6.12";

const packages: DebianPackages = {
  // Its kernel has a migratable mtty (6.6 and later) and its QEMU can move it (8.1 and later).
  suite: "trixie",
  names: [
    // what L1 runs; the kernel image comes with its headers
    ["busybox-static", "qemu-system-x86", "seabios", "libstdc++6", "libgcc-s1", "libc6"],
    // what builds its module: these are not pulled in because every Debian system has them
    ["base-files", "coreutils", "dash", "findutils", "grep", "mawk", "perl-base", "sed"],
    ["binutils", "gcc", "linux-headers-amd64", "make", KERNEL_SOURCE],
  ].flat(),
  downloadMb: 400,
  keepPacked: KERNEL_SOURCE,
};

export function packagesStage(context: StageContext): Stage {
  return {
    name: "packages",
    inputs: [packages.suite, ...packages.names],
    outputs: [ROOT],
    build: async () => {
      await unpackPackages(context, packages);
      // Maintainer scripts would set these up.
      const root = path.join(context.cacheDir, ROOT);
      await symlink("mawk", path.join(root, "usr/bin/awk"));
      const devNull = path.join(root, "dev/null");
      await runCommand("mknod", ["-m", "666", devNull, "c", "1", "3"], { deadlineMs: 10_000 });
    },
  };
}

/** The downloaded package with the kernel's source. */
export function kernelSourcePackage(cacheDir: string): Promise<string> {
  return packedPackage(cacheDir, KERNEL_SOURCE);
}
