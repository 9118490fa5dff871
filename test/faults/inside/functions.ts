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

/** What befalls the next calls of functions. */
export type FunctionTrouble = {
  how: /** The call fails, and the function has done nothing. */
    | "before"
    /** The function has done its work, and the call fails. */
    | "after"
    /** The work begins late. */
    | "slow";
  /** Calls still to be struck. */
  times: number;
  forMs: number;
};

const { switches } = readInside();

/** Functions that fail when they are told to, as Lambda itself may. */
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

/** What Step Functions sees when the service fails, whatever the function did. */
function failure(): Error {
  return Object.assign(new Error("Struck by the fault campaign"), {
    name: "Lambda.ServiceException",
  });
}
