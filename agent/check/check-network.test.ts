import { execFileSync } from "node:child_process";
import { copyFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { AgentConfig } from "../runtime/config.ts";
import { testFolder } from "../testing/folder.ts";
import { clockFinding } from "./check-control-plane.ts";
import { checkNetwork, tlsFinding } from "./check-network.ts";

const DAY_MS = 86_400_000;
const ADDRESS = "192.0.2.7";

async function ports(config: object) {
  const fields = { host: "host-a", apiUrl: "http://127.0.0.1:9", runDir: "/r", stateDir: "/s" };
  return (await checkNetwork(AgentConfig.parse({ ...fields, ...config })))[0];
}

/** Two ports, of which the lower one is taken. */
async function takenRange(): Promise<{ min: number; max: number }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("Expected a port");
  return { min: address.port, max: address.port + 1 };
}

describe("the migration network", () => {
  it("is for this machine alone on loopback", async () => {
    const range = { migrationPorts: { min: 0, max: 0 } };
    expect(await ports(range)).toMatchObject({
      level: "warning",
      cure: expect.stringContaining("migrationAddress"),
    });
  });

  it("is wrong by an address of another host, or where a migration's ports are taken", async () => {
    expect(await ports({ migrationAddress: ADDRESS })).toMatchObject({
      level: "wrong",
      found: expect.stringContaining("EADDRNOTAVAIL"),
    });
    expect(await ports({ migrationPorts: await takenRange() })).toMatchObject({
      level: "wrong",
      found: expect.stringContaining("Expected a free port"),
    });
  });
});

/** Certificates of an authority for both sides, valid for some days. */
function certificates(days: number, address = ADDRESS): string {
  const dir = testFolder();
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"];
  const subject = ["-subj", "/CN=host", "-addext", `subjectAltName=IP:${address}`];
  const files = ["-keyout", join(dir, "server-key.pem"), "-out", join(dir, "server-cert.pem")];
  const words = ["req", "-x509", ...key, "-days", String(days), ...subject, ...files];
  execFileSync("openssl", words, { stdio: "pipe" });
  copyFileSync(join(dir, "server-cert.pem"), join(dir, "ca-cert.pem"));
  for (const part of ["cert", "key"]) {
    copyFileSync(join(dir, `server-${part}.pem`), join(dir, `client-${part}.pem`));
  }
  return dir;
}

describe("the certificates", () => {
  const look = (dir: string, laterDays = 0) =>
    tlsFinding({ tls: { dir }, migrationAddress: ADDRESS }, Date.now() + laterDays * DAY_MS);

  it("are in order, about to expire, expired", () => {
    const dir = certificates(100);
    expect(look(dir)).toMatchObject({ level: "ok" });
    expect(look(dir, 90)).toMatchObject({
      level: "warning",
      found: expect.stringMatching(/expires/),
    });
    expect(look(dir, 101)).toMatchObject({
      level: "wrong",
      found: expect.stringMatching(/expired/),
    });
  });

  it("are missing, or name another host", () => {
    expect(look(testFolder())).toMatchObject({
      level: "wrong",
      found: expect.stringContaining("server-key.pem"),
    });
    expect(look(certificates(100, "192.0.2.8"))).toMatchObject({
      level: "warning",
      found: expect.stringContaining(ADDRESS),
    });
  });
});

it.each([
  [900, "ok", /agrees/],
  [-6_000, "warning", /6 s behind/],
  [30_000, "wrong", /30 s ahead of .* too old/],
  [-400_000, "wrong", /400 s behind/],
])("a clock that is off by %i ms is %s", (offMs, level, found) => {
  expect(clockFinding(offMs)).toMatchObject({
    subject: "clock",
    level,
    found: expect.stringMatching(found),
  });
});
