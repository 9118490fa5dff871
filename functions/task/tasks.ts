import type { EvacuationTask } from "../../core/evacuation/tasks.ts";
import type { MigrationTask, ScheduledTask, WindowTask } from "../../core/migration/tasks.ts";
import { handler as ackExpired } from "./ack-expired.ts";
import { handler as admit } from "./admit.ts";
import { handler as advanceEvacuation } from "./advance-evacuation.ts";
import { handler as awaitEvacuation } from "./await-evacuation.ts";
import { handler as awaitSignal } from "./await-signal.ts";
import { handler as complete } from "./complete.ts";
import { handler as continueEvacuation } from "./continue-evacuation.ts";
import { handler as deliverWebhooks } from "./deliver-webhooks.ts";
import { handler as endMigration } from "./end-migration.ts";
import { handler as negotiate } from "./negotiate.ts";
import { handler as openWindow } from "./open-window.ts";
import { handler as reconcile } from "./reconcile.ts";
import { handler as relay } from "./relay.ts";
import { handler as sweep } from "./sweep.ts";

type Handler = (event: unknown) => Promise<unknown>;

/** The handlers of the migration workflow's functions, for local mode and tests. */
export const taskHandlers: Readonly<Record<MigrationTask, Handler>> = {
  admit,
  relay,
  negotiate,
  "await-signal": awaitSignal,
  "ack-expired": ackExpired,
  complete,
  reconcile,
  "end-migration": endMigration,
};

/** The handlers of the evacuation workflow's functions. */
export const evacuationHandlers: Readonly<Record<EvacuationTask, Handler>> = {
  "advance-evacuation": advanceEvacuation,
  "await-evacuation": awaitEvacuation,
  "continue-evacuation": continueEvacuation,
};

/** The handlers of the functions that the starts of windows call. */
export const windowHandlers: Readonly<Record<WindowTask, Handler>> = { "open-window": openWindow };

/** The handlers of the functions that a schedule calls. */
export const scheduledHandlers: Readonly<Record<ScheduledTask, Handler>> = {
  sweep,
  "deliver-webhooks": deliverWebhooks,
};
