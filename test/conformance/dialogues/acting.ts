import { act, failingDisk, panicDevice } from "../acting.ts";
import type { Dialogue } from "../dialogue.ts";
import { refused } from "../expectation.ts";
import { since } from "../generation.ts";
import type { Stage } from "../stage.ts";
import type { Vm } from "../vm.ts";

const NEEDS_RESET = refused("Resetting the Virtual Machine is required");
const NOT_ASLEEP = refused("Unable to wake up: guest is not in suspended state");
const byGuest = (reason: string) => ({ guest: true, reason });

/** Guests that act by themselves, without a migration. */
export const actingDialogues: Dialogue[] = [
  {
    name: "acting/sleep",
    claim: "a guest that suspends itself emits SUSPEND without STOP; system_wakeup wakes it up",
    async play(stage) {
      const vm = await stage.vm("source");
      await stage.expect("awake", vm.ask("system_wakeup"), NOT_ASLEEP);
      await act(vm, "sleep");
      await stage.expect("run state", vm.untilRunState("suspended"), "suspended");
      await stage.expect("cont", vm.ask("cont"), "ok");
      await stage.expect("then", vm.runState(), "suspended");
      await stage.expect("wake up", vm.ask("system_wakeup"), "ok");
      await stage.expect("awake then", vm.untilRunState("running"), "running");
      await vm.seen("WAKEUP");
      await stage.expect("events", vm.story(), ["SUSPEND", "WAKEUP"]);
    },
  },
  {
    name: "acting/sleep-stopped",
    claim: "from 9.0 a sleeping guest can be stopped, and cont puts it back to sleep",
    async play(stage) {
      const vm = await stage.vm("source");
      await act(vm, "sleep");
      await vm.untilRunState("suspended");
      await stage.expect("stop", vm.ask("stop"), "ok");
      const stopped = stage.pick({ "7.2": "suspended", "10.0": "paused" });
      await stage.expect("run state", vm.runState(), stopped);
      await stage.expect("cont", vm.ask("cont"), "ok");
      await stage.expect("then", vm.runState(), "suspended");
      const events = stage.pick({ "7.2": ["SUSPEND"], "10.0": ["SUSPEND", "STOP", "RESUME"] });
      await stage.expect("events", vm.story(), events);
    },
  },
  {
    name: "acting/sleep-stopped-wakeup",
    claim: "a sleeping guest that is stopped cannot be woken up",
    versions: since("10.0"),
    async play(stage) {
      const vm = await stage.vm("source");
      await act(vm, "sleep");
      await vm.untilRunState("suspended");
      await vm.ask("stop");
      await stage.expect("wake up", vm.ask("system_wakeup"), NOT_ASLEEP);
      await stage.expect("run state", vm.runState(), "paused");
    },
  },
  {
    name: "acting/power-off",
    claim: "with -no-shutdown a guest that powers itself off stays, and only a reset lets it run",
    async play(stage) {
      const vm = await stage.vm("source", { more: ["-no-shutdown"] });
      await act(vm, "power-off");
      await stage.expect("run state", vm.untilRunState("shutdown"), "shutdown");
      await vm.seen("STOP");
      await stage.expect("events", vm.story(), ["SHUTDOWN", "STOP"]);
      await stage.expect("reason", dataOf(vm, "SHUTDOWN"), byGuest("guest-shutdown"));
      await stage.expect("cont", vm.ask("cont"), NEEDS_RESET);
      await stage.expect("reset", vm.ask("system_reset"), "ok");
      await stage.expect("after", vm.untilRunState("prelaunch"), "prelaunch");
      await stage.expect("cont after", vm.ask("cont"), "ok");
      await stage.expect("then", vm.runState(), "running");
    },
  },
  {
    name: "acting/power-off-ends",
    claim: "by default a guest that powers itself off ends its process with code 0",
    async play(stage) {
      const vm = await stage.vm("source");
      await act(vm, "power-off");
      await stage.expect("exit", vm.exit(), 0);
      await stage.expect("events", vm.story(), ["SHUTDOWN"]);
      await stage.expect("reason", dataOf(vm, "SHUTDOWN"), byGuest("guest-shutdown"));
    },
  },
  {
    name: "acting/panic-pause",
    claim: "with panic=pause a guest that panics is stopped, and cont lets it run",
    async play(stage) {
      const vm = await stage.vm("source", { more: [...panicDevice, "-action", "panic=pause"] });
      await act(vm, "panic");
      await stage.expect("run state", vm.untilRunState("guest-panicked"), "guest-panicked");
      await vm.seen("STOP");
      await stage.expect("events", vm.story(), ["GUEST_PANICKED", "STOP"]);
      await stage.expect("action", dataOf(vm, "GUEST_PANICKED"), { action: "pause" });
      await stage.expect("cont", vm.ask("cont"), "ok");
      await stage.expect("then", vm.runState(), "running");
    },
  },
  ...panicEnds(),
  {
    name: "acting/panic-no-shutdown",
    claim: "-no-shutdown alone pauses a guest that panics",
    async play(stage) {
      const vm = await stage.vm("source", { more: [...panicDevice, "-no-shutdown"] });
      await act(vm, "panic");
      await stage.expect("run state", vm.untilRunState("guest-panicked"), "guest-panicked");
      await stage.expect("action", dataOf(vm, "GUEST_PANICKED"), { action: "pause" });
    },
  },
  {
    name: "acting/panic-none",
    claim: "with panic=none a guest that panics runs on",
    async play(stage) {
      const vm = await stage.vm("source", { more: [...panicDevice, "-action", "panic=none"] });
      await act(vm, "panic");
      await stage.expect("seen", vm.seen("GUEST_PANICKED"), true);
      await stage.expect("action", dataOf(vm, "GUEST_PANICKED"), { action: "run" });
      await stage.expect("run state", vm.runState(), "running");
      await stage.expect("events", vm.story(), ["GUEST_PANICKED"]);
    },
  },
  ...resets(),
  ...diskErrors(),
];

function panicEnds(): Dialogue[] {
  return [
    { name: "acting/panic-ends", action: "shutdown", code: 0 },
    { name: "acting/panic-ends-badly", action: "exit-failure", code: 1 },
  ].map(({ name, action, code }) => ({
    name,
    claim: `with panic=${action} a guest that panics ends its process with code ${code}`,
    async play(stage) {
      const vm = await stage.vm("source", { more: [...panicDevice, "-action", `panic=${action}`] });
      await act(vm, "panic");
      await stage.expect("exit", vm.exit(), code);
      await stage.expect("events", vm.story(), ["GUEST_PANICKED", "STOP", "SHUTDOWN"]);
      await stage.expect("action", dataOf(vm, "GUEST_PANICKED"), { action: "poweroff" });
      await stage.expect("reason", dataOf(vm, "SHUTDOWN"), byGuest("guest-panic"));
    },
  }));
}

function resets(): Dialogue[] {
  return [
    {
      name: "acting/reset",
      claim: "a reset, by the guest or by QMP, emits RESET and the guest runs on",
      async play(stage) {
        const vm = await stage.vm("source");
        await act(vm, "reset");
        await stage.expect("seen", vm.seen("RESET"), true);
        await stage.expect("reason", dataOf(vm, "RESET"), byGuest("guest-reset"));
        await stage.expect("run state", vm.runState(), "running");
        await stage.expect("by QMP", vm.ask("system_reset"), "ok");
        const two = vm.waitFor(() => vm.story().length === 2);
        await stage.expect("again", two, true);
        const own = { guest: false, reason: "host-qmp-system-reset" };
        await stage.expect("its reason", { ...vm.events[1]?.data } as typeof own, own);
      },
    },
    {
      name: "acting/reset-stopped",
      claim: "a reset of a stopped guest leaves it in prelaunch",
      async play(stage) {
        const vm = await stage.vm("source");
        await vm.ask("stop");
        await stage.expect("reset", vm.ask("system_reset"), "ok");
        await stage.expect("run state", vm.untilRunState("prelaunch"), "prelaunch");
        await stage.expect("events", vm.story(), ["STOP", "RESET"]);
        await stage.expect("cont", vm.ask("cont"), "ok");
        await stage.expect("then", vm.runState(), "running");
      },
    },
    {
      name: "acting/reset-no-reboot",
      claim: "with -no-reboot and -no-shutdown a reset is a shutdown with the reset's reason",
      async play(stage) {
        const vm = await stage.vm("source", { more: ["-no-reboot", "-no-shutdown"] });
        await act(vm, "reset");
        await stage.expect("run state", vm.untilRunState("shutdown"), "shutdown");
        await vm.seen("STOP");
        await stage.expect("events", vm.story(), ["SHUTDOWN", "STOP"]);
        await stage.expect("reason", dataOf(vm, "SHUTDOWN"), byGuest("guest-reset"));
      },
    },
  ];
}

function diskErrors(): Dialogue[] {
  return [
    {
      name: "acting/io-error",
      claim: "a disk error stops the guest: BLOCK_IO_ERROR, STOP; cont tries the access again",
      async play(stage) {
        const vm = await stage.vm("source", { more: failingDisk(1) });
        await act(vm, "io-error");
        await stage.expect("run state", vm.untilRunState("io-error"), "io-error");
        await vm.seen("STOP");
        await stage.expect("events", vm.story(), ["BLOCK_IO_ERROR", "STOP"]);
        await stage.expect("data", dataOf(vm, "BLOCK_IO_ERROR"), ioErrorData(stage));
        await stage.expect("stop", vm.ask("stop"), "ok");
        await stage.expect("still", vm.runState(), "io-error");
        await stage.expect("cont", vm.ask("cont"), "ok");
        await stage.expect("then", vm.runState(), "running");
      },
    },
    {
      name: "acting/io-error-again",
      claim: "if the access fails again the guest stops again; 10.0 holds back the second event",
      async play(stage) {
        const vm = await stage.vm("source", { more: failingDisk() });
        await act(vm, "io-error", 100);
        await vm.untilRunState("io-error");
        await stage.expect("cont", vm.ask("cont"), "ok");
        const isStopped = () => vm.story().filter((text) => text === "STOP").length === 2;
        await stage.expect("stopped again", vm.waitFor(isStopped), true);
        await stage.expect("run state", vm.runState(), "io-error");
        const first = ["BLOCK_IO_ERROR", "STOP", "RESUME"];
        const events = stage.pick({
          "7.2": [...first, "BLOCK_IO_ERROR", "STOP"],
          "10.0": [...first, "STOP"],
          "11.1": [...first, "BLOCK_IO_ERROR", "STOP"],
        });
        await stage.expect("events", vm.story(), events);
      },
    },
  ];
}

function ioErrorData(stage: Stage) {
  const common = { device: "", nospace: false, "node-name": "disk" };
  const rest = { reason: "Input/output error", operation: "write", action: "stop" };
  const path = { "qom-path": "/machine/peripheral/hd" };
  return stage.pick<Record<string, string | boolean>>({
    "7.2": { ...common, ...rest },
    "10.0": { ...common, ...path, ...rest },
  });
}

/** The data of the first event of a name. */
function dataOf(vm: Vm, name: string): Record<string, string | boolean> {
  const found = vm.events.find(({ text }) => text === name);
  return { ...(found?.data as Record<string, string | boolean> | undefined) };
}
