import type { Waker } from "./admit-waiting.ts";
import { raise } from "./raise-signal.ts";

/** Asks agent-events, which alone may complete task tokens. */
export const byInvocation: Waker = {
  admit: (migrationId, signal) => raise({ do: "raise", migrationId, signal }),
  refuse: (migrationId, detail) =>
    raise({ do: "interrupt", migrationId, reason: "failed", detail }),
  proceed: (evacuationId) => raise({ do: "continue-evacuation", evacuationId }),
};
