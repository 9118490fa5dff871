import { RetryableError } from "../../../core/errors.ts";
import type { Interceptor, WorkflowStage } from "./stage.ts";

/** More than a state that may be given up has; those that may not go on for a day. */
const TRIES = 9;

type Fault = (stage: WorkflowStage, state: string) => Interceptor;

/** What befalls the function of one state, mostly the first time that it is called. */
export const faults = {
  "fails before its effect": once(async () => {
    throw new RetryableError("struck before");
  }),
  "fails after its effect": once(async (call) => {
    await call();
    throw new RetryableError("struck after");
  }),
  "hangs before its effect": once((_, stage) => stage.hang()),
  "hangs after its effect": once(async (call, stage) => {
    await call();
    return stage.hang();
  }),
  "is called twice": once(async (call) => {
    await call();
    return call();
  }),
  "is called twice at once": once(async (call) => {
    const [answer] = await Promise.all([call(), call()]);
    return answer;
  }),
  "fails until its tries are used up": (stage, struck) => {
    let left = TRIES;
    return (state, call) => {
      if (state !== struck || left === 0) return call();
      left -= 1;
      stage.struck += 1;
      return Promise.reject(new RetryableError("struck for good"));
    };
  },
} as const satisfies Record<string, Fault>;
export type FaultName = keyof typeof faults;

/** Each fault with each state. */
export function faultsOf(states: readonly string[]): [string, FaultName][] {
  const names = Object.keys(faults) as FaultName[];
  return states.flatMap((state) => names.map((name): [string, FaultName] => [state, name]));
}

function once(
  strike: (call: () => Promise<unknown>, stage: WorkflowStage) => Promise<unknown>,
): Fault {
  return (stage, struck) => {
    let isStruck = false;
    return (state, call) => {
      if (isStruck || state !== struck) return call();
      isStruck = true;
      stage.struck += 1;
      return strike(call, stage);
    };
  };
}
