import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type Generation, generationOf } from "./generation.ts";
import type { GuestKind } from "./guest.ts";

/** A QEMU that the dialogues are played with. */
export type Subject = {
  /** For output and for known differences: `qemu 10.0.2`, `model 10.0`. */
  name: string;
  kind: "qemu" | "model";
  version: string;
  generation: Generation;
  command: string;
  environment: (guest: GuestKind, memoryBytes: number) => Record<string, string>;
};

export const MODEL_COMMAND = fileURLToPath(
  new URL("../../emulators/qemu/bin/qemu-system-model", import.meta.url),
);

/**
 * A real QEMU.
 *
 * @throws Error if it does not run or is too old
 */
export async function realQemu(command: string): Promise<Subject> {
  const { stdout } = await promisify(execFile)(command, ["--version"]);
  const version = /version (\d+\.\d+\.\d+)/.exec(stdout)?.[1];
  const generation = version === undefined ? undefined : generationOf(version);
  if (version === undefined || generation === undefined) {
    throw new Error(
      `Expected \`${command}\` to be QEMU 7.2 or later, got ${JSON.stringify(stdout)}`,
    );
  }
  return {
    name: `qemu ${version}`,
    kind: "qemu",
    version,
    generation,
    command,
    environment: () => ({}),
  };
}

/** The model QEMU in one version. */
export function modelQemu(version: string): Subject {
  const generation = generationOf(version);
  if (generation === undefined)
    throw new Error(`Expected a model version of 7.2 or later, got \`${version}\``);
  const environment = (guest: GuestKind, memoryBytes: number) => ({
    QEMU_MODEL: JSON.stringify({ version, ...modelGuest(guest, memoryBytes) }),
  });
  return {
    name: `model ${version}`,
    kind: "model",
    version,
    generation,
    command: MODEL_COMMAND,
    environment,
  };
}

/** Settings that stand for the guest image: the model runs no guest code. */
function modelGuest(guest: GuestKind, memoryBytes: number): Record<string, number> {
  const writtenBytes = memoryBytes - 1024 * 1024;
  const used = { usedBytes: writtenBytes, workingSetBytes: writtenBytes };
  switch (guest) {
    case "idle":
      return { usedBytes: 0, workingSetBytes: 0, dirtyBytesPerSecond: 0 };
    case "filled":
      return { ...used, dirtyBytesPerSecond: 0 };
    case "busy":
      return { ...used, dirtyBytesPerSecond: 4e9 };
  }
}
