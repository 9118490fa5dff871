import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Migration } from "../../core/migration/migration.ts";
import type { EventBody } from "../../core/protocol/event.ts";
import { startTestCloud, type TestCloud } from "../functions/testing/cloud.ts";
import {
  facts,
  hostId,
  MiB,
  prepared,
  smallDefinition,
  vmId,
} from "../functions/testing/fixtures.ts";
import {
  addHost,
  addMigration,
  addVm,
  join,
  operate,
  post,
  type TestAgent,
} from "../functions/testing/fleet.ts";
import { HostKey } from "../functions/testing/host-key.ts";
import { relay } from "../functions/testing/relay.ts";

/** What docs/internals/security.md says of hosts, each by the name of a test here. */
let cloud: TestCloud;
let source: TestAgent;
let target: TestAgent;
let liar: TestAgent;
let made: Migration;

let count = 0;
beforeAll(async () => {
  cloud = await startTestCloud();
  source = await addHost("host-a");
  target = await addHost("host-b");
  liar = await addHost("host-x");
});
beforeEach(async () => {
  count += 1;
  await addVm(`vm-${count}`, source, smallDefinition);
  made = await addMigration(`vm-${count}`, "host-b");
});
afterAll(() => cloud.close());

const PAST = "2026-01-01T00:00:00.000Z";
const EVENTS = "/agent/v1/events";
const records = async () =>
  (await cloud.scan()).filter(({ pk }) => /^(VM|MIG|CMD)#/.test(String(pk)));
const batchOf = (agent: TestAgent, ...bodies: EventBody[]) =>
  JSON.stringify({ version: 1, host: agent.host, events: agent.number(...bodies) });
const exited = (vm: string): EventBody => ({
  type: "guest.exited",
  vm: vmId(vm),
  detail: "a lie",
});

describe("a stolen or lying host", () => {
  it("cannot claim another host's VM", async () => {
    const before = await records();
    const { id: migrationId, vm, epoch } = made;
    await liar.emit(exited(vm), { type: "guest.run-state", vm, runState: "running" } as EventBody, {
      type: "migration.target-arrived",
      migrationId,
      vm,
      epoch,
      runState: "running",
    });
    expect(await records()).toEqual(before);
    expect((await operate("GET", `/v1/vms/${vm}`)).body).toMatchObject({ host: "host-a" });
  });

  it("cannot put a definition of its own in the place of the VM's", async () => {
    const vm = `lied-${count}`;
    await operate("POST", "/v1/vms", { id: vm, host: liar.host, definition: smallDefinition });
    const blockdevs = [{ driver: "file", "node-name": "a", filename: "/etc/shadow" }];
    const definition = { ...smallDefinition, machine: "pc-i440fx-10.0", blockdevs, cpus: 64 };
    await liar.complete({ definition, pid: 1, runState: "running" });
    const { body } = await operate("GET", `/v1/vms/${vm}`);
    expect(body.definition).toEqual({ ...smallDefinition, machine: "pc-i440fx-10.0" });
  });

  it("cannot complete another host's command", async () => {
    await source.take();
    const commands = [{ step: "prepare", verb: "source.probe", side: "source" }];
    const taskToken = `held-${count}`;
    await relay({ migrationId: made.id, attempt: 1, interruptible: true, commands, taskToken });
    const [command] = await source.take();
    if (command === undefined) throw new Error("Expected a command");
    await liar.emit({ type: "command.completed", commandId: command.id, result: prepared });
    expect(cloud.stub.ended.filter(({ token }) => token === taskToken)).toEqual([]);
  });

  it("cannot post as another host with its own key", async () => {
    const before = await cloud.scan();
    const body = batchOf(source, exited(made.vm));
    source.seq -= 1;
    const headers = liar.key.headers(source.host, EVENTS, body);
    expect(await post("events", body, headers)).toMatchObject({ status: 401 });
    const own = liar.key.headers(liar.host, EVENTS, body);
    expect(await post("events", body, own)).toMatchObject({ status: 401 });
    expect(await cloud.scan()).toEqual(before);
  });

  it("cannot get another host's place by its own join token", async () => {
    const { body } = await operate("POST", `/v1/hosts/${liar.host}/join-token`, {});
    const { token } = body as { token: string };
    const key = new HostKey();
    const answer = await join({ host: source.host, key }, { joinToken: token });
    expect(answer).toMatchObject({ status: 403, body: { code: "join-refused" } });
    expect((await operate("GET", "/v1/hosts/host-a")).body).toMatchObject({
      key: { id: source.key.id },
    });
  });

  it("cannot send 10 MB", async () => {
    const body = JSON.stringify({ version: 1, host: liar.host, events: ["x".repeat(10 * MiB)] });
    const answer = await post("events", body, liar.key.headers(liar.host, EVENTS, body));
    expect(answer).toMatchObject({ status: 413, body: { code: "body-too-large" } });
  });

  it.each(["../../etc/passwd", "vm/1", "", "VM", "a".repeat(64), "$(id)"])(
    "cannot send the path %j as a VM's id",
    async (vm) => {
      const body = JSON.stringify({
        version: 1,
        host: liar.host,
        events: [{ seq: liar.seq + 1, atMs: 1, body: { type: "guest.exited", vm, detail: "" } }],
      });
      const answer = await post("events", body, liar.key.headers(liar.host, EVENTS, body));
      expect(answer).toMatchObject({ status: 422, body: { code: "invalid" } });
    },
  );

  it("gets no task token: neither in its commands nor in any answer", async () => {
    const secret = `a-task-token-${count}`;
    const commands = [{ step: "probe-target", verb: "source.probe", side: "source" }];
    await source.take();
    await relay({
      migrationId: made.id,
      attempt: 1,
      interruptible: true,
      commands,
      taskToken: secret,
    });
    const texts = await source.takeTexts();
    expect(texts).toHaveLength(1);
    const answers = [
      await source.send("register", { host: source.host, facts }),
      await source.send("heartbeat", { host: source.host, instance: "i-1" }),
      await source.emit(exited("nobody")),
    ];
    expect(JSON.stringify(await cloud.scan())).toContain(secret);
    expect(JSON.stringify([texts, answers.map(({ body }) => body)])).not.toContain(secret);
  });
});

describe("a request that was seen on the way", () => {
  const changes: [string, (body: string) => Parameters<HostKey["headers"]>][] = [
    ["for another path", (body) => [source.host, "/agent/v1/heartbeat", body]],
    ["for another body", (body) => [source.host, EVENTS, `${body} `]],
    ["for another host", (body) => [target.host, EVENTS, body]],
  ];
  it.each(changes)("cannot be sent again %s", async (_, signed) => {
    const before = await cloud.scan();
    const body = batchOf(source, exited(made.vm));
    source.seq -= 1;
    const headers = source.key.headers(...signed(body));
    expect(await post("events", body, headers)).toMatchObject({ status: 401 });
    expect(await cloud.scan()).toEqual(before);
  });

  it("cannot be sent with another number", async () => {
    const body = batchOf(source, exited("nobody"));
    source.seq -= 1;
    const headers = source.key.headers(source.host, EVENTS, body);
    const number = String(Number(headers["x-switchyard-sequence"]) + 1);
    const changed = { ...headers, "x-switchyard-sequence": number };
    expect(await post("events", body, changed)).toMatchObject({ status: 401 });
  });

  it("has no effect when it is sent again: events", async () => {
    const body = batchOf(source, exited("nobody"));
    const headers = source.key.headers(source.host, EVENTS, body);
    expect(await post("events", body, headers)).toMatchObject({ status: 200 });
    const before = await cloud.scan();
    const again = await post("events", body, headers);
    expect(again).toMatchObject({ status: 409, body: { code: "request-replayed" } });
    expect(await cloud.scan()).toEqual(before);
  });

  it("has no effect when it is sent again: a heartbeat, a registration, a check", async () => {
    const beat = JSON.stringify({ host: source.host, instance: "i-1" });
    const registration = JSON.stringify({ host: source.host, facts, instance: "i-1" });
    for (const [path, body] of [
      ["register", registration],
      ["heartbeat", beat],
      ["check", JSON.stringify({ host: source.host })],
    ] as const) {
      const headers = source.key.headers(source.host, `/agent/v1/${path}`, body);
      expect(await post(path, body, headers)).toMatchObject({ status: 200 });
      const before = await cloud.scan();
      expect(await post(path, body, headers)).toMatchObject({
        status: 409,
        body: { code: "request-replayed" },
      });
      expect(await cloud.scan()).toEqual(before);
    }
    await source.send("register", { host: source.host, facts });
  });

  it.each([-301, 301, -86_400])(
    "cannot be sent %d s away from the cloud's clock: yesterday's completion",
    async (seconds) => {
      const before = await cloud.scan();
      const body = batchOf(source, exited(made.vm));
      source.seq -= 1;
      const at = new Date(Date.now() + seconds * 1_000).toISOString();
      const headers = source.key.headers(source.host, EVENTS, body, { at });
      const answer = await post("events", body, headers);
      expect(answer).toMatchObject({ status: 401, body: { code: "clock-skew" } });
      expect(answer.body.detail).toContain(at);
      expect(await cloud.scan()).toEqual(before);
    },
  );
});

describe("a join token", () => {
  const issue = async (host: string, seconds = 600) =>
    (await operate("POST", `/v1/hosts/${host}/join-token`, { seconds })).body as { token: string };

  it("cannot be used twice", async () => {
    await addHost("host-t1");
    const { token } = await issue("host-t1");
    const host = hostId("host-t1");
    const first = { host, key: new HostKey() };
    expect(await join(first, { joinToken: token })).toMatchObject({ status: 200 });
    // The agent did not get the answer, and asks again.
    expect(await join(first, { joinToken: token })).toMatchObject({ status: 200 });
    const second = { host, key: new HostKey() };
    expect(await join(second, { joinToken: token })).toMatchObject({ status: 403 });
  });

  it("cannot be used by two agents at one time", async () => {
    await addHost("host-t2");
    const { token } = await issue("host-t2");
    const host = hostId("host-t2");
    const agents = [1, 2, 3].map(() => ({ host, key: new HostKey() }));
    const answers = await Promise.all(agents.map((agent) => join(agent, { joinToken: token })));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 403, 403]);
  });

  it("cannot be used once another was issued, the key revoked, or the host retired", async () => {
    const { host } = await addHost("host-t3");
    const first = await issue(host);
    const second = await issue(host);
    const joins = async ({ token }: { token: string }) =>
      (await join({ host, key: new HostKey() }, { joinToken: token })).status;
    expect(await joins(first)).toBe(403);
    await operate("POST", `/v1/hosts/${host}/revoke-key`);
    expect(await joins(second)).toBe(403);
    const third = await issue(host);
    await operate("POST", `/v1/hosts/${host}/retire`, {});
    expect(await joins(third)).toBe(403);
  });

  it("cannot be used after its time", async () => {
    const { host } = await addHost("host-t4");
    const { token } = await issue(host);
    await cloud.update({ pk: `HOST#${host}`, sk: "META" }, "joinTokenExpiresAt", PAST);
    expect(await join({ host, key: new HostKey() }, { joinToken: token })).toMatchObject({
      status: 403,
    });
  });

  it("is not in the table", async () => {
    const { host } = await addHost("host-t5");
    const { token } = await issue(host);
    expect(JSON.stringify(await cloud.scan())).not.toContain(token);
  });
});

describe("the key of a host", () => {
  it("cannot be used once it was revoked", async () => {
    const agent = await addHost("host-k1");
    await operate("POST", `/v1/hosts/${agent.host}/revoke-key`);
    expect(await agent.emit(exited("nobody"))).toMatchObject({ status: 401 });
    const beat = { host: agent.host, instance: "i-1" };
    expect(await agent.send("heartbeat", beat)).toMatchObject({ status: 401 });
  });

  it("cannot be used once it was replaced, and the next one can", async () => {
    const agent = await addHost("host-k2");
    const { host } = agent;
    await operate("POST", `/v1/hosts/${host}/rotate-key`);
    const beat = { host, instance: "i-1" };
    expect((await agent.send("heartbeat", beat)).body).toMatchObject({ rotateKey: true });
    const key = new HostKey();
    const endorsement = agent.key.endorse(host, key);
    expect(await join({ host, key }, { endorsement })).toMatchObject({ status: 200 });
    expect(await join({ host, key }, { endorsement })).toMatchObject({ status: 200 });
    expect(await agent.send("heartbeat", beat)).toMatchObject({ status: 401 });
    const answer = await agent.send("heartbeat", beat, key);
    expect(answer.status).toBe(200);
    expect(answer.body).not.toHaveProperty("rotateKey");
  });

  it("cannot be replaced without the present one's word for this host and key", async () => {
    const agent = await addHost("host-k3");
    const { host } = agent;
    const key = new HostKey();
    const words = [
      liar.key.endorse(host, key),
      agent.key.endorse(liar.host, key),
      agent.key.endorse(host, new HostKey()),
    ];
    for (const endorsement of words) {
      expect(await join({ host, key }, { endorsement })).toMatchObject({ status: 403 });
    }
  });
});
