/** Loaded before anything else into each process of a campaign's installation. */
import { flushCompileCache, registerHooks } from "node:module";
import { installClock } from "./clock.ts";
import { installDisk } from "./disk.ts";
import { readInside } from "./inside.ts";
import { partOf, readSwitch } from "./switches.ts";

const WARM_MS = 1_000;
const { switches, rate, sinceMs } = readInside();
const part = partOf(process.argv);

// A process that is killed writes no compile cache, so it is written early.
setTimeout(flushCompileCache, WARM_MS).unref();
installClock({
  rate,
  sinceMs,
  ...(part === "other" ? {} : { offMs: () => Number(readSwitch(switches, `clock.${part}`) ?? 0) }),
});
if (part === "cloud") registerHooks({ resolve });
else if (part !== "other") {
  installDisk(() => readSwitch(switches, `disk-full.${part}`) !== undefined);
}

type Resolve = NonNullable<Parameters<typeof registerHooks>[0]["resolve"]>;

/** Two modules of the local cloud are replaced by doubles that can fail on demand. */
function resolve(...[specifier, context, next]: Parameters<Resolve>): ReturnType<Resolve> {
  const from = context.parentURL ?? "";
  if (specifier.endsWith("/lambda/registry.ts") && from.endsWith("/local/cloud.ts")) {
    return next(new URL("./functions.ts", import.meta.url).href, context);
  }
  if (specifier === "../aws/clock.ts" && from.endsWith("/emulators/asl/server.ts")) {
    return next(new URL("./leaping-clock.ts", import.meta.url).href, context);
  }
  return next(specifier, context);
}
