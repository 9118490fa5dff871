import * as z from "zod";
import { ParameterValue } from "../protocol/probe.ts";
import { SideSettings } from "../protocol/side-settings.ts";
import { CopiedDisks } from "../storage-copy/copied-disk.ts";

/**
 * How the switchover ACK works in this migration: `legacy` (QEMU 8.1 to 11.0, and machine types up
 * to 11.0), `per-device` (QEMU 11.1 with a machine type of 11.1 or newer), or `none`: none will come.
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

/** What both sides are set to, and why. */
export const Agreement = z.strictObject({
  source: SideSettings,
  target: SideSettings,
  /** Which TLS credentials the agents make for the stream; absent: none. */
  tls: z.enum(["psk", "x509"]).optional(),
  /** Disks that are copied; absent: none. */
  copies: CopiedDisks.optional(),
  ackMode: AckMode,
  /** Devices that will ask for an ACK. */
  ackDevices: z.array(z.string()),
  /** The machine type the target is started with: the source's resolved one. */
  machineType: z.string(),
  choices: z.array(Choice),
});
export type Agreement = z.infer<typeof Agreement>;

/** Why a migration cannot start, and what to do about it. */
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
