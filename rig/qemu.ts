import { execFileSync } from "node:child_process";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { findExecutable } from "../agent/probe/binary.ts";

export type Qemu = { path: string; version: string; real: boolean };

/** The path of the model of QEMU. */
export const MODEL_QEMU = resolve(
  fileURLToPath(import.meta.url),
  "../../emulators/qemu/bin/qemu-system-model",
);

/**
 * The QEMU to run on: the one named, else $SWITCHYARD_QEMU, else qemu-system-x86_64 on PATH, else
 * the model.
 *
 * @throws Error when one was named and does not work.
 */
export function chooseQemu(named: string | undefined): Qemu {
  const chosen = named ?? (process.env.SWITCHYARD_QEMU || undefined);
  if (chosen !== undefined) return describe(findExecutable(chosen));
  try {
    return describe(findExecutable("qemu-system-x86_64"));
  } catch {
    return describe(MODEL_QEMU);
  }
}

/** The model of QEMU. */
export function modelQemu(): Qemu {
  return describe(MODEL_QEMU);
}

function describe(path: string): Qemu {
  const text = execFileSync(path, ["--version"], { encoding: "utf8", timeout: 20_000 });
  const version = /version (\d+\.\d+\.\d+)/.exec(text)?.[1];
  if (version === undefined) throw new Error(`${path} reports no version: ${text.trim()}`);
  return { path, version, real: path !== MODEL_QEMU };
}
