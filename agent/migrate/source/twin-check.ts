import { compareReadings, describeDifferences } from "../../../core/twin/compare.ts";
import type { TwinCheck } from "../../../core/twin/comparison.ts";
import { haveSameFeatures, type Reading, withFeatureNames } from "../../../core/twin/reading.ts";
import { addStorage } from "../../../core/twin/storage-compare.ts";
import { CommandRefusedError } from "../../command/command-error.ts";
import type { Guest } from "../../guest/guest.ts";
import type { Twin } from "../../storage/twin.ts";
import type { Placeholders } from "../../twin/placeholders.ts";
import { readFeatures, readTwin } from "../../twin/read.ts";
import type { HandoverClient } from "../link/handover-client.ts";
import { proveStorage } from "./storage-check.ts";

/** The target's agent has read it before its QEMU listened. */
const TARGET_MS = 20_000;
/** Some hundred milliseconds, if nobody keeps the target's QEMU from answering. */
const NAMES_MS = 5_000;

/**
 * The twin check: reads the source's QEMU, gets the target's reading over the handover link, and
 * compares. The source's reading begins at once, so that it overlaps what comes before the link.
 */
export class SourceTwinCheck {
  readonly #guest: Guest;
  readonly #startedMs = performance.now();
  readonly #own: Promise<Twin>;

  constructor(guest: Guest, placeholders: Placeholders) {
    this.#guest = guest;
    this.#own = readTwin(guest, placeholders);
    // Awaited in `run`; the link may fail before.
    this.#own.catch(() => undefined);
  }

  /**
   * @param accepted names of differences that the policy accepts
   * @throws QmpError, CommandRefusedError when one of the sides cannot be read
   */
  async run(link: HandoverClient, accepted: readonly string[] = []): Promise<TwinCheck> {
    const [{ reading: own, files }, target] = await Promise.all([
      this.#own,
      link.read("machine", TARGET_MS),
    ]);
    const readings = haveSameFeatures(own, target)
      ? ([own, target] as const)
      : await this.#nameFeatures(link, own, target);
    const machines = compareReadings(...readings, accepted);
    const { findings, sides } = await proveStorage(link, files, target.storage);
    const comparison = addStorage(machines, { source: own, target }, findings, sides, accepted);
    const checkMs = Math.round((performance.now() - this.#startedMs) * 10) / 10;
    return { ...comparison, checkMs };
  }

  /**
   * The names take hundreds of calls: they are read only for a difference. Without them the difference
   * has the CPUID registers.
   */
  async #nameFeatures(link: HandoverClient, own: Reading, target: Reading) {
    const names = await Promise.all([
      readFeatures(this.#guest.qmp),
      link.read("features", NAMES_MS),
    ]).catch(() => undefined);
    if (names === undefined || haveSameFeatures(...names)) return [own, target] as const;
    return [withFeatureNames(own, names[0]), withFeatureNames(target, names[1])] as const;
  }
}

/** @throws CommandRefusedError `differs` with the first difference, both values and the cure */
export function refuseIfDifferent(check: TwinCheck): void {
  if (check.differencesTotal === 0) return;
  throw new CommandRefusedError("differs", describeDifferences(check));
}
