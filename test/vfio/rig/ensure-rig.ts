import { RigUnavailableError } from "../../machine/errors.ts";
import { buildRig, type Rig } from "./rig.ts";

/**
 * The rig, built if need be; undefined, after one line with the reason, on a machine that cannot
 * have it. With SWITCHYARD_VFIO_REQUIRED=1 that is an error instead, so that no skipped run passes
 * for a success.
 */
export async function ensureRig(): Promise<Rig | undefined> {
  try {
    return await buildRig({ onProgress: (line) => process.stdout.write(`vfio rig: ${line}\n`) });
  } catch (error) {
    const required = process.env.SWITCHYARD_VFIO_REQUIRED === "1";
    if (required || !(error instanceof RigUnavailableError)) throw error;
    process.stdout.write(`vfio rig: skipped: ${error.message}\n`);
    return undefined;
  }
}
