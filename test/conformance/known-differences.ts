/**
 * Steps that are known to differ from what the dialogue expects, and why that is accepted. A listed
 * step that is as expected fails too, so that the list never holds more than it must.
 */
export type KnownDifference = {
  dialogue: string;
  step: string;
  /** Beginning of the subject's name: `model`, `model 7.2`, `qemu 10.0.13 to qemu 11.1`. */
  subject: string;
  reason: string;
};

export const knownDifferences: readonly KnownDifference[] = [
  {
    dialogue: "cross/virtio",
    step: "end",
    subject: "qemu 10.0.13 to qemu 11.1",
    reason:
      "10.0.13 saves a queue that no driver has set up with 1024 entries, which 11.1.3 refuses to load; 10.0.2 does not",
  },
];
