import type { Generation } from "./generation.ts";
import type { Stage } from "./stage.ts";

/**
 * A sequence of QMP commands to one or two QEMUs, with the expected result of each step. The title
 * is a claim about QEMU; the name selects it on the command line and in the list of known
 * differences.
 */
export type Dialogue = {
  name: string;
  claim: string;
  /** Generations it applies to; default all. */
  versions?: readonly Generation[];
  /** Only for dialogues between versions: the pairs it applies to; default all. */
  between?: (source: Generation, target: Generation) => boolean;
  /**
   * What the host must support; skipped where it does not. Postcopy on a target needs userfaultfd.
   */
  needs?: "userfaultfd";
  play: (stage: Stage) => Promise<void>;
};
