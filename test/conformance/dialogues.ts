import type { Dialogue } from "./dialogue.ts";
import { capabilityDialogues } from "./dialogues/capabilities.ts";
import { failureDialogues } from "./dialogues/failure.ts";
import { parameterDialogues } from "./dialogues/parameters.ts";
import { successDialogues } from "./dialogues/success.ts";

/** Every dialogue, in the order they are played. */
export const dialogues: readonly Dialogue[] = [
  ...capabilityDialogues,
  ...parameterDialogues,
  ...successDialogues,
  ...failureDialogues,
];
