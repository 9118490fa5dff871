import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { keys } from "../../functions/store/keys.ts";
import { getItem, updateIf } from "../../functions/store/table.ts";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { facts } from "./testing/fixtures.ts";
import { addHost, operate, type TestAgent } from "./testing/fleet.ts";

let cloud: TestCloud;
let agent: TestAgent;
beforeAll(async () => {
  cloud = await startTestCloud();
  agent = await addHost("host-a");
});
afterAll(() => cloud.close());

const event = () => ({ type: "guest.run-state", vm: "vm-1", runState: "running" }) as never;
const record = () => getItem(keys.host(agent.host));
const shown = async () => (await operate("GET", `/v1/hosts/${agent.host}`)).body;

describe("the numbers of a host's events and requests", () => {
  it("are not in the record that has its slots: no batch conflicts with a migration", async () => {
    const before = await record();
    expect(before).toHaveProperty("reservedBytes");
    for (let batch = 0; batch < 3; batch += 1) {
      expect((await agent.emit(event())).status).toBe(200);
    }
    const heartbeat = await agent.send("heartbeat", { host: agent.host, instance: "one" });
    expect(heartbeat.status).toBe(200);
    expect((await agent.send("check", { host: agent.host })).status).toBe(200);
    expect(await record()).toEqual(before);
    expect(await shown()).toMatchObject({ lastEventAt: expect.any(String) });
  });

  it("of an earlier version, in the record, go on where they were", async () => {
    const old = await addHost("host-old");
    const earlier = "2026-01-01T00:00:00.000Z";
    const set = { ":seq": 41, ":at": earlier };
    const update = "SET #lastSeq = :seq, #requestSeq = :seq, #lastEventAt = :at";
    await updateIf({ key: keys.host(old.host), update, values: set });
    const { body } = await old.send("register", { host: old.host, facts });
    expect(body.acceptedSeq).toBe(41);
    old.seq = 42;
    expect(await old.emit(event())).toMatchObject({ status: 409, body: { expectedSeq: 42 } });
    old.seq = 41;
    expect(await old.emit(event())).toMatchObject({ status: 200, body: { acceptedSeq: 42 } });
    old.seq = 41;
    expect(await old.emit(event())).toMatchObject({ status: 200, body: { acceptedSeq: 42 } });
  });

  it("begin anew with the next host of that name", async () => {
    await agent.emit(event());
    await operate("POST", `/v1/hosts/${agent.host}/retire`, { owner: "ops" });
    const next = await addHost(agent.host);
    expect(await next.emit(event())).toMatchObject({ status: 200, body: { acceptedSeq: 1 } });
  });
});
