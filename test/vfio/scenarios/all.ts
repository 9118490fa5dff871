import type { Scenario } from "../scenario.ts";
import { largeInitial, missingResource, stopCopy, twoDevices } from "./devices.ts";
import { cancelInGate, restartInGate, targetSilent } from "./gate.ts";
import { init2s, init4s, stock } from "./initial-load.ts";
import {
  deadlineCancel,
  deadlineHold,
  deadlineProceed,
  downtimeBudget,
  proceedOverBudget,
} from "./policy.ts";

/**
 * In the order they run. The first migration after boot is slow, so a timed one is not the first.
 */
export const scenarios: readonly Scenario[] = [
  stock,
  init2s,
  init4s,
  twoDevices,
  largeInitial,
  stopCopy,
  missingResource,
  cancelInGate,
  restartInGate,
  targetSilent,
  deadlineCancel,
  deadlineHold,
  deadlineProceed,
  downtimeBudget,
  proceedOverBudget,
];
