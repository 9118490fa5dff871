import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SFNClient, StopExecutionCommand } from "@aws-sdk/client-sfn";
import { ApiError } from "../../client/api-error.ts";
import { crashHost } from "../../rig/host-crash.ts";
import { awsClient } from "./aws-client.ts";
import type { Fault, HostVictim, QemuVictim } from "./plan.ts";
import type { Site } from "./site.ts";

type OutsideFault = Extract<
  Fault,
  {
    kind:
      | "operator-stop"
      | "guest-act"
      | "io-error"
      | "image-lock"
      | "refuse-run"
      | "stranger"
      | "crash"
      | "clone"
      | "lose-execution";
  }
>;

/** Faults by the guest, an operator, a stranger, a host, and a second agent. */
export async function strikeOutside(fault: OutsideFault, site: Site): Promise<void> {
  const { bed } = site;
  switch (fault.kind) {
    case "operator-stop":
      await bed.guest.stop(site.source);
      await sleep(fault.forMs);
      return bed.guest.runOn(site.source);
    case "guest-act": {
      const host = (await bed.guest.isRunning(site.source)) ? site.source : site.target;
      return bed.guest.act(host, fault.action);
    }
    case "io-error": {
      const host = hostOf(site, fault.victim);
      const mend = await bed.guest.failWrites(host);
      await sleep(fault.forMs);
      return mend();
    }
    case "image-lock":
      return holdImage(site, sleep(fault.forMs));
    case "refuse-run":
      return holdImage(site, site.ended);
    case "stranger":
      return visit(site, fault);
    case "crash":
      return crash(site, fault);
    case "clone":
      return clone(site, hostOf(site, fault.victim), fault.forMs);
    case "lose-execution":
      return loseExecution(site, fault.reconcileAfterMs);
  }
}

async function holdImage(site: Site, until: Promise<unknown>): Promise<void> {
  const { bed, source, target } = site;
  const release = await bed.guest.lockImage([source, target]);
  try {
    await until;
  } finally {
    await release();
  }
}

async function visit(
  { ports, log, ended }: Site,
  { port: link, forMs }: Extract<Fault, { kind: "stranger" }>,
): Promise<void> {
  const port = ports[link];
  if (port === undefined) return log(`there is no ${link} port`);
  const socket = connect({ host: "127.0.0.1", port });
  socket.on("error", () => socket.destroy());
  await new Promise<void>((resolve) => socket.once("connect", resolve).once("close", resolve));
  log(`a stranger is connected to port ${port}`);
  await Promise.race([sleep(forMs), ended]);
  socket.destroy();
}

async function crash(site: Site, fault: Extract<Fault, { kind: "crash" }>): Promise<void> {
  const { bed } = site;
  const host = hostOf(site, fault.victim);
  const left = leftOf(site, fault);
  await crashHost(bed.fleet, host, left);
  await sleep(fault.restartAfterMs);
  if (left === "nothing") {
    // Its key is gone, too: an operator lets it join again.
    const path = `/v1/hosts/${host}/join-token`;
    const { token } = await bed.api<{ token: string }>("POST", path, {});
    bed.fleet.putJoinToken(host, token);
  }
  bed.fleet.startAgent(host);
}

function leftOf(site: Site, { left, victim }: Extract<Fault, { kind: "crash" }>) {
  return left === "before" ? (site.before[hostOf(site, victim)] ?? "nothing") : left;
}

/** The host's own agent is started again afterwards, as by a supervisor, if it has been refused. */
async function clone(site: Site, host: string, forMs: number): Promise<void> {
  const { fleet } = site.bed;
  const folder = join(fleet.folder, `${host}-${randomBytes(2).toString("hex")}`);
  fleet.copyIdentity(host, folder);
  const second = fleet.spawnAgent(folder);
  await sleep(forMs);
  second.kill("SIGKILL");
  await second.exited;
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  await site.bed.killAgent(host, 0);
}

async function loseExecution(site: Site, reconcileAfterMs: number): Promise<void> {
  const { bed, log } = site;
  const executionArn = await site.executionArn();
  const sfn = new SFNClient(awsClient(bed.fleet.environment, "AWS_ENDPOINT_URL_SFN"));
  try {
    await sfn.send(new StopExecutionCommand({ executionArn }));
  } catch (error) {
    log(`StopExecution: ${error}`);
  } finally {
    sfn.destroy();
  }
  await sleep(reconcileAfterMs);
  try {
    await bed.api("POST", `/v1/vms/${bed.vm}/reconcile`);
    log("reconcile: accepted");
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    log(`reconcile: ${error.message}`);
  }
}

function hostOf({ source, target }: Site, victim: QemuVictim | HostVictim | string): string {
  return victim.startsWith("source") ? source : target;
}
