import { generateKeyPairSync } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { commandText } from "../../core/protocol/command.ts";
import { keyIdOf, publicKeyOf, signText } from "../../core/protocol/signature.ts";
import { modelQemu } from "../../rig/qemu.ts";
import { waitUntil } from "../../rig/wait-until.ts";
import { PATIENCE_MS, Stage } from "../e2e/testing/stage.ts";

vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS });

/** On the model: these tests concern no QEMU. */
describe("a real agent", () => {
  let stage: Stage;
  beforeAll(async () => {
    const hosts = { "host-a": modelQemu().path };
    stage = await Stage.start({ hosts, agent: { heartbeatIntervalMs: 1_000 } });
  });
  afterAll(() => stage?.close());

  const keyOf = async () => (await stage.api.getHost("host-a")).key?.id;

  it("keeps its key in a file of mode 600, and gets no access key from its surroundings", () => {
    const path = join(stage.fleet.folder, "host-a/state/identity.json");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const { pid } = stage.fleet.agent("host-a");
    const environment = readFileSync(`/proc/${pid}/environ`, "utf8");
    expect(environment).not.toMatch(/AWS_ACCESS_KEY_ID|AWS_SECRET_ACCESS_KEY|SIGNING_KEY/);
  });

  it("replaces its key when it is asked to, and goes on taking commands", async () => {
    const before = await keyOf();
    await stage.api.rotateHostKey("host-a");
    await waitUntil("another key", async () => ((await keyOf()) === before ? undefined : true), {
      timeoutMs: 20_000,
    });
    await stage.fleet.startVm("after", "host-a", await stage.definition());
    expect((await stage.api.getHost("host-a")).rotateKey).toBeUndefined();
  });

  it("does not carry out a command that the control plane has not signed", async () => {
    const { privateKey } = generateKeyPairSync("ed25519");
    const command = {
      id: "forged.guest-stop.1",
      host: "host-a",
      vm: "after",
      epoch: 1_000,
      verb: "guest.stop",
      args: { mode: "quit" },
      issuedAt: new Date().toISOString(),
      expiresAt: new Date(Date.now() + 60_000).toISOString(),
    };
    const keyId = keyIdOf(publicKeyOf(privateKey));
    const signature = signText(privateKey, commandText(command));
    const pid = stage.fleet.guestPid("host-a", "after");
    await send(JSON.stringify({ version: 2, command, keyId, signature }));
    await waitUntil(
      "the agent to refuse it",
      () => (/is signed with the unknown key/.test(log()) ? true : undefined),
      { timeoutMs: 20_000 },
    );
    expect(stage.fleet.guestPid("host-a", "after")).toBe(pid);
    expect(await stage.api.getVm("after")).toMatchObject({ state: "running" });
  });

  /** As somebody who may send to the host's queue. */
  async function send(MessageBody: string): Promise<void> {
    const { environment } = stage.fleet;
    const sqs = new SQSClient({
      region: environment.AWS_REGION ?? "",
      endpoint: environment.AWS_ENDPOINT_URL_SQS ?? "",
      credentials: {
        accessKeyId: environment.AWS_ACCESS_KEY_ID ?? "",
        secretAccessKey: environment.AWS_SECRET_ACCESS_KEY ?? "",
      },
    });
    const { queueUrl: QueueUrl } = await stage.api.getHost("host-a");
    try {
      await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }));
    } finally {
      sqs.destroy();
    }
  }

  function log(): string {
    const path = stage.fleet.agentLog("host-a");
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  }
});
