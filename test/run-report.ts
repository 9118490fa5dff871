import type { Reporter, TestModule, TestSpecification, Vitest } from "vitest/node";
import { findQemu } from "../qmp/testing/real-qemu.ts";

/** How long all of `npm test` takes on a quiet machine with two cores, rounded up. */
const WHOLE_SUITE_MINUTES = 5;

/**
 * Prints at the start how many files run, how long all of them take, and whether they run without
 * QEMU. Ends the output with one plain line for machines: `N passed, N failed, N skipped`. Errors
 * outside a test (a file that cannot be loaded, an unhandled rejection) count as failed.
 */
export class RunReport implements Reporter {
  readonly #minutes: number;
  #vitest: Vitest | undefined;

  /** `minutes`: what all files of this configuration take. */
  constructor(minutes = WHOLE_SUITE_MINUTES) {
    this.#minutes = minutes;
  }

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
  }

  async onTestRunStart(specifications: readonly TestSpecification[]): Promise<void> {
    const count = specifications.length;
    const all = (await this.#vitest?.globTestSpecifications()) ?? [];
    const duration = count < all.length ? "" : `; about ${this.#minutes} minutes on two cores`;
    console.log(`${count} test ${count === 1 ? "file" : "files"}${duration}`);
    if (findQemu() === undefined) {
      console.log(
        "QEMU is not installed: tests run on its model, or are skipped where it will not do",
      );
    }
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const count = (state: string) => tests.filter((test) => test.result().state === state).length;
    const unloaded = modules.filter((module) => module.errors().length > 0).length;
    const failed = count("failed") + unloaded + unhandled.length;
    console.log(`${count("passed")} passed, ${failed} failed, ${count("skipped")} skipped`);
  }
}
