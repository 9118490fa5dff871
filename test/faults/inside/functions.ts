import { setTimeout as sleep } from "node:timers/promises";
import {
  type FunctionHandler,
  type FunctionRegistry,
  type RegistryOptions,
  functionRegistry as sound,
} from "../../../emulators/aws/lambda/registry.ts";
import { readInside } from "./inside.ts";
import { readSwitch, writeSwitch } from "./switches.ts";

export * from "../../../emulators/aws/lambda/registry.ts";

/** What happens to the next calls of functions. */
export type FunctionTrouble = {
  /**
   * `before`: the call fails, and the function is not run. `after`: the function is run, and the
   * call fails. `slow`: the function is run late.
   */
  how: "before" | "after" | "slow";
  /** Calls still to be struck. */
  times: number;
  forMs: number;
};

const { switches } = readInside();

/** Functions that fail on demand, as Lambda itself may. */
export function functionRegistry(options?: RegistryOptions): FunctionRegistry {
  const registry = sound(options);
  return {
    ...registry,
    register: (name, handler, rest) => registry.register(name, troubled(handler), rest),
  };
}

function troubled(handler: FunctionHandler): FunctionHandler {
  return async (event, context) => {
    const trouble = take();
    if (trouble?.how === "before") throw failure();
    if (trouble?.how === "slow") await sleep(trouble.forMs);
    const result = await handler(event, context);
    if (trouble?.how === "after") throw failure();
    return result;
  };
}

function take(): FunctionTrouble | undefined {
  const text = readSwitch(switches, "functions");
  if (text === undefined) return undefined;
  const trouble = JSON.parse(text) as FunctionTrouble;
  if (trouble.times <= 0) return undefined;
  writeSwitch(switches, "functions", JSON.stringify({ ...trouble, times: trouble.times - 1 }));
  return trouble;
}

/** The error that Step Functions gets when the service fails, whatever the function did. */
function failure(): Error {
  return Object.assign(new Error("Struck by the fault campaign"), {
    name: "Lambda.ServiceException",
  });
}
