import { spawnSync } from "node:child_process";

const named = [
  ["installed", process.env.SWITCHYARD_QEMU || "qemu-system-x86_64"],
  ["7.2", process.env.SWITCHYARD_QEMU_7_2],
  ["11.1", process.env.SWITCHYARD_QEMU_11_1],
] as const;

/** The installed QEMU, and those that the environment names. */
export const qemuBinaries: readonly { readonly version: string; readonly binary: string }[] = named
  .flatMap(([version, binary]) => (binary === undefined ? [] : [{ version, binary }]))
  .filter(({ binary }) => spawnSync(binary, ["--version"], { timeout: 20_000 }).status === 0);

const versions = qemuBinaries.map(({ version, binary }) => [version, binary] as const);

/**
 * For `describe.skipIf(!hasQemu).each`: each version with its binary. Where there is none, one row
 * that is skipped: a file without any test fails.
 */
export const eachQemu: readonly (readonly [version: string, binary: string])[] =
  versions.length > 0 ? versions : [["that is not installed", ""]];
export const hasQemu = versions.length > 0;
