import { madeAtSource } from "./made-at-source.ts";
import type { MadeDifference } from "./made-difference.ts";
import { madeInDefinition } from "./made-in-definition.ts";

export const differences: readonly MadeDifference[] = [...madeAtSource, ...madeInDefinition];
