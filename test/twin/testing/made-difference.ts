import type { Files, Trial } from "./bed.ts";

export type MadeDifference = {
  readonly title: string;
  readonly make: (files: Files) => Trial;
  /** Matches the name of a difference that must be among those found. */
  readonly found: RegExp;
};
