import type { ParameterValue } from "../protocol/probe.ts";
import type { Refusal } from "./capabilities.ts";
import type { Lifetime, QemuRelease } from "./version.ts";

/**
 * One of QEMU's migration parameters. Source: QAPI schema, migration.json, MigrationParameters, QEMU
 * 7.2 to 11.1; limits tried on 7.2.22, 10.0 and 11.1.3. QEMU accepts each of them at any time.
 */
export type Parameter = Lifetime & {
  readonly name: string;
  readonly since: QemuRelease;
  readonly deprecated?: QemuRelease;
  readonly unstable?: true;
  readonly type: "integer" | "boolean" | "text" | "enum" | "list";
  readonly unit: string;
  readonly min?: number;
  /** A bigint where a number would lose digits. */
  readonly max?: number | bigint;
  readonly powerOfTwo?: true;
  readonly values?: readonly string[];
  /** QEMU's default. */
  readonly default: ParameterValue;
  /** Set when nobody asks for a value; only where QEMU's default is bad for a migration. */
  readonly ours?: { readonly value: ParameterValue; readonly reason: string };
  readonly side: "source" | "target" | "both";
  /** Both sides must have it, with the same value. */
  readonly mustMatch: boolean;
  /** Has no effect unless this capability is on. */
  readonly tunes?: string;
  /** Values that QEMU accepts and that have another effect than their name suggests. */
  readonly trap?: { readonly from: number; readonly to: number; readonly why: string };
  readonly refusal?: Refusal;
};
