import type { Dialogue } from "../dialogue.ts";
import {
  atLeast,
  between,
  type Expected,
  excluding,
  including,
  type Json,
  type Matcher,
} from "../expectation.ts";
import { slow } from "../pair.ts";
import type { Stage } from "../stage.ts";
import type { Vm } from "../vm.ts";

const running = ["expected-downtime", "ram", "setup-time", "status", "total-time"];
const ended = ["downtime", "ram", "setup-time", "status", "total-time"];
const toPreSwitchover = ["return-path", "pause-before-switchover"];

/** 2^63-1 until something was measured; a JavaScript number cannot hold it. */
const computedDowntime: Matcher = {
  describe: "a number of milliseconds, or 2^63-1",
  matches: (actual) => typeof actual === "number" || actual === String(2n ** 63n - 1n),
};

export const memberDialogues: Dialogue[] = [
  {
    name: "members/idle",
    claim: "query-migrate is empty before the first migration, on both sides",
    async play(stage) {
      const source = await stage.vm("source");
      const target = await stage.vm("target", { incoming: true });
      await stage.expect("source", source.ask("query-migrate"), "ok");
      await stage.expect("target", target.ask("query-migrate"), "ok");
    },
  },
  {
    name: "members/listening",
    claim: "a target tells its real port; 7.2 shows no status until the migration arrives",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", parameters: slow });
      const listening = stage.pick({
        "7.2": ["socket-address"],
        "10.0": ["socket-address", "status"],
      });
      await stage.expect("members", members(pair.target), listening);
      const [address = null] = (await pair.target.migration())["socket-address"] as Json[];
      const inet = { host: "127.0.0.1", ipv4: true, port: String(pair.port), type: "inet" };
      await stage.expect("address", address, inet);
      await stage.expect("port", pair.port, between(1, 65_535));
      await pair.migrate();
      await stage.expect("target", pair.target.until("active"), "active");
      const active = await members(pair.target);
      await stage.expect("active", active, including("socket-address", "status"));
    },
  },
  {
    name: "members/active",
    claim: "active shows progress and an expected downtime; 11.1 adds remaining",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", parameters: slow });
      const { source } = pair;
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("state", source.until("active"), "active");
      const more = stage.pick({ "7.2": running, "11.1": [...running, "remaining"].sort() });
      await stage.expect("members", members(source), more);
      await stage.expect("ram", ramMembers(source), ramMembersOf(stage));
      const { "page-size": page = null, total = null } = await ram(source);
      await stage.expect("page-size", page, 4096);
      await stage.expect("total", total, atLeast(32 * 1024 * 1024));
    },
  },
  {
    name: "members/expected-downtime",
    claim:
      "expected-downtime is the downtime limit in the first pass up to 10.0, and computed from 11.1",
    async play(stage) {
      const parameters = { ...slow, "downtime-limit": 400 };
      const pair = await stage.pair({ guest: "filled", parameters });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("state", pair.source.until("active"), "active");
      const { "expected-downtime": expected = null } = await pair.source.migration();
      const computed = stage.pick<Expected>({ "7.2": 400, "11.1": computedDowntime });
      await stage.expect("value", expected, computed);
    },
  },
  {
    name: "members/pre-switchover",
    claim: "pre-switchover shows what active shows",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", sourceCapabilities: toPreSwitchover });
      const { source } = pair;
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("state", source.until("pre-switchover"), "pre-switchover");
      const more = stage.pick({ "7.2": running, "11.1": [...running, "remaining"].sort() });
      await stage.expect("members", members(source), more);
    },
  },
  {
    name: "members/completed",
    claim: "completed shows the downtime and no expectation; the target shows a bare status",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", sourceCapabilities: ["return-path"] });
      const { source, target } = pair;
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("end", source.until("completed"), "completed");
      await stage.expect("members", members(source), ended);
      const { downtime = null, "total-time": total = null } = await source.migration();
      await stage.expect("downtime", downtime, between(0, 5_000));
      await stage.expect("total", total, atLeast(0));
      const { remaining = null } = await ram(source);
      await stage.expect("ram remaining", remaining, 0);
      await stage.expect("target", target.until("completed"), "completed");
      await stage.expect("target members", members(target), ["status"]);
    },
  },
  {
    name: "members/downtime-includes-the-gate",
    claim: "downtime counts the wait in pre-switchover",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", sourceCapabilities: toPreSwitchover });
      const { source } = pair;
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("state", source.until("pre-switchover"), "pre-switchover");
      await source.seen("never", 400);
      await source.ask("migrate-continue", { state: "pre-switchover" });
      await stage.expect("end", source.until("completed"), "completed");
      const { downtime = null } = await source.migration();
      await stage.expect("downtime", downtime, atLeast(400));
    },
  },
  {
    name: "members/cancelled",
    claim: "cancelled shows a status and, from 10.0, why",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", sourceCapabilities: toPreSwitchover });
      const { source } = pair;
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("state", source.until("pre-switchover"), "pre-switchover");
      await source.ask("migrate_cancel");
      await stage.expect("end", source.until("cancelled"), "cancelled");
      const names = stage.pick({ "7.2": ["status"], "10.0": ["error-desc", "status"] });
      await stage.expect("members", members(source), names);
    },
  },
  {
    name: "members/failed",
    claim: "failed shows why, and nothing about time or memory",
    async play(stage) {
      const vm = await stage.vm("source");
      await vm.ask("migrate", { uri: "tcp:127.0.0.1:1" });
      await stage.expect("end", vm.until("failed"), "failed");
      await stage.expect("members", members(vm), ["error-desc", "status"]);
    },
  },
  {
    name: "members/by-capability",
    claim: "xbzrle-cache and cpu-throttle-percentage come with their capabilities",
    async play(stage) {
      const pair = await stage.pair({
        guest: "busy",
        sourceCapabilities: ["xbzrle", "auto-converge"],
        parameters: { "max-bandwidth": 20_000_000, "downtime-limit": 1 },
      });
      const { source } = pair;
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("state", source.until("active"), "active");
      await stage.expect("at first", members(source), including("xbzrle-cache"));
      await stage.expect("not yet", members(source), excluding("cpu-throttle-percentage"));
      const throttled = async () => (await members(source)).includes("cpu-throttle-percentage");
      await stage.expect("then", source.waitFor(throttled, 8_000), true);
    },
  },
];

async function members(vm: Vm): Promise<string[]> {
  return Object.keys(await vm.migration()).sort();
}

async function ram(vm: Vm): Promise<Record<string, Json>> {
  return ((await vm.migration()).ram ?? {}) as Record<string, Json>;
}

async function ramMembers(vm: Vm): Promise<string[]> {
  return Object.keys(await ram(vm)).sort();
}

function ramMembersOf(stage: Stage): string[] {
  const names = [
    ..."dirty-pages-rate dirty-sync-count dirty-sync-missed-zero-copy downtime-bytes".split(" "),
    ..."duplicate mbps multifd-bytes normal normal-bytes page-size pages-per-second".split(" "),
    ..."postcopy-bytes postcopy-requests precopy-bytes remaining total transferred".split(" "),
  ];
  return stage.pick({ "7.2": [...names, "skipped"].sort(), "10.0": names.sort() });
}
