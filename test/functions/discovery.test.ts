import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FoundGuests } from "../../core/protocol/found-guest.ts";
import type { Proposal } from "../../core/protocol/proposal.ts";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { definition } from "./testing/fixtures.ts";
import { addHost, operate, type TestAgent } from "./testing/fleet.ts";

let cloud: TestCloud;
let agent: TestAgent;

beforeAll(async () => {
  cloud = await startTestCloud();
  agent = await addHost("host-a");
});

afterAll(() => cloud.close());

const digest = "ab".repeat(32);
const proposal: Proposal = { definition, digest, pid: 7, notes: [] };
const adopt = { qmpPath: "/run/web.qmp" };
const web = { id: "web", host: "host-a", adopt };

/** Takes the command of a request that waits for it. */
async function commandOf(request: Promise<unknown>) {
  for (;;) {
    const [command] = await agent.take();
    if (command !== undefined) return command;
    await Promise.race([request, new Promise((resolve) => setImmediate(resolve))]);
  }
}

const answer = async (request: ReturnType<typeof operate>, result: unknown) => {
  const command = await commandOf(request);
  await agent.emit({ type: "command.completed", commandId: command.id, result });
  return { command, answered: await request };
};

describe("the QEMUs of a host", () => {
  const found: FoundGuests = {
    items: [
      {
        pid: 7,
        owner: "shell",
        binary: "/usr/bin/qemu-system-x86_64",
        uid: 0,
        monitors: [{ path: "/run/web.qmp", state: "free" }],
        adoptable: true,
        advice: "",
      },
    ],
    total: 1,
  };

  it("are what its agent answers, and nothing stays behind", async () => {
    const before = await cloud.scan();
    const asking = operate("GET", "/v1/hosts/host-a/guests");
    const { command, answered } = await answer(asking, found);
    expect(command).toMatchObject({ verb: "host.guests", vm: "host-a", args: {} });
    expect(answered).toMatchObject({ status: 200, body: found });
    expect((await cloud.scan()).map(({ pk }) => pk)).toEqual(before.map(({ pk }) => pk));
  });

  it("are refused where the answer is not one, or the agent refuses", async () => {
    const wrong = { items: Array.from({ length: 129 }, () => found.items[0]), total: 129 };
    const { answered } = await answer(operate("GET", "/v1/hosts/host-a/guests"), wrong);
    expect(answered).toMatchObject({ status: 409, body: { code: "host-refused" } });
    await operate("POST", "/v1/hosts", { id: "host-joining" });
    const joining = await operate("GET", "/v1/hosts/host-joining/guests");
    expect(joining).toMatchObject({ status: 409, body: { code: "host-not-active" } });
    const none = await operate("GET", "/v1/hosts/host-z/guests");
    expect(none).toMatchObject({ status: 404, body: { code: "host-not-found" } });
  });
});

describe("the definition `discover`", () => {
  it("is answered with a proposal, and no VM is made", async () => {
    const asking = operate("POST", "/v1/vms", { ...web, definition: "discover" });
    const { command, answered } = await answer(asking, proposal);
    expect(command).toMatchObject({ verb: "guest.discover", vm: "web", epoch: 0, args: adopt });
    expect(answered).toMatchObject({ status: 200, body: proposal });
    expect(await operate("GET", "/v1/vms/web")).toMatchObject({ status: 404 });
  });

  it("has the agent's words where it is refused", async () => {
    const asking = operate("POST", "/v1/vms", { ...web, definition: "discover" });
    const { id: commandId } = await commandOf(asking);
    const error = { code: "refused", message: "libvirt holds its only monitor" } as const;
    await agent.emit({ type: "command.failed", commandId, error });
    const detail = "Host host-a refused: refused: libvirt holds its only monitor";
    expect(await asking).toMatchObject({ status: 409, body: { code: "host-refused", detail } });
  });

  it.each([
    [{ ...web, adopt: undefined }, "adopt"],
    [{ ...web, adopt: { ...adopt, digest } }, "adopt.digest"],
    [{ ...web, adopt: { ...adopt, digest: "1" } }, "adopt.digest"],
  ])("is refused with %j", async (body, field) => {
    const refused = await operate("POST", "/v1/vms", { ...body, definition: "discover" });
    expect(refused).toMatchObject({ status: 422, body: { errors: [{ field }] } });
  });

  it("is confirmed by an adoption that names its digest", async () => {
    const body = { ...web, adopt: { ...adopt, digest }, definition };
    expect(await operate("POST", "/v1/vms", body)).toMatchObject({ status: 202 });
    const command = await agent.complete({ definition, pid: 7, runState: "running" });
    expect(command).toMatchObject({ verb: "guest.adopt", args: { ...adopt, digest, definition } });
    const again = await operate("POST", "/v1/vms", { ...web, definition: "discover" });
    expect(again).toMatchObject({ status: 409, body: { code: "vm-exists" } });
  });
});

describe("a command line", () => {
  const importing = (commandLine: unknown) =>
    operate("POST", "/v1/definitions/import", { commandLine });

  it("becomes a definition with what was lost", async () => {
    const { status, body } = await importing("kvm -nodefaults -m 64 -spice port=1");
    expect(status).toBe(200);
    expect(body).toMatchObject({
      definition: { memoryBytes: 64 << 20 },
      notes: [{ outcome: "lost", option: "-spice port=1" }],
    });
  });

  it("that makes none is refused with the reason", async () => {
    const refused = await importing("kvm -m 64 -readconfig /etc/a.cfg");
    expect(refused).toMatchObject({ status: 422, body: { code: "not-importable" } });
    expect(refused.body.detail).toContain("-readconfig cannot be imported");
    expect(await importing("")).toMatchObject({ status: 422, body: { code: "invalid" } });
  });
});
