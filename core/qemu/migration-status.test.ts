import { expect, it } from "vitest";
import {
  HELD_STATUS,
  isFinalStatus,
  isIdleStatus,
  isPostcopyStatus,
  isUnloadedStatus,
  SETUP_STATUS,
  UNTOUCHED_STATUS,
} from "./migration-status.ts";

const IDLE = { final: false, idle: true, unloaded: true, postcopy: false };
const UNDER_WAY = { final: false, idle: false, unloaded: false, postcopy: false };
const POSTCOPY = { final: false, idle: false, unloaded: false, postcopy: true };

/** Each value of QEMU 11.1's MigrationStatus. */
it.each([
  [UNTOUCHED_STATUS, IDLE],
  [SETUP_STATUS, UNDER_WAY],
  ["cancelling", UNDER_WAY],
  ["cancelled", { final: true, idle: true, unloaded: true, postcopy: false }],
  ["active", UNDER_WAY],
  ["postcopy-device", POSTCOPY],
  ["postcopy-active", POSTCOPY],
  ["postcopy-paused", POSTCOPY],
  ["postcopy-recover-setup", POSTCOPY],
  ["postcopy-recover", POSTCOPY],
  ["completed", { final: true, idle: true, unloaded: false, postcopy: false }],
  ["failing", UNDER_WAY],
  ["failed", { final: true, idle: true, unloaded: true, postcopy: false }],
  ["colo", UNDER_WAY],
  [HELD_STATUS, UNDER_WAY],
  ["device", UNDER_WAY],
  ["wait-unplug", UNDER_WAY],
  ["a status of a newer QEMU", UNDER_WAY],
])("%s: %j", (status, kind) => {
  expect({
    final: isFinalStatus(status),
    idle: isIdleStatus(status),
    unloaded: isUnloadedStatus(status),
    postcopy: isPostcopyStatus(status),
  }).toEqual(kind);
});
