import type { ParameterValue } from "../protocol/probe.ts";
import type { Refusal } from "./capabilities.ts";
import type { Lifetime, QemuRelease } from "./version.ts";

/**
 * One of QEMU's migration parameters. Source: the QAPI schema of QEMU 7.2 to 11.1, boundary values
 * tried on 7.2.22, 10.0 and 11.1.3. QEMU takes each of them at any time.
 */
export type Parameter = Lifetime & {
  readonly name: string;
  readonly since: QemuRelease;
  readonly deprecated?: QemuRelease;
  readonly unstable?: true;
  readonly type: "integer" | "boolean" | "text" | "enum" | "list";
  readonly unit: string;
  readonly min?: number;
  /** A bigint where a JavaScript number would lose digits. */
  readonly max?: number | bigint;
  readonly powerOfTwo?: true;
  readonly values?: readonly string[];
  /** QEMU's default. */
  readonly default: ParameterValue;
  /** What is set when nobody asks for anything, where QEMU's default serves a move badly. */
  readonly ours?: { readonly value: ParameterValue; readonly reason: string };
  readonly side: "source" | "target" | "both";
  /** Both ends must have it, with one value. */
  readonly mustMatch: boolean;
  /** Means nothing unless this capability is on. */
  readonly tunes?: string;
  /** A value that QEMU takes and that does something else than it says. */
  readonly trap?: { readonly from: number; readonly to: number; readonly why: string };
  readonly refusal?: Refusal;
};
