import type { QmpClient } from "../../qmp/client.ts";
import { QmpCommandError } from "../../qmp/error.ts";

/** A property of an object in QEMU; undefined: it has none. @throws QmpError of the connection */
export async function propertyOf(qmp: QmpClient, path: string, property: string): Promise<unknown> {
  try {
    return await qmp.execute("qom-get", { path, property });
  } catch (error) {
    if (error instanceof QmpCommandError) return undefined;
    throw error;
  }
}
