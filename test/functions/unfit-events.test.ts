import { beforeEach, describe, expect, it } from "vitest";
import type { Migration } from "../../core/migration/migration.ts";
import type { EventBody } from "../../core/protocol/event.ts";
import { ITEM_BYTES_MAX } from "../../emulators/aws/dynamodb/item-bytes.ts";
import { keys } from "../../functions/store/keys.ts";
import { facts, smallDefinition } from "./testing/fixtures.ts";
import { addMigration, addVm, operate } from "./testing/fleet.ts";
import { storedBytes } from "./testing/stored-bytes.ts";
import { TwoHosts } from "./testing/two-hosts.ts";

/** What is left of the migration's record: little progress fits, and much does not. */
const LEFT_BYTES = 150;

const hosts = TwoHosts.forEachTest();
let made: Migration;

beforeEach(async () => {
  made = await addMigration(hosts.vm, "host-b");
});

function about(body: object): EventBody {
  const { id: migrationId, vm, epoch } = made;
  return { migrationId, vm, epoch, ...body } as EventBody;
}
const progress = (status: string, figures = {}) =>
  about({ type: "migration.progress", progress: { status, ...figures } });
const names = ["totalTimeMs", "ramTotalBytes", "ramTransferredBytes", "ramRemainingBytes"];
const more = ["dirtyBytesPerSecond", "bandwidthBytesPerSecond", "expectedDowntimeMs"];
const unfitProgress = () =>
  progress("active", Object.fromEntries([...names, ...more].map((name) => [name, 1_234_567])));

async function fillRecord(): Promise<void> {
  const key = keys.migration(made.id);
  const bytes = ITEM_BYTES_MAX - (await storedBytes(key)) - LEFT_BYTES - "filler".length;
  await hosts.cloud.update(key, "filler", "x".repeat(bytes));
}
const record = async () => (await operate("GET", `/v1/migrations/${made.id}`)).body;
const timeline = async () => {
  const { items } = (await operate("GET", `/v1/migrations/${made.id}/timeline`)).body as {
    items: { type: string; detail: Record<string, unknown> }[];
  };
  return items;
};

describe("F2: an event that the table refuses for good", () => {
  it("is passed, the events around it take effect, and the host is heard on", async () => {
    await fillRecord();
    const started = about({ type: "migration.started" });
    const bodies = [started, unfitProgress(), progress("active")];
    expect(await hosts.source.emit(...bodies)).toMatchObject({
      status: 200,
      body: { acceptedSeq: hosts.source.seq },
    });
    expect(await record()).toMatchObject({ progress: { status: "active" } });
    expect(await hosts.source.emit(progress("device"))).toMatchObject({ status: 200 });
    expect(await record()).toMatchObject({ progress: { status: "device" } });
  });

  it("is noted in the migration's timeline and at its host, with the reason", async () => {
    await fillRecord();
    await hosts.source.emit(unfitProgress());
    const { seq } = hosts.source;
    const unfit = (await timeline()).filter(({ type }) => type === "event.unfit");
    expect(unfit).toMatchObject([{ detail: { event: "migration.progress" } }]);
    expect(unfit[0]?.detail.reason).toMatch(/size/i);
    const host = (await operate("GET", "/v1/hosts/host-a")).body;
    expect(host.unfitEvent).toMatchObject({ seq, type: "migration.progress" });
  });

  it("an answer of 200 Ki characters of three bytes each fails its command, and no more", async () => {
    await addVm("vm-x", hosts.source, smallDefinition);
    await operate("DELETE", "/v1/vms/vm-x");
    const [command] = await hosts.source.take();
    const result = { text: "€".repeat(200 * 1024) };
    const commandId = command?.id as never;
    const answer = await hosts.source.emit({ type: "command.completed", commandId, result });
    expect(answer).toMatchObject({ status: 200, body: { acceptedSeq: hosts.source.seq } });
    expect((await operate("GET", "/v1/hosts/host-a")).body.unfitEvent).not.toMatchObject({
      seq: hosts.source.seq,
    });
  });
});

describe("E7: two agents with one host's key", () => {
  const register = (instance?: string) =>
    hosts.source.send("register", { host: "host-a", facts, ...(instance ? { instance } : {}) });
  const emit = (instance?: string) => {
    const events = hosts.source.number({ type: "guest.exited", vm: "vm-9" as never, detail: "" });
    const batch = { version: 1, host: "host-a", events, ...(instance ? { instance } : {}) };
    return hosts.source.send("events", batch);
  };

  it("the newer one is heard; the older one is refused, with what to do", async () => {
    await register("older");
    expect(await emit("older")).toMatchObject({ status: 200 });
    await register("newer");
    const refused = await emit("older");
    hosts.source.seq -= 1;
    expect(refused).toMatchObject({ status: 409, body: { code: "superseded" } });
    expect(refused.body.detail).toMatch(/instance newer.*this one is older.*stop one of them/);
    expect(await emit("newer")).toMatchObject({ status: 200 });
  });

  it("either may ask whether it is the newest one, without an event", async () => {
    const ask = (instance: string) =>
      hosts.source.send("events", { version: 1, host: "host-a", events: [], instance });
    await register("newer");
    expect(await ask("older")).toMatchObject({ status: 409, body: { code: "superseded" } });
    expect(await ask("newer")).toMatchObject({
      status: 200,
      body: { acceptedSeq: hosts.source.seq },
    });
  });

  it("an agent of an earlier version, without an instance, works", async () => {
    await register("newer");
    expect(await emit()).toMatchObject({ status: 200 });
    await register();
    expect(await emit()).toMatchObject({ status: 200 });
    expect(await emit("any")).toMatchObject({ status: 200 });
  });

  it("the boot id is among the facts of the host", async () => {
    const bootId = "5a1fbd8c-8f0a-4a5e-9d5e-0e8b8a2f6f11";
    await hosts.source.send("register", {
      host: "host-a",
      facts: { ...facts, bootId },
      instance: "i",
    });
    expect((await operate("GET", "/v1/hosts/host-a")).body).toMatchObject({ facts: { bootId } });
  });
});
