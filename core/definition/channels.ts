import * as z from "zod";
import { OptionObject, PartId, QapiObject } from "./values.ts";

const hasText = (name: string) => (object: Record<string, unknown>) =>
  PartId.safeParse(object[name]).success;

/** A network's host side (`-netdev`); QEMU's `Netdev` as it is in its QAPI schema. */
export const Netdev = QapiObject.refine(hasText("type"), {
  path: ["type"],
  message: "expected the kind of network, such as `user`, `tap` or `stream`",
}).refine(hasText("id"), { path: ["id"], message: "expected an id that a device can name" });

/** A character device's host side (`-chardev`), with the option's own names. */
export const Chardev = OptionObject.refine(hasText("backend"), {
  path: ["backend"],
  message: "expected the kind of character device, such as `socket`, `file` or `null`",
}).refine(hasText("id"), { path: ["id"], message: "expected an id that a device can name" });

/** A serial port: QEMU writes it to `serial.log` in the guest's folder, or it is a `chardev`. */
export const Serial = z.union(
  [z.literal("log"), z.strictObject({ chardev: PartId })],
  'expected "log" or {"chardev": "<id>"}',
);

/** A TPM emulator (swtpm) behind a chardev. Its state moves in the stream. */
export const Tpm = z.strictObject({ id: PartId, chardev: PartId });

/** Where the guest's screen goes. */
export const Display = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("none") }),
  /** VNC on the UNIX socket `vnc.sock` in the guest's folder. */
  z.strictObject({
    type: z.literal("vnc"),
    /** What happens to the clients before when another one connects. Default: QEMU's own. */
    share: z.enum(["allow-exclusive", "force-shared", "ignore"]).optional(),
  }),
]);

/**
 * A table of the firmware's (`-smbios`): `type` with that type's fields, or `file`. A list gives its
 * field several times, such as `value` of type 11.
 */
export const SmbiosTable = OptionObject.refine(
  ({ type, file }) => (typeof type === "number") !== (file !== undefined),
  { message: "expected either `type`, a number, or `file`" },
);
