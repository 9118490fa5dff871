import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from "vitest";
import { TLS_OBJECT } from "../../core/negotiate/tls.ts";
import { ownedFolder, removeFolder } from "../../rig/owned-folder.ts";
import type { TestHost } from "./testing/host.ts";
import { migrationId, Pair, SLOW, VM } from "./testing/pair.ts";
import { describeOnQemu } from "./testing/subjects.ts";
import { Wiretap } from "./testing/wiretap.ts";

const named = { "tls-creds": TLS_OBJECT };
const multifd = { on: ["multifd"], parameters: { ...named, "multifd-channels": 4 } };
/** A TLS record of the kind handshake. */
const HANDSHAKE = Buffer.from([0x16, 0x03]);
/** Magic number of QEMU's stream, and the name of the guest's memory in it. */
const IN_CLEAR = ["QEVM", "pc.ram"];

const keyFile = (host: TestHost) => join(host.config.runDir, VM, "keys.psk");
const groupFile = (host: TestHost) => join(host.config.runDir, VM, "dh-params.pem");

/** Neither file nor object nor a parameter that names it. */
async function leavesNothing(host: TestHost): Promise<void> {
  const { qmp } = host.guests.get(host.vm(VM));
  await vi.waitFor(
    async () => {
      const objects = await qmp.execute("qom-list", { path: "/objects" });
      expect(objects.map(({ name }) => name)).not.toContain(TLS_OBJECT);
      expect((await qmp.execute("query-migrate-parameters"))["tls-creds"]).toBe("");
    },
    { timeout: 10_000 },
  );
  expect(existsSync(keyFile(host))).toBe(false);
  expect(existsSync(groupFile(host))).toBe(false);
}

describeOnQemu("the stream under TLS with a key of the migration", (subject) => {
  // The model compares credentials and does not encrypt: there is nothing to see on its wire.
  const itOnWire = it.skipIf(subject.isModel);
  let pair: Pair;
  beforeEach(async () => {
    pair = new Pair(subject);
    await pair.startGuest();
  });
  afterEach(() => pair.close());

  const prepare = (options: typeof multifd | { parameters: typeof named }) =>
    pair.prepare(undefined, undefined, { ...options, tls: "psk" });

  it("both sides report that they can", async () => {
    const { definition } = pair;
    if (!definition) throw new Error("Expected a definition");
    expect(await pair.source.run("source.probe", VM, {})).toMatchObject({ tls: ["psk"] });
    expect(await pair.target.run("target.probe", "vm2", { definition })).toMatchObject({
      tls: ["psk"],
    });
  });

  itOnWire.each([
    ["one connection", { parameters: named }],
    ["multifd", multifd],
  ])("a guest moves over %s, nothing of it in clear, and no key is left", async (_, options) => {
    const prepared = await prepare(options);
    expect(statSync(keyFile(pair.target)).mode & 0o777).toBe(0o600);
    expect(existsSync(groupFile(pair.target))).toBe(true);
    const tap = await Wiretap.before(prepared.migrationUri);
    onTestFinished(() => tap.close());
    await pair.start({ ...options, tls: "psk", prepared: { ...prepared, migrationUri: tap.uri } });
    await pair.hasMoved();
    expect(tap.connections).toHaveLength("on" in options ? 5 : 1);
    for (const connection of tap.connections) {
      expect(connection.subarray(0, 2)).toEqual(HANDSHAKE);
      for (const text of IN_CLEAR) expect(connection.includes(text)).toBe(false);
    }
    await leavesNothing(pair.source);
    await leavesNothing(pair.target);
  });

  itOnWire("without it the same wire shows the guest", async () => {
    const prepared = await pair.prepare();
    const tap = await Wiretap.before(prepared.migrationUri);
    onTestFinished(() => tap.close());
    await pair.start({ prepared: { ...prepared, migrationUri: tap.uri } });
    await pair.hasMoved();
    for (const text of IN_CLEAR) expect(tap.connections[0]?.includes(text)).toBe(true);
  });

  it.each([
    ["one connection", { parameters: named }],
    ["multifd", multifd],
  ])("a wrong key over %s fails, the guest runs on, nothing is left", async (_, options) => {
    const prepared = await prepare(options);
    writeFileSync(keyFile(pair.target), `${migrationId}:${"00".repeat(32)}\n`);
    await pair.start({ ...options, tls: "psk", prepared });
    const { body } = await pair.source.waitFor("migration.failed");
    expect(body.errorDescription).toContain("TLS handshake");
    await pair.hasRun(pair.source);
    await leavesNothing(pair.source);
    expect(pair.source.guests.get(pair.source.vm(VM)).manifest.migration).toMatchObject({
      over: true,
    });
    // QEMU's target shrugs at a failed handshake and listens on: the cloud has it ended.
    expect(await pair.target.run("migration.observe", VM, {}, { migrationId })).toMatchObject({
      permittedToRun: false,
    });
    await pair.target.run("target.discard", VM, {}, { migrationId });
    expect(readdirSync(pair.target.config.runDir)).toEqual([]);
  });

  it("a cancelled one leaves nothing, nor one whose agent was restarted meanwhile", async () => {
    const slow = { parameters: { ...named, "max-bandwidth": SLOW } };
    const prepared = await prepare({ parameters: named });
    await pair.start({ ...slow, tls: "psk", prepared });
    expect(existsSync(keyFile(pair.source))).toBe(true);
    pair.source = await pair.source.restart();
    await pair.source.run("source.cancel", VM, {}, { migrationId });
    await leavesNothing(pair.source);
    await pair.hasRun(pair.source);
  });

  it("is refused before anything begins when certificates are asked for and there are none", async () => {
    const preparing = pair.prepare(undefined, undefined, { parameters: named, tls: "x509" });
    await expect(preparing).rejects.toThrow("tls.dir");
    expect(readdirSync(pair.target.config.runDir)).toEqual([]);
  });
});

describeOnQemu("the stream under TLS with certificates", (subject) => {
  // The model compares the authority's file by its path, and both hosts read the same one here.
  const itOnReal = it.skipIf(subject.isModel || !hasOpenssl());
  let dir: string;
  let pair: Pair;
  beforeEach(() => {
    dir = ownedFolder("sy-x509-");
    pair = new Pair(subject, { tls: { dir } });
  });
  afterEach(async () => {
    await pair.close();
    removeFolder(dir);
  });

  itOnReal("a guest moves, and both sides had to show theirs", async () => {
    certify(dir);
    await pair.startGuest();
    const probe = await pair.source.run("source.probe", VM, {});
    expect(probe.tls).toEqual(["psk", "x509"]);
    const options = { ...multifd, tls: "x509" as const };
    const prepared = await pair.prepare(undefined, undefined, options);
    const tap = await Wiretap.before(prepared.migrationUri);
    onTestFinished(() => tap.close());
    await pair.start({ ...options, prepared: { ...prepared, migrationUri: tap.uri } });
    await pair.hasMoved();
    for (const connection of tap.connections) expect(connection.subarray(0, 2)).toEqual(HANDSHAKE);
    await leavesNothing(pair.source);
    await leavesNothing(pair.target);
  });

  itOnReal("a certificate of another authority is refused, and the guest runs on", async () => {
    certify(dir);
    await pair.startGuest();
    const options = { parameters: named, tls: "x509" as const };
    const prepared = await pair.prepare(undefined, undefined, options);
    certify(dir);
    await pair.start({ ...options, prepared });
    await pair.source.waitFor("migration.failed");
    await pair.hasRun(pair.source);
    await leavesNothing(pair.source);
  });
});

function hasOpenssl(): boolean {
  try {
    execFileSync("openssl", ["version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** An authority, and a certificate for 127.0.0.1 as server and as client. */
function certify(dir: string): void {
  const openssl = (...args: string[]) =>
    execFileSync("openssl", args, { cwd: dir, stdio: ["ignore", "ignore", "pipe"] });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl(
    "req",
    "-x509",
    ...key,
    "-keyout",
    "ca-key.pem",
    "-out",
    "ca-cert.pem",
    "-days",
    "2",
    "-subj",
    "/CN=authority",
    "-addext",
    "keyUsage=critical,keyCertSign",
  );
  for (const [part, usage] of [
    ["server", "serverAuth"],
    ["client", "clientAuth"],
  ]) {
    openssl(
      "req",
      "-x509",
      ...key,
      "-keyout",
      `${part}-key.pem`,
      "-out",
      `${part}-cert.pem`,
      "-days",
      "2",
      "-subj",
      `/CN=${part}`,
      "-CA",
      "ca-cert.pem",
      "-CAkey",
      "ca-key.pem",
      "-addext",
      "basicConstraints=critical,CA:FALSE",
      "-addext",
      "keyUsage=critical,digitalSignature,keyEncipherment",
      "-addext",
      `extendedKeyUsage=${usage}`,
      "-addext",
      "subjectAltName=IP:127.0.0.1",
    );
  }
}
