import { RetryableError } from "../../../core/errors.ts";
import type { Interceptor, WorkflowHarness } from "./harness.ts";

/** More attempts than a state has that may be given up; the others are retried for a day. */
const FAILURES = 9;

/** What a fault needs of a harness. */
type Faulty = Pick<WorkflowHarness, "faultsInjected" | "hang">;
type Fault = (harness: Faulty, state: string) => Interceptor;

/** Faults of the function of one state, most of them at its first call only. */
export const faults = {
  "fails before its effect": once(async () => {
    throw new RetryableError("injected before");
  }),
  "fails after its effect": once(async (call) => {
    await call();
    throw new RetryableError("injected after");
  }),
  "hangs before its effect": once((_, harness) => harness.hang()),
  "hangs after its effect": once(async (call, harness) => {
    await call();
    return harness.hang();
  }),
  "is called twice": once(async (call) => {
    await call();
    return call();
  }),
  "is called twice at once": once(async (call) => {
    const [answer] = await Promise.all([call(), call()]);
    return answer;
  }),
  "fails until its retries are exhausted": (harness, faulty) => {
    let left = FAILURES;
    return (state, call) => {
      if (state !== faulty || left === 0) return call();
      left -= 1;
      harness.faultsInjected += 1;
      return Promise.reject(new RetryableError("injected every time"));
    };
  },
} as const satisfies Record<string, Fault>;
export type FaultName = keyof typeof faults;

/** Every pair of a state and a fault. */
export function faultsOf(states: readonly string[]): [string, FaultName][] {
  const names = Object.keys(faults) as FaultName[];
  return states.flatMap((state) => names.map((name): [string, FaultName] => [state, name]));
}

function once(inject: (call: () => Promise<unknown>, harness: Faulty) => Promise<unknown>): Fault {
  return (harness, faulty) => {
    let isInjected = false;
    return (state, call) => {
      if (isInjected || state !== faulty) return call();
      isInjected = true;
      harness.faultsInjected += 1;
      return inject(call, harness);
    };
  };
}
