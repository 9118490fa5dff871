/** What a guest does by itself. `io-error`: its disk fails, and it writes. */
export type GuestAction = "sleep" | "power-off" | "panic" | "reset" | "io-error";

export const guestActions: readonly GuestAction[] = [
  "sleep",
  "power-off",
  "panic",
  "reset",
  "io-error",
];
