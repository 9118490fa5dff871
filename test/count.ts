import type { Reporter, TestCase, TestModule } from "vitest/node";

/**
 * Ends a run's output with one plain line, `N passed, N failed, N skipped`, for whoever reads a log
 * by machine; before it, a line for each test that passed only when it was tried again. Errors
 * outside a test (a file that cannot be loaded, an unhandled rejection) count as failed.
 */
export class Count implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const count = (state: string) => tests.filter((test) => test.result().state === state).length;
    const unloaded = modules.filter((module) => module.errors().length > 0).length;
    const failed = count("failed") + unloaded + unhandled.length;
    for (const test of tests.filter(triedAgain)) {
      console.log(`passed when tried again: ${test.module.relativeModuleId} > ${test.fullName}`);
    }
    console.log(`${count("passed")} passed, ${failed} failed, ${count("skipped")} skipped`);
  }
}

function triedAgain(test: TestCase): boolean {
  return test.diagnostic()?.flaky === true;
}
