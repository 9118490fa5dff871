import * as z from "zod";

/** How a guest's QEMU process has ended, as its host reports it. */
export type GuestExit = {
  readonly detail: string;
  /** QEMU's SHUTDOWN event, if there was one. */
  readonly shutdown?: { readonly guest: boolean; readonly reason: string } | undefined;
  /** The guest reported a panic before. */
  readonly panicked?: true | undefined;
};

/** What the record says of a guest whose process has ended. */
export const GuestEnd = z.object({
  state: z.enum(["stopped", "panicked", "failed"]),
  detail: z.string(),
});
export type GuestEnd = z.infer<typeof GuestEnd>;

const DETAIL_LENGTH_MAX = 2_000;

/**
 * Who ended the guest, by QEMU's own event (QAPI schema, run-state.json, ShutdownCause): a guest that
 * ended itself has `stopped` or `panicked`; whatever ended it from outside, or without SHUTDOWN, it
 * has `failed`.
 */
export function guestEndOf({ detail, shutdown, panicked }: GuestExit): GuestEnd {
  const end = (state: GuestEnd["state"], what: string): GuestEnd => ({
    state,
    detail: (detail === "" ? what : `${what}: ${detail}`).slice(0, DETAIL_LENGTH_MAX),
  });
  if (panicked === true || shutdown?.reason === "guest-panic") {
    return end("panicked", "the guest panicked");
  }
  if (shutdown?.guest === true) {
    return shutdown.reason === "guest-shutdown"
      ? end("stopped", "the guest powered itself off")
      : end("stopped", `the guest ended itself (${shutdown.reason})`);
  }
  if (shutdown !== undefined) return end("failed", `QEMU was ended (${shutdown.reason})`);
  const text = detail === "" ? "its QEMU process has ended" : detail;
  return { state: "failed", detail: text.slice(0, DETAIL_LENGTH_MAX) };
}
