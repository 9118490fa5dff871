import { z } from "zod";
import { ParameterValue } from "../protocol/probe.ts";
import { SideSettings } from "../protocol/side-settings.ts";

/**
 * How the switchover ACK works in this migration (facts: QEMU 8.1 to 11.0 `legacy`, 11.1 with
 * machine type 11.1 or newer `per-device`). `none`: no ACK will come, do not wait for one.
 */
export const AckMode = z.enum(["legacy", "per-device", "none"]);
export type AckMode = z.infer<typeof AckMode>;

/** One choice and why it was made; shown to people, kept in the record. */
export const Choice = z.strictObject({
  /** The capability or parameter, or `ack`, `tls`, `machine-type`, `flag NAME`. */
  subject: z.string(),
  value: ParameterValue,
  reason: z.string(),
});
export type Choice = z.infer<typeof Choice>;

export const Agreement = z.strictObject({
  source: SideSettings,
  target: SideSettings,
  /** How the stream is encrypted by credentials that the agents make; absent: they make none. */
  tls: z.enum(["psk", "x509"]).optional(),
  ackMode: AckMode,
  /** Devices that will ask for an ACK. */
  ackDevices: z.array(z.string()),
  /** The machine type the target is started with: the source's resolved one. */
  machineType: z.string(),
  choices: z.array(Choice),
});
export type Agreement = z.infer<typeof Agreement>;

/** Why a migration cannot start, and what would cure it. */
export const Blocker = z.strictObject({
  code: z.string().regex(/^[a-z0-9-]+$/),
  /** Policy field or probe field at fault, when there is one. */
  field: z.string().optional(),
  message: z.string(),
  cure: z.string(),
});
export type Blocker = z.infer<typeof Blocker>;

export type NegotiationResult =
  | { agreed: true; agreement: Agreement }
  | { agreed: false; blockers: Blocker[] };
