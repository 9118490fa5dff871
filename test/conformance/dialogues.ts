import type { Dialogue } from "./dialogue.ts";
import { ackDialogues } from "./dialogues/ack.ts";
import { actingDialogues } from "./dialogues/acting.ts";
import { actingMoveDialogues } from "./dialogues/acting-moves.ts";
import { capabilityDialogues } from "./dialogues/capabilities.ts";
import { commandDialogues } from "./dialogues/commands.ts";
import { crossDialogues } from "./dialogues/cross.ts";
import { diskDialogues } from "./dialogues/disk.ts";
import { failureDialogues } from "./dialogues/failure.ts";
import { handoverDialogues } from "./dialogues/handover.ts";
import { holdDialogues } from "./dialogues/hold.ts";
import { machineDialogues } from "./dialogues/machine.ts";
import { memberDialogues } from "./dialogues/members.ts";
import { mismatchDialogues } from "./dialogues/mismatch.ts";
import { parameterDialogues } from "./dialogues/parameters.ts";
import { postcopyDialogues } from "./dialogues/postcopy.ts";
import { strangerDialogues } from "./dialogues/stranger.ts";
import { successDialogues } from "./dialogues/success.ts";
import { tlsDialogues } from "./dialogues/tls.ts";

/** Every dialogue, in the order they are played. */
export const dialogues: readonly Dialogue[] = [
  ...machineDialogues,
  ...capabilityDialogues,
  ...parameterDialogues,
  ...commandDialogues,
  ...successDialogues,
  ...failureDialogues,
  ...handoverDialogues,
  ...ackDialogues,
  ...holdDialogues,
  ...mismatchDialogues,
  ...tlsDialogues,
  ...memberDialogues,
  ...postcopyDialogues,
  ...actingDialogues,
  ...actingMoveDialogues,
  ...diskDialogues,
  ...strangerDialogues,
];

/** Dialogues between two different versions. */
export const dialoguesBetweenVersions: readonly Dialogue[] = crossDialogues;
