import { setTimeout as sleep } from "node:timers/promises";
import { sendSignal, startTicks } from "../../agent/runtime/process.ts";
import type { FunctionTrouble } from "./inside/functions.ts";
import { strikeOutside } from "./outside.ts";
import type { Fault, Victim } from "./plan.ts";
import type { Site } from "./site.ts";

/** Applies the fault at once; resolves when a fault that lasts for a time is over. */
export async function applyFault(fault: Fault, site: Site): Promise<void> {
  const { weather } = site.bed.proxy;
  switch (fault.kind) {
    case "kill":
      return kill(site, fault.victim, fault.restartAfterMs);
    case "freeze":
      return freeze(site, fault.victim, fault.forMs);
    case "cut":
      return site.relay(fault.link)?.cut();
    case "stall":
      site.relay(fault.link)?.stall(true);
      await sleep(fault.forMs);
      return site.relay(fault.link)?.stall(false);
    case "slow":
      site.relay(fault.link)?.slow(fault.bytesPerSecond);
      await sleep(fault.forMs);
      return site.relay(fault.link)?.slow(Number.POSITIVE_INFINITY);
    case "drop-large":
      return dropLarge(site, fault.forMs);
    case "lose-last-message":
      return; // The relay drops it: see Run#onShut.
    case "api-unavailable":
      weather.refuse = fault.how;
      await sleep(fault.forMs);
      weather.refuse = undefined;
      return;
    case "lose-answers":
      weather.loseAnswers = true;
      await sleep(fault.forMs);
      weather.loseAnswers = false;
      return;
    case "slow-cloud":
      weather.slowMs = fault.eachMs;
      await sleep(fault.forMs);
      weather.slowMs = 0;
      return;
    case "duplicate-commands":
      weather.duplicateCommands = true;
      return;
    case "delay-commands":
      weather.delayCommandsMs = fault.forMs;
      return;
    case "reorder-commands":
      weather.reorderCommands = true;
      return;
    case "duplicate-events":
      weather.duplicateEvents = true;
      return;
    case "delay-events":
      weather.delayEventsMs = fault.forMs;
      return;
    case "reorder-events":
      weather.reorderEvents = true;
      return;
    case "cancel":
      // Not awaited: this may run inside a call that the cloud waits for.
      return site.cancel();
    case "disk-full":
    case "clock-jump":
    case "fail-function":
    case "expire-waits":
      return strikeInside(fault, site);
    default:
      return strikeOutside(fault, site);
  }
}

async function dropLarge(site: Site, forMs: number): Promise<void> {
  const relays = (["stream", "handover"] as const).flatMap((link) => site.relay(link) ?? []);
  for (const relay of relays) relay.dropLarge(true);
  await sleep(forMs);
  for (const relay of relays) relay.dropLarge(false);
}

/** Faults within a process: see inside/. */
async function strikeInside(
  fault: Extract<Fault, { kind: "disk-full" | "clock-jump" | "fail-function" | "expire-waits" }>,
  site: Site,
): Promise<void> {
  const { switches } = site.bed;
  switch (fault.kind) {
    case "disk-full": {
      const name = `disk-full.${partOf(site, fault.victim)}` as const;
      switches.set(name);
      await sleep(fault.forMs);
      return switches.clear(name);
    }
    case "clock-jump": {
      const name = `clock.${partOf(site, fault.victim)}` as const;
      switches.set(name, String(fault.byMs));
      await sleep(fault.forMs);
      return switches.clear(name);
    }
    case "fail-function": {
      const { how, times, forMs } = fault;
      const trouble: FunctionTrouble = { how, times, forMs };
      return switches.set("functions", JSON.stringify(trouble));
    }
    case "expire-waits":
      site.bed.leapMs += fault.leapMs;
      return switches.set("leap", String(site.bed.leapMs));
  }
}

async function kill(site: Site, victim: Victim, restartAfterMs: number): Promise<void> {
  if (victim === "coordinator") return site.bed.killCoordinator(restartAfterMs);
  if (victim.endsWith("agent")) return site.bed.killAgent(hostOf(site, victim), restartAfterMs);
  const qemu = findQemu(site, victim);
  if (qemu) sendSignal(qemu, "SIGKILL");
  else site.log(`there is no ${victim}`);
}

async function freeze(site: Site, victim: Victim, forMs: number): Promise<void> {
  const { fleet } = site.bed;
  const isQemu = victim.endsWith("qemu");
  const qemu = isQemu ? findQemu(site, victim) : undefined;
  const child = victim === "coordinator" ? fleet.cloud : fleet.agent(hostOf(site, victim));
  const send = (signal: NodeJS.Signals) => {
    if (qemu) sendSignal(qemu, signal);
    else if (!isQemu) child.kill(signal);
  };
  send("SIGSTOP");
  await sleep(forMs);
  send("SIGCONT");
}

function findQemu(site: Site, victim: Victim): { pid: number; startTicks: string } | undefined {
  const pid = site.bed.fleet.guestPid(hostOf(site, victim), site.bed.vm);
  const ticks = pid === undefined ? undefined : startTicks(pid);
  return pid === undefined || ticks === undefined ? undefined : { pid, startTicks: ticks };
}

function hostOf({ source, target }: Site, victim: Victim): string {
  return victim.startsWith("source") ? source : target;
}

function partOf(site: Site, victim: Victim): string {
  return victim === "coordinator" ? "cloud" : hostOf(site, victim);
}
