import * as z from "zod";

/**
 * Names that people choose (hosts, VMs): what DNS labels, libvirt and AWS queue names all accept.
 * 1 to 63 characters of `a-z 0-9 -`, not starting or ending with `-`.
 */
const name = () =>
  z
    .string()
    .regex(
      /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
      "expected 1 to 63 characters of a-z, 0-9 and -, not starting or ending with -",
    );

export const HostId = name().brand<"HostId">();
export type HostId = z.infer<typeof HostId>;

export const VmId = name().brand<"VmId">();
export type VmId = z.infer<typeof VmId>;

/** `mig_` and a ULID: 26 characters of Crockford base 32 that sort by time of creation. */
export const MigrationId = z
  .string()
  .regex(/^mig_[0-9A-HJKMNP-TV-Z]{26}$/, "expected a migration id such as mig_01J9Z3…")
  .brand<"MigrationId">();
export type MigrationId = z.infer<typeof MigrationId>;

/** `evac_` and a ULID. */
export const EvacuationId = z
  .string()
  .regex(/^evac_[0-9A-HJKMNP-TV-Z]{26}$/, "expected an evacuation id such as evac_01J9Z3…")
  .brand<"EvacuationId">();
export type EvacuationId = z.infer<typeof EvacuationId>;

/** `sch_` and a ULID. */
export const ScheduleId = z
  .string()
  .regex(/^sch_[0-9A-HJKMNP-TV-Z]{26}$/, "expected a schedule id such as sch_01J9Z3…")
  .brand<"ScheduleId">();
export type ScheduleId = z.infer<typeof ScheduleId>;

/** `frz_` and a ULID. */
export const ChangeFreezeId = z
  .string()
  .regex(/^frz_[0-9A-HJKMNP-TV-Z]{26}$/, "expected a change freeze's id such as frz_01J9Z3…")
  .brand<"ChangeFreezeId">();
export type ChangeFreezeId = z.infer<typeof ChangeFreezeId>;

/** `whk_` and a ULID. */
export const WebhookId = z
  .string()
  .regex(/^whk_[0-9A-HJKMNP-TV-Z]{26}$/, "expected a webhook's id such as whk_01J9Z3…")
  .brand<"WebhookId">();
export type WebhookId = z.infer<typeof WebhookId>;

/**
 * Id of one step's command, `<owner id>.<step>.<attempt>`. A repeated step sends the same id, so that
 * the agent answers from its journal and does nothing twice.
 */
export const CommandId = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,80}\.[a-z0-9-]{1,40}\.[0-9]{1,4}$/)
  .brand<"CommandId">();
export type CommandId = z.infer<typeof CommandId>;

const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/**
 * A ULID. Time and randomness come from the caller, since core/ is deterministic. Source: the ULID
 * specification (github.com/ulid/spec).
 *
 * @param timeMs ms since the epoch
 * @param random at least ten random bytes; the first ten are used
 *
 * @throws RangeError when `random` has fewer than ten bytes or the time does not fit 48 bits.
 */
export function ulid(timeMs: number, random: Uint8Array): string {
  if (random.length < 10) throw new RangeError("Expected `random` to have at least 10 bytes");
  if (!Number.isInteger(timeMs) || timeMs < 0 || timeMs >= 2 ** 48) {
    throw new RangeError(`Expected \`timeMs\` to be an integer below 2^48, got ${timeMs}`);
  }
  let value = BigInt(timeMs);
  for (const byte of random.subarray(0, 10)) value = (value << 8n) | BigInt(byte);
  let text = "";
  for (let index = 0; index < 26; index += 1) {
    text = CROCKFORD.charAt(Number(value & 31n)) + text;
    value >>= 5n;
  }
  return text;
}
