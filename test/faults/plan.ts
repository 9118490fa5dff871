import type * as z from "zod";
import type { MigrationPolicy } from "../../core/negotiate/policy.ts";
import { createRandom, type Random } from "../../emulators/qemu/random.ts";

const MIB = 2 ** 20;
/** Within the time for which packets are dropped. */
const SOON_SILENT = { convergence: { stall: { silenceMs: 5_000 } } };
/** Of the local Lambda. */
const FUNCTION_TIMEOUT_MS = 30_000;

/**
 * Moments of a migration that a strike can be aimed at, in their order. Each is recognised by a
 * message between the parts, which is held back until the strike is done: so even phases that last
 * for milliseconds are hit.
 */
export const moments = {
  /** The migration was requested. */
  asked: "admit",
  /** `source.probe` is on its way to the source. */
  probe: "probe",
  /** `target.prepare` is on its way to the target. */
  preparing: "prepare",
  /** The target reports that it listens. */
  prepared: "prepare",
  /** `source.start` is on its way to the source. */
  starting: "precopy",
  /** QEMU migrates. */
  started: "precopy",
  /** The ACK goes from target to source. */
  acked: "await-ack",
  /** Gated: converged and held. */
  held: "await-ack",
  /** Gated: the guest has stopped, the rest is sent slowly. */
  stopped: "switchover",
  /** The target has the whole guest; its last message to the source is held. */
  loaded: "switchover",
  /** The source completes, and the handover link stalls. */
  handing: "confirm",
  /** The guest runs on the target; the event has not left its host. */
  running: "confirm",
} as const;
export type Moment = keyof typeof moments;

export const victims: Victim[] = [
  "source-agent",
  "target-agent",
  "source-qemu",
  "target-qemu",
  "coordinator",
];
export type Victim =
  | "source-agent"
  | "target-agent"
  | "source-qemu"
  | "target-qemu"
  | "coordinator";

export type Fault =
  | { kind: "kill"; victim: Victim; restartAfterMs: number }
  | { kind: "freeze"; victim: Victim; forMs: number }
  | { kind: "cut"; link: Link }
  | { kind: "stall"; link: Link; forMs: number }
  | { kind: "slow"; link: Link; bytesPerSecond: number; forMs: number }
  /** Packets over an MTU are dropped, on both links. */
  | { kind: "drop-large"; forMs: number }
  | { kind: "lose-last-message" }
  | { kind: "api-unavailable"; how: "503" | "reset"; forMs: number }
  | { kind: "lose-answers"; forMs: number }
  | { kind: "duplicate-commands" }
  | { kind: "delay-commands"; forMs: number }
  | { kind: "duplicate-events" }
  | { kind: "delay-events"; forMs: number }
  | { kind: "reorder-commands" }
  | { kind: "reorder-events" }
  /** Each call of an agent takes longer. */
  | { kind: "slow-cloud"; eachMs: number; forMs: number }
  | { kind: "disk-full"; victim: AgentVictim; forMs: number }
  /** The wall clock of one process is off for a while. */
  | { kind: "clock-jump"; victim: AgentVictim | "coordinator"; byMs: number; forMs: number }
  /** The next calls of the workflow's functions. */
  | { kind: "fail-function"; how: "before" | "after" | "slow"; times: number; forMs: number }
  /** Whatever the workflow waits for has taken too long: its task tokens are void. */
  | { kind: "expire-waits"; leapMs: number }
  | { kind: "cancel" }
  /** An operator stops the guest over a monitor of their own, and lets it run again. */
  | { kind: "operator-stop"; forMs: number }
  /** The guest does this by itself, on whichever side it runs. */
  | { kind: "guest-act"; action: GuestActs }
  /** Writes to the data disk fail on one side; then an operator lets the guest run on. */
  | { kind: "io-error"; victim: QemuVictim; forMs: number }
  /** Another process holds a lock on the guest's disk: QEMU refuses to run the guest anew. */
  | { kind: "image-lock"; forMs: number }
  /** The same until the migration has ended, whatever is tried. */
  | { kind: "refuse-run" }
  /** Somebody connects to a port of the target and sends nothing. */
  | { kind: "stranger"; port: Link; forMs: number }
  /** Agent and QEMU of a host are gone at once, and the host has booted again. */
  | {
      kind: "crash";
      victim: HostVictim;
      left: "all" | "before" | "nothing";
      restartAfterMs: number;
    }
  /** A second agent with the same key, which knows nothing. */
  | { kind: "clone"; victim: AgentVictim; forMs: number }
  /** StopExecution; an operator asks for `reconcile` later. */
  | { kind: "lose-execution"; reconcileAfterMs: number };
export type FaultKind = Fault["kind"];
export type AgentVictim = "source-agent" | "target-agent";
export type QemuVictim = "source-qemu" | "target-qemu";
export type HostVictim = "source-host" | "target-host";
export type GuestActs = "power-off" | "reset" | "panic" | "sleep";
export type Link = "stream" | "handover";

export type Strike = { at: Moment; afterMs: number; fault: Fault };

export type Plan = {
  policy: z.input<typeof MigrationPolicy>;
  gated: boolean;
  /** Gated: the switchover is permitted this long after the source reported that it holds. */
  permitAfterMs: number;
  strikes: Strike[];
};

export const faultKinds: FaultKind[] = [
  ...(["kill", "freeze", "cut", "stall", "slow", "lose-last-message", "api-unavailable"] as const),
  ...(["drop-large", "lose-answers", "duplicate-commands", "delay-commands"] as const),
  ...(["duplicate-events", "delay-events", "reorder-commands", "reorder-events"] as const),
  ...(["slow-cloud", "disk-full", "clock-jump", "fail-function", "expire-waits"] as const),
  ...(["cancel", "operator-stop", "guest-act", "io-error", "image-lock"] as const),
  ...(["refuse-run", "stranger", "crash", "clone", "lose-execution"] as const),
];

/** The relative frequency of each. */
const weights: Record<FaultKind, number> = {
  kill: 10,
  freeze: 5,
  cut: 3,
  stall: 2,
  slow: 1,
  "drop-large": 2,
  "lose-last-message": 2,
  "api-unavailable": 2,
  "lose-answers": 2,
  "duplicate-commands": 1,
  "delay-commands": 1,
  "duplicate-events": 1,
  "delay-events": 1,
  "reorder-commands": 1,
  "reorder-events": 1,
  "slow-cloud": 2,
  "disk-full": 3,
  "clock-jump": 3,
  "fail-function": 4,
  "expire-waits": 3,
  cancel: 3,
  "operator-stop": 4,
  "guest-act": 5,
  "io-error": 4,
  "image-lock": 3,
  "refuse-run": 1,
  stranger: 4,
  crash: 4,
  clone: 2,
  "lose-execution": 2,
};

/** The same seed and run always give the same plan, whatever other runs there are. */
export function drawPlan(seed: number, run: number, only?: FaultKind): Plan {
  const random = createRandom(Math.imul(seed, 0x9e3779b1) ^ Math.imul(run, 0x85ebca6b));
  const gated = random.chance(0.4);
  const count = random.chance(0.3) ? 2 : 1;
  const strikes = Array.from({ length: count }, (_, index) =>
    drawStrike(random, gated, index === 0 ? only : undefined),
  );
  const capabilities = {
    ...(random.chance(0.2) ? { multifd: "require" as const } : {}),
    ...(random.chance(0.25) ? { "pause-before-switchover": "require" as const } : {}),
  };
  const tls = random.chance(0.3) ? "psk" : "off";
  const isDropped = strikes.some(({ fault }) => fault.kind === "drop-large");
  return {
    gated,
    permitAfterMs: between(random, 0, 400),
    policy: { ...policyOf(gated, capabilities), ...(isDropped ? SOON_SILENT : {}), tls },
    strikes,
  };
}

export function policyOf(
  gated: boolean,
  capabilities: Record<string, "require"> = {},
): Plan["policy"] {
  return {
    capabilities,
    // A second or two of precopy. What is left after the first pass fits the limit, not before.
    parameters: { "max-bandwidth": 2 * MIB },
    switchoverBandwidthBytesPerSecond: 2 * MIB,
    downtimeLimitMs: 3_000,
    ...(gated ? { switchover: { mode: "gated" } } : {}),
  };
}

function drawStrike(random: Random, gated: boolean, only: FaultKind | undefined): Strike {
  const kind = only ?? weighted(random);
  const possible = (Object.keys(moments) as Moment[]).filter(
    (moment) => gated || (moment !== "held" && moment !== "stopped"),
  );
  const fault = drawFault(random, kind);
  const there = possible.slice(possible.indexOf(firstMoment(fault)));
  const at = kind === "lose-last-message" ? "asked" : pick(random, there);
  // Most strike at once; some a little later, which may be in the next phase.
  const afterMs =
    kind === "lose-last-message" || random.chance(0.6) ? 0 : between(random, 1, 1_000);
  return { at, afterMs, fault };
}

/** The first moment at which the victim exists. */
function firstMoment(fault: Fault): Moment {
  if (fault.kind === "stranger") return "prepared";
  // It lasts for seconds, and matters from the switchover on.
  if (fault.kind === "image-lock") return "starting";
  if ("victim" in fault) return fault.victim === "target-qemu" ? "prepared" : "asked";
  return "link" in fault || fault.kind === "drop-large" ? "starting" : "asked";
}

function drawFault(random: Random, kind: FaultKind): Fault {
  const link = (): Link => (random.chance(0.6) ? "stream" : "handover");
  const victim = () => pick(random, victims as Victim[]);
  const agent = () => pick(random, ["source-agent", "target-agent"] as const);
  const forMs = between(random, 100, 3_000);
  switch (kind) {
    case "kill":
      return { kind, victim: victim(), restartAfterMs: between(random, 0, 2_000) };
    case "freeze": {
      const frozen = victim();
      // QEMU: longer than the agents' own watches, too.
      const longMs = frozen.endsWith("qemu") ? between(random, 100, 12_000) : forMs;
      return { kind, victim: frozen, forMs: longMs };
    }
    case "cut":
      return { kind, link: link() };
    case "stall":
      return { kind, link: link(), forMs };
    case "drop-large":
      return { kind, forMs: between(random, 1_000, 15_000) };
    case "slow":
      return { kind, link: link(), bytesPerSecond: between(random, 20_000, 500_000), forMs };
    case "api-unavailable":
      return { kind, how: random.chance(0.5) ? "503" : "reset", forMs };
    case "lose-answers":
    case "delay-commands":
    case "delay-events":
      return { kind, forMs };
    case "slow-cloud":
      return { kind, eachMs: between(random, 50, 800), forMs };
    case "disk-full":
      return { kind, victim: agent(), forMs };
    case "clock-jump": {
      const byMs = between(random, 10_000, 900_000) * (random.chance(0.5) ? 1 : -1);
      const where = pick(random, ["source-agent", "target-agent", "coordinator"] as const);
      return { kind, victim: where, byMs, forMs };
    }
    case "fail-function": {
      const how = pick(random, ["before", "after", "slow"] as const);
      // The longer delay exceeds the function's timeout.
      const late = how === "slow" && random.chance(0.25) ? FUNCTION_TIMEOUT_MS + 1_000 : forMs;
      return { kind, how, times: between(random, 1, 3), forMs: late };
    }
    case "expire-waits":
      // More than a heartbeat; than a command's deadline; than any state's.
      return { kind, leapMs: pick(random, [70_000, 300_000, 4 * 3_600_000]) };
    case "duplicate-commands":
    case "duplicate-events":
    case "reorder-commands":
    case "reorder-events":
    case "lose-last-message":
    case "cancel":
    case "refuse-run":
      return { kind };
    default:
      return drawOutside(random, kind);
  }
}

type OutsideKind =
  | "operator-stop"
  | "guest-act"
  | "io-error"
  | "image-lock"
  | "stranger"
  | "crash"
  | "clone"
  | "lose-execution";

/** What guests, operators, strangers and hosts do, rather than messages and processes. */
function drawOutside(random: Random, kind: OutsideKind): Fault {
  const forMs = between(random, 500, 8_000);
  switch (kind) {
    case "operator-stop":
    case "image-lock":
      return { kind, forMs };
    case "guest-act":
      return { kind, action: pick(random, ["power-off", "reset", "panic", "sleep"] as const) };
    case "io-error":
      return { kind, victim: pick(random, ["source-qemu", "target-qemu"] as const), forMs };
    case "stranger":
      return { kind, port: random.chance(0.7) ? "stream" : "handover", forMs: forMs * 4 };
    case "crash": {
      const victim = pick(random, ["source-host", "target-host"] as const);
      const left = pick(random, ["all", "before", "nothing"] as const);
      return { kind, victim, left, restartAfterMs: between(random, 0, 2_000) };
    }
    case "clone":
      return { kind, victim: pick(random, ["source-agent", "target-agent"] as const), forMs };
    case "lose-execution":
      return { kind, reconcileAfterMs: forMs };
  }
}

function weighted(random: Random): FaultKind {
  const sum = faultKinds.reduce((total, kind) => total + weights[kind], 0);
  let left = random.next() * sum;
  for (const kind of faultKinds) {
    left -= weights[kind];
    if (left < 0) return kind;
  }
  return "kill";
}

function pick<T>(random: Random, items: readonly T[]): T {
  const item = items[Math.floor(random.next() * items.length)];
  if (item === undefined) throw new Error("Expected something to pick from");
  return item;
}

function between(random: Random, min: number, max: number): number {
  return Math.floor(min + random.next() * (max - min + 1));
}

/** One line, for a report. */
export function describeStrike({ at, afterMs, fault }: Strike): string {
  const { kind, ...rest } = fault;
  const details = Object.values(rest).join(" ");
  return `${kind}${details === "" ? "" : ` ${details}`} at ${at}+${afterMs}`;
}
