import type { Dialogue } from "./dialogue.ts";
import { capabilityDialogues } from "./dialogues/capabilities.ts";
import { parameterDialogues } from "./dialogues/parameters.ts";

/** Every dialogue, in the order they are played. */
export const dialogues: readonly Dialogue[] = [...capabilityDialogues, ...parameterDialogues];
