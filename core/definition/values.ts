import * as z from "zod";
import { GuestFile, HostResource, hasBadPlaceholder } from "../host-resources.ts";
import { DEFINITION_PART_BYTES_MAX, jsonBytes } from "../size-limits.ts";

/** An id as QEMU accepts it (util/id.c, id_wellformed): a letter, then letters, digits, `-._`. */
export const PartId = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9._-]*$/, "expected a letter, then letters, digits, `-`, `.` or `_`")
  .max(128);

/** One of QEMU's own names for a member or an option. */
const memberName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, "expected a name of letters, digits, `-`, `.` or `_`");

/** Text of one option. QEMU and the kernel end an argument at a zero byte. */
export const Text = z
  .string()
  .max(16_384)
  .regex(/^[^\0]*$/, "expected no zero byte");

const PATH_RULE = 'expected an absolute path without zero bytes, or {"$host": "<name>"}';

/** A file by its absolute path, the same on each host, or by a placeholder. */
export const FilePath = z.union(
  [
    z
      .string()
      .max(4_096)
      .regex(/^\/[^\0]*$/, PATH_RULE),
    HostResource,
  ],
  PATH_RULE,
);
export type FilePath = z.infer<typeof FilePath>;

function part<Value extends z.ZodType>(value: Value) {
  return z
    .record(memberName, value)
    .refine(
      (object) => !hasBadPlaceholder(object),
      'expected {"$host": "<name>"} or {"$guest": "<name>.sock"}, with no other members than `type` and `file` of $host',
    )
    .refine(
      (object) => jsonBytes(object) <= DEFINITION_PART_BYTES_MAX,
      `expected at most ${DEFINITION_PART_BYTES_MAX} bytes of JSON`,
    );
}

/** A QAPI object given to QEMU as JSON (`-device`, `-blockdev`, `-object`, `-netdev`). */
export const QapiObject = part(z.json());
export type QapiObject = z.infer<typeof QapiObject>;

/**
 * Options of a part that QEMU 7.2 to 11.1 take as `key=value` only (`-chardev`, `-smbios`). A list
 * gives its key several times.
 */
export const OptionObject = part(
  z.union(
    [z.boolean(), z.int(), Text, HostResource, GuestFile, z.array(Text).max(64)],
    "expected text without zero bytes, a whole number, a boolean, a list of texts or a placeholder",
  ),
);
export type OptionObject = z.infer<typeof OptionObject>;

/** Properties of the machine or the accelerator. */
export const Properties = z.record(
  memberName,
  z.union([
    z.boolean(),
    z.int(),
    z
      .string()
      .regex(/^[A-Za-z0-9_.:+-]{1,256}$/, "expected at most 256 letters, digits or `_.:+-`"),
  ]),
);
export type Properties = z.infer<typeof Properties>;
