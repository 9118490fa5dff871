/**
 * Steps that are known to differ from what the dialogue expects, and why that is accepted. A step listed here that is
 * as expected after all fails too: the list never holds more than it must.
 */
export type KnownDifference = {
  dialogue: string;
  step: string;
  /** Which QEMUs differ: `qemu` or `model`, or the beginning of a subject's name such as `model 7.2`. */
  subject: string;
  reason: string;
};

export const knownDifferences: readonly KnownDifference[] = [];
