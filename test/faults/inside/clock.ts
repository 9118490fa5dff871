import { syncBuiltinESMExports } from "node:module";
import timers from "node:timers";
import promises from "node:timers/promises";
import { promisify } from "node:util";

export type FastClock = {
  rate: number;
  /** When it agreed with the machine's clock, ms since the epoch. */
  sinceMs: number;
  /** The error of the wall clock, ms. */
  offMs?: () => number;
};

/**
 * Makes time run faster in this process. All processes with the same settings agree on the time.
 * Timers are never early. Node's internal timers (its HTTP server's timeouts) keep the machine's
 * time.
 */
export function installClock({ rate, sinceMs, offMs = () => 0 }: FastClock): void {
  installWallClock(rate, sinceMs, offMs);
  if (rate !== 1) {
    installMonotonicClock(rate, sinceMs);
    installTimers(rate);
  }
  syncBuiltinESMExports();
}

function installWallClock(rate: number, sinceMs: number, offMs: () => number): void {
  const RealDate = globalThis.Date;
  const realNow = RealDate.now.bind(RealDate);
  const now = () => Math.floor(sinceMs + (realNow() - sinceMs) * rate + offMs());
  RealDate.now = now;
  const FastDate = new Proxy(RealDate, {
    construct: (target, args, newTarget) =>
      Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget) as Date,
    apply: () => new RealDate(now()).toString(),
  });
  RealDate.prototype.constructor = FastDate;
  globalThis.Date = FastDate;
}

function installMonotonicClock(rate: number, sinceMs: number): void {
  const { performance } = globalThis;
  const realNow = performance.now.bind(performance);
  const origin = sinceMs + (performance.timeOrigin - sinceMs) * rate;
  const now = () => realNow() * rate;
  Object.defineProperty(performance, "now", { value: now, configurable: true });
  Object.defineProperty(performance, "timeOrigin", { value: origin, configurable: true });
  const realBigint = process.hrtime.bigint.bind(process.hrtime);
  const bigint = () => BigInt(Math.round(Number(realBigint()) * rate));
  const hrtime = (since?: [number, number]): [number, number] => {
    const ns = bigint() - (since ? BigInt(since[0]) * 1_000_000_000n + BigInt(since[1]) : 0n);
    return [Number(ns / 1_000_000_000n), Number(ns % 1_000_000_000n)];
  };
  process.hrtime = Object.assign(hrtime, { bigint });
}

type Later = (run: (...args: unknown[]) => void, ms?: number, ...args: unknown[]) => NodeJS.Timeout;

function installTimers(rate: number): void {
  const scaled = (ms: number | undefined) => (ms === undefined ? ms : Math.ceil(ms / rate));
  const real = { ...promises };
  promises.setTimeout = (ms, value, options) => real.setTimeout(scaled(ms), value, options);
  promises.setInterval = (ms, value, options) => real.setInterval(scaled(ms), value, options);
  promises.scheduler.wait = async (ms, options) => {
    await promises.setTimeout(ms, undefined, options);
  };
  for (const name of ["setTimeout", "setInterval"] as const) {
    const later = timers[name] as unknown as Later;
    const fast: Later = (run, ms, ...args) => later(run, scaled(ms), ...args);
    Object.defineProperty(fast, promisify.custom, { value: promises[name] });
    Object.assign(timers, { [name]: fast });
    Object.assign(globalThis, { [name]: fast });
  }
  const realTimeout = AbortSignal.timeout.bind(AbortSignal);
  AbortSignal.timeout = (ms) => realTimeout(Math.ceil(ms / rate));
}
