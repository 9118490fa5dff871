import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createClient } from "../../client/client.ts";
import type { Migration } from "../../core/migration/migration.ts";
import { waitUntil } from "../../rig/wait-until.ts";
import { endlessly, PATIENCE_MS, qemu, Stage, unlessQemu } from "./testing/stage.ts";

type Refused = { status: number; problem: Record<string, unknown> };

describe.skipIf(qemu === undefined)(`requests to a running fleet${unlessQemu}`, () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.start();
    await stage.guest("vm");
  }, PATIENCE_MS);
  afterAll(() => stage?.close(), PATIENCE_MS);

  it.each([
    ["an unknown VM", { vm: "nobody" }, 404, /nobody/],
    ["an unknown target", { target: "nowhere" }, 404, /nowhere/],
    ["the VM's own host", { target: "host-a" }, 422, /target.*host-a/],
    ["a number for a VM", { vm: 7 }, 422, /vm.*string.*7/],
    ["an unknown field", { color: "red" }, 422, /color.*unknown.*red/],
    ["no target", { target: undefined }, 422, /target.*required/],
    [
      "a limit below its range",
      { policy: { downtimeLimitMs: 0 } },
      422,
      /policy\.downtimeLimitMs.*1.*0/,
    ],
    [
      "an unknown capability",
      { policy: { capabilities: { warp: "ask" } } },
      422,
      /policy\.capabilities\.warp/,
    ],
    [
      "capabilities that contradict each other",
      { policy: { capabilities: { "zero-copy-send": "require", multifd: "forbid" } } },
      422,
      /zero-copy-send.*multifd.*forbid/,
    ],
    [
      "a parameter out of range",
      { policy: { parameters: { "multifd-channels": 0 } } },
      422,
      /policy\.parameters\.multifd-channels.*0/,
    ],
    [
      "a tunnelled stream",
      { policy: { flags: ["TUNNELLED"] } },
      422,
      /policy\.flags\.TUNNELLED.*from QEMU to QEMU.*policy\.tls/,
    ],
  ])("are refused for %s, naming field, rule and value", async (_, wrong, status, text) => {
    const before = await migrations();
    const refused = await refusalOf("POST", "/v1/migrations", {
      vm: "vm",
      target: "host-b",
      ...wrong,
    });
    expect(refused).toMatchObject({ status });
    const { detail, errors } = refused.problem;
    expect(JSON.stringify([detail, errors ?? []])).toMatch(text);
    expect(await migrations()).toEqual(before);
  });

  it("are refused when they are too long", async () => {
    const vm = "v".repeat(10 * 2 ** 20);
    const refused = await refusalOf("POST", "/v1/migrations", { vm, target: "host-b" });
    expect(refused).toMatchObject({ status: 413, problem: { code: "body-too-large" } });
    expect(await migrations()).toEqual([]);
  });

  it("are refused without the operator's token, and with a host's join token", async () => {
    const { joinToken } = await stage.api.createHost({ id: "host-c" });
    for (const token of ["", "wrong", joinToken.token]) {
      const stranger = createClient({ url: stage.api.url, token });
      await expect(stranger.getVm("vm")).rejects.toMatchObject({ status: 401 });
    }
  });

  it("for a dry run return the agreement or the blockers, and change nothing", async () => {
    const agreed = await dryRun({});
    expect(agreed).toMatchObject({ agreed: true, blockers: [] });
    expect(agreed).toHaveProperty("agreement.ackMode", "legacy");
    expect(agreed).toHaveProperty("twinCheck.differencesTotal", 0);
    const refused = await dryRun({ capabilities: { "dirty-limit": "require" } });
    expect(refused).toMatchObject({ agreed: false });
    expect(refused.blockers.length).toBeGreaterThan(0);
    expect(await migrations()).toEqual([]);
    expect(await stage.api.getVm("vm")).not.toHaveProperty("lockedBy");
    expect(stage.fleet.guestPid("host-b", "vm")).toBeUndefined();
  });

  it(
    "for what the hosts cannot do end with every blocker, and start nothing",
    async () => {
      const policy = { capabilities: { "dirty-limit": "require" } } as const;
      const { blockers } = await dryRun(policy);
      const { id } = await stage.api.createMigration({ vm: "vm", target: "host-b", policy });
      const ended = await stage.ends(id);
      expect(ended).toMatchObject({ status: "failed", runningOn: "host-a" });
      expect(ended.failure).toMatchObject({ phase: "negotiate" });
      expect(blockers.length).toBeGreaterThan(0);
      for (const { message, cure } of blockers) {
        expect(ended.failure?.message).toContain(message);
        expect(ended.failure?.cure).toContain(cure);
      }
      expect(await stage.states(ended)).not.toContain("Prepare");
      await stage.runsOnlyOn("vm", "host-a");
    },
    PATIENCE_MS,
  );

  it(
    "with the same key start one migration; others for the VM are refused meanwhile",
    async () => {
      const move = { vm: "vm", target: "host-b", policy: endlessly };
      const known = await migrations();
      const [first, again] = await Promise.all([
        stage.api.createMigration(move, "same"),
        stage.api.createMigration(move, "same"),
      ]);
      expect(again.id).toBe(first.id);
      expect(await migrations()).toHaveLength(known.length + 1);

      const other = { vm: "vm", target: "host-b" };
      const refused = await refusalOf("POST", "/v1/migrations", other);
      expect(refused).toMatchObject({
        status: 409,
        problem: { code: "vm-locked", migration: first.id },
      });
      await stage.isInPrecopy(first.id);
      await stage.api.cancelMigration(first.id);
      expect(await stage.ends(first.id)).toMatchObject({ status: "cancelled" });
      await stage.runsOnlyOn("vm", "host-a");
    },
    PATIENCE_MS,
  );

  it(
    "of an agent with a key that was not accepted end the agent, which says how to join",
    async () => {
      const folder = join(stage.fleet.folder, "host-b");
      await stage.fleet.agent("host-b").stop();
      await stage.api.revokeHostKey("host-b");
      stage.fleet.startAgent("host-b");
      const refused = stage.fleet.agent("host-b");
      await refused.exited;
      expect(refused.logTail()).toMatch(/"msg":"[^"]*host-b[^"]*join-token/);

      const { token } = await stage.api.issueJoinToken("host-b");
      writeFileSync(join(folder, "join-token"), token, { mode: 0o600 });
      stage.fleet.startAgent("host-b");
      await waitUntil("host-b to have a key", async () => (await stage.api.getHost("host-b")).key);
    },
    PATIENCE_MS,
  );

  async function migrations(): Promise<string[]> {
    const { items } = await stage.api.request<{ items: Migration[] }>("GET", "/v1/migrations");
    return items.map(({ id, status }) => `${id} ${status}`);
  }

  async function refusalOf(method: string, path: string, body: object): Promise<Refused> {
    return stage.api.request(method, path, body).then(
      () => expect.unreachable("it was accepted"),
      (error: Refused) => error,
    );
  }

  async function dryRun(policy: object): Promise<DryRun> {
    return stage.api.request("POST", "/v1/migrations?dryRun=true", {
      vm: "vm",
      target: "host-b",
      policy,
    });
  }
});

type DryRun = { agreed: boolean; blockers: { message: string; cure: string }[] };
