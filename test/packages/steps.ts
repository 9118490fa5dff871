import assert from "node:assert/strict";
import { ApiError } from "../../client/api-error.ts";
import { VmDefinition } from "../../core/vm.ts";
import { documented } from "./documented.ts";
import { FOLDER, HOST, type Machine, type UnitFacts } from "./machine.ts";

export type Step = {
  readonly name: string;
  run(context: StepContext): Promise<void>;
};

export type StepContext = {
  readonly machine: Machine;
  readonly versions: { readonly first: string; readonly second: string };
};

const VM = "web";
const NEIGHBOUR = "neighbour";
const SLICE = "switchyard-guests.slice";
/** It finds nothing to boot from, and runs its BIOS for ever. */
const definition = VmDefinition.parse({ machine: "pc", memoryBytes: 32 * 2 ** 20 });
const INSTALL = "docs/operate/install.md";
const UPGRADE = "docs/operate/upgrade.md";
const KEPT = /guests may run here/;

/** Each stands on those before it. */
export const steps: readonly Step[] = [
  {
    name: "installs, and starts nothing that has no configuration",
    run: async ({ machine }) => {
      await follow(machine, INSTALL, "### Install the package");
      const { ActiveState, UnitFileState } = await machine.agent();
      assert.deepEqual([ActiveState, UnitFileState], ["inactive", "disabled"]);
      const { exitCode, stdout } = await machine.attempt("switchyard-agent check");
      assert.equal(exitCode, 1);
      assert.match(stdout, /^wrong +config .*host: .*NAME-OF-THIS-HOST/);
      const verify = "systemd-analyze verify switchyard-agent.service switchyard-guests.slice";
      assert.equal(await machine.shell(verify), "");
      await machine.shell("systemd-analyze security --threshold=30 switchyard-agent.service");
    },
  },
  {
    name: "finds nothing wrong once it is configured",
    run: async ({ machine }) => {
      const { joinToken } = await machine.api.createHost({ id: HOST });
      await machine.write(`${FOLDER}/agent.env`, machine.agentEnvironment);
      await machine.write(`${FOLDER}/join-token`, joinToken.token);
      await follow(machine, INSTALL, "### Configure it");
      await configure(machine);
      const findings = await findingsInTime(machine);
      const levels = Object.fromEntries(findings.map(({ subject, level }) => [subject, level]));
      const good = { units: "ok", api: "ok", clock: "ok", key: "ok", runDir: "ok", programs: "ok" };
      assert.deepEqual({ ...levels, ...good }, levels);
    },
  },
  {
    name: "runs as a service",
    run: async ({ machine, versions }) => {
      await follow(machine, INSTALL, "### Check and start it");
      await machine.active(versions.first);
    },
  },
  {
    name: "starts a guest as a unit of its own, which has nothing of the agent's",
    run: async ({ machine }) => {
      await machine.api.createVm({ id: VM, host: HOST, definition });
      await machine.vmState(VM, "running");
      const unit = await guestOf(machine, VM);
      assert.equal(unit.Slice, SLICE);
      assert.equal(unit.LimitMEMLOCK, "infinity");
      const { MainPID: pid } = unit;
      assert.equal(
        await machine.shell(`readlink /proc/${pid}/exe`),
        "/usr/bin/qemu-system-x86_64\n",
      );
      const mounts = await machine.shell(`readlink /proc/1/ns/mnt /proc/${pid}/ns/mnt`);
      const [init, guest] = mounts.split("\n");
      assert.equal(guest, init);
      const agent = (await machine.agent()).MainPID;
      const bounds = await machine.shell(
        `grep -h CapBnd /proc/${agent}/status /proc/${pid}/status`,
      );
      const [ofAgent, ofGuest] = bounds.split("\n");
      assert.notEqual(ofGuest, ofAgent);
      assert.equal(ofGuest, (await machine.shell("grep CapBnd /proc/1/status")).trim());
      // Its own sandbox, and no other filter.
      assert.match(await machine.shell(`cat /proc/${pid}/status`), /^Seccomp_filters:\t1$/m);
    },
  },
  {
    name: "refuses a guest that cannot start, in QEMU's words, and leaves no unit",
    run: async ({ machine }) => {
      const devices = [{ driver: "no-such-device" }];
      await machine.api.createVm({
        id: "broken",
        host: HOST,
        definition: { ...definition, devices },
      });
      await machine.vmState("broken", "failed");
      assert.match((await machine.api.getVm("broken")).detail ?? "", /no-such-device/);
      assert.equal(await machine.guestUnit("broken"), undefined);
    },
  },
  {
    name: "is started again after it was killed, and its guest runs on",
    run: async ({ machine }) => {
      const before = await machine.agent();
      const guest = await guestOf(machine, VM);
      await machine.shell("systemctl kill --signal=KILL switchyard-agent");
      await machine.until("another agent", async () => {
        const { MainPID } = await machine.agent();
        return MainPID !== "0" && MainPID !== before.MainPID;
      });
      await sameGuest(machine, guest);
    },
  },
  {
    name: "is upgraded while its guest runs",
    run: async ({ machine, versions }) => {
      const guest = await guestOf(machine, VM);
      await follow(machine, UPGRADE, "## An agent");
      await machine.active(versions.second);
      assert.match(await machine.shell("cat /etc/switchyard/agent.json"), /"host":"host-a"/);
      await sameGuest(machine, guest);
      await obeys(machine);
    },
  },
  {
    name: "and its other guest outlive a guest that is out of memory",
    run: async ({ machine }) => {
      await machine.api.createVm({ id: NEIGHBOUR, host: HOST, definition });
      await machine.vmState(NEIGHBOUR, "running");
      const agent = await machine.agent();
      const guest = await guestOf(machine, VM);
      const { Id } = await guestOf(machine, NEIGHBOUR);
      await machine.shell(`systemctl set-property --runtime ${Id} MemoryMax=4M MemorySwapMax=0`);
      await machine.vmState(NEIGHBOUR, "failed");
      assert.equal((await machine.agent()).MainPID, agent.MainPID);
      await sameGuest(machine, guest);
    },
  },
  {
    name: "is removed while its guest runs, and its configuration stays",
    run: async ({ machine }) => {
      const guest = await guestOf(machine, VM);
      await follow(machine, UPGRADE, "## Removal");
      await sameGuest(machine, guest);
      await machine.shell("test ! -e /usr/lib/switchyard && test -e /etc/switchyard/agent.json");
      assert.equal((await machine.agent()).ActiveState, "inactive");
    },
  },
  {
    name: "is purged with what it kept, only when no guest is left",
    run: async ({ machine }) => {
      const guest = await guestOf(machine, VM);
      // What the package's script writes comes out of apt on one of the two.
      const { stdout, stderr } = await machine.attempt("apt-get purge switchyard-agent");
      assert.match(stdout + stderr, KEPT);
      await sameGuest(machine, guest);
      await machine.shell(`test -e /var/lib/switchyard-agent/run/${VM}/guest.json`);
      await machine.shell(
        `systemctl stop ${guest.Id} && rm -r /var/lib/switchyard-agent/run/${VM}`,
      );
      await follow(machine, INSTALL, "### Install the package");
      await machine.shell("apt-get purge switchyard-agent");
      await machine.shell("test ! -e /var/lib/switchyard-agent && test ! -e /etc/switchyard");
    },
  },
];

/** Runs the commands that a page shows. */
async function follow(machine: Machine, page: string, heading: string): Promise<void> {
  for (const command of documented(page, heading)) await machine.shell(command);
}

async function configure(machine: Machine): Promise<void> {
  const file = "/etc/switchyard/agent.json";
  const packaged: unknown = JSON.parse(await machine.shell(`cat ${file}`));
  const own = { host: HOST, apiUrl: machine.api.url, memoryBytes: 2 ** 30 };
  await machine.write(file, JSON.stringify({ ...Object(packaged), ...own }));
}

async function guestOf(machine: Machine, vm: string): Promise<UnitFacts> {
  const unit = await machine.guestUnit(vm);
  assert.ok(unit, `Expected ${vm} to have one unit`);
  return unit;
}

async function sameGuest(machine: Machine, before: UnitFacts): Promise<void> {
  const { ActiveState, MainPID } = await guestOf(machine, VM);
  assert.deepEqual({ ActiveState, MainPID }, { ActiveState: "active", MainPID: before.MainPID });
}

type Finding = { readonly subject: string; readonly level: string; readonly cure?: string };

/** A probe of QEMU that an emulated machine is too slow for says so: it is asked again. */
async function findingsInTime(machine: Machine): Promise<readonly Finding[]> {
  let findings: readonly Finding[] = [];
  await machine.until("the host's programs to answer in time", async () => {
    const { stdout } = await machine.attempt("switchyard-agent check --json");
    ({ findings } = JSON.parse(stdout) as { findings: readonly Finding[] });
    return findings.every(({ cure = "" }) => !cure.includes("when the host is less busy"));
  });
  const wrong = findings.filter(({ level }) => level === "wrong");
  assert.deepEqual(wrong, []);
  return findings;
}

/** The agent carries commands out on the guest. */
async function obeys(machine: Machine): Promise<void> {
  await answered(machine, () => machine.api.pauseVm(VM));
  await machine.runState(VM, "paused");
  await answered(machine, () => machine.api.resumeVm(VM));
  await machine.runState(VM, "running");
}

/** A request waits 20 s for the agent's answer, which may be too short for emulation: it is repeated. */
async function answered(machine: Machine, ask: () => Promise<unknown>): Promise<void> {
  await machine.until("the agent to answer", async () => {
    try {
      await ask();
      return true;
    } catch (error) {
      if (error instanceof ApiError && error.problem.code === "host-silent") return false;
      throw error;
    }
  });
}
