import { RetryableError } from "../../../core/errors.ts";
import type { Interceptor, WorkflowStage } from "./stage.ts";

type Fault = (stage: WorkflowStage, state: string) => Interceptor;

/** What befalls the function of one state, the first time that it is called. */
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
} as const satisfies Record<string, Fault>;

function once(
  strike: (call: () => Promise<unknown>, stage: WorkflowStage) => Promise<unknown>,
): Fault {
  return (stage, struck) => {
    let isStruck = false;
    return (state, call) => {
      if (isStruck || state !== struck) return call();
      isStruck = true;
      return strike(call, stage);
    };
  };
}
