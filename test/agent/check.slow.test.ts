import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Finding } from "../../agent/check/finding.ts";
import { Fleet } from "../../rig/fleet.ts";
import { MODEL_QEMU } from "../../rig/qemu.ts";

const MAIN = resolve(import.meta.dirname, "../../agent/main.ts");
const PATIENCE_MS = 120_000;
const run = promisify(execFile);

type Report = { code: number; ok: boolean; findings: Finding[] };

describe("switchyard-agent check, beside the agent of a running fleet", () => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = await Fleet.start({ hosts: { "host-a": MODEL_QEMU } });
  }, PATIENCE_MS);
  afterAll(() => fleet?.stop(), PATIENCE_MS);

  /** As the agent's user would, with these changes of its configuration and environment. */
  async function check(changes: object = {}, environment: object = {}): Promise<Report> {
    const folder = join(fleet.folder, "host-a");
    const file = join(folder, "changed.json");
    const config: unknown = JSON.parse(readFileSync(join(folder, "agent.json"), "utf8"));
    writeFileSync(file, JSON.stringify({ ...Object(config), ...changes }));
    const { AWS_REGION, AWS_ENDPOINT_URL_SQS } = fleet.environment;
    const own = { AWS_REGION, AWS_ENDPOINT_URL_SQS, PATH: process.env.PATH, ...environment };
    const words = [MAIN, "check", "--json", "--config", file];
    const { code, stdout } = await run(process.execPath, words, { env: own }).then(
      ({ stdout }) => ({ code: 0, stdout }),
      (error: { code: number; stdout: string }) => error,
    );
    return { code, ...(JSON.parse(stdout) as Omit<Report, "code">) };
  }

  const wrongOf = ({ findings }: Report) =>
    findings.filter(({ level }) => level === "wrong").map(({ subject }) => subject);

  it(
    "finds control plane, key and queue, and disturbs nothing",
    async () => {
      const report = await check();
      expect(report).toMatchObject({ code: 0, ok: true });
      for (const subject of ["api", "clock", "key", "queue", "qemu"] as const) {
        expect(report.findings).toContainEqual(expect.objectContaining({ subject, level: "ok" }));
      }
      expect(fleet.agent("host-a").isRunning).toBe(true);
      expect((await fleet.api.getHost("host-a")).state).toBe("active");
    },
    PATIENCE_MS,
  );

  it.each([
    ["no control plane there", { apiUrl: "http://127.0.0.1:1" }, {}, ["api"]],
    ["something else there", { apiUrl: "$queues" }, {}, ["api"]],
    ["no endpoint of the queues", {}, { AWS_ENDPOINT_URL_SQS: "http://127.0.0.1:1" }, ["queue"]],
    ["no region", {}, { AWS_REGION: undefined }, ["queue"]],
    ["no key and no join token", { stateDir: "other", joinTokenFile: "absent" }, {}, ["key"]],
  ])(
    "says what is wrong: %s",
    async (_, changes, environment, subjects) => {
      const queues = fleet.environment.AWS_ENDPOINT_URL_SQS;
      const text = JSON.stringify(changes).replace("$queues", queues ?? "");
      const report = await check(JSON.parse(text) as object, environment);
      expect(report).toMatchObject({ code: 1, ok: false });
      expect(wrongOf(report)).toEqual(subjects);
    },
    PATIENCE_MS,
  );

  it(
    "says that the host's key was revoked",
    async () => {
      await fleet.api.revokeHostKey("host-a");
      const report = await check();
      expect(wrongOf(report)).toEqual(["key"]);
      const key = report.findings.find(({ subject }) => subject === "key");
      expect(key).toMatchObject({
        found: expect.stringContaining("its key was revoked"),
        cure: expect.stringContaining("switchyard host join-token host-a"),
      });
    },
    PATIENCE_MS,
  );
});
