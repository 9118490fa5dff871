/** Which addresses webhooks may be delivered to. */
export const receiverKinds = ["public", "private", "loopback"] as const;
export type Receivers = (typeof receiverKinds)[number];
