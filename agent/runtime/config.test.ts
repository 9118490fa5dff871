import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { testFolder } from "../testing/folder.ts";
import { readConfig } from "./config.ts";

const good = {
  host: "host-a",
  apiUrl: "https://api.example.org",
  joinTokenFile: "key",
  runDir: "/run/switchyard",
  stateDir: "state",
};

function read(config: unknown) {
  const path = join(testFolder(), "agent.json");
  writeFileSync(path, typeof config === "string" ? config : JSON.stringify(config));
  return { path, config: readConfig(path) };
}

describe("the configuration", () => {
  it("has defaults, and paths relative to the file", () => {
    const { path, config } = read(good);
    expect(config).toMatchObject({
      joinTokenFile: join(path, "../key"),
      stateDir: join(path, "../state"),
      runDir: "/run/switchyard",
      qemu: "qemu-system-x86_64",
      migrationAddress: "127.0.0.1",
      migrationPorts: { min: 49_152, max: 49_215 },
      heartbeatIntervalMs: 30_000,
      progressIntervalMs: 2_000,
    });
    expect(config.memoryBytes).toBeGreaterThan(0);
  });

  it.each([
    ["host", "Host A", /host: .*a-z, 0-9 and -.* got "Host A"/],
    ["host", undefined, /host: .*expected string.* got nothing/],
    ["apiUrl", "ftp://x", /apiUrl: .*URL.* got "ftp:\/\/x"/],
    ["migrationPorts", { min: 9, max: 9 }, /migrationPorts: expected `max` to be greater/],
    ["migrationPorts", { min: 0, max: 9 }, /migrationPorts: expected .*`min` at least 1/],
    ["migrationPorts", { min: 9, max: 0 }, /migrationPorts: expected .*or both 0/],
    ["joinTokenFile", 1, /joinTokenFile: .*expected string.* got 1/],
    ["runDir", `/${"x".repeat(33)}`, /runDir: expected at most 33 bytes/],
    ["runDir", "/a b", /runDir: .*white space/],
    ["runDir", "/a,b", /runDir: .*commas/],
    ["memoryBytes", 0, /memoryBytes: .*>0, got 0/],
    ["memoryBytes", "1G", /memoryBytes: .*expected number.* got "1G"/],
    ["migrationAddress", "0.0.0.0", /migrationAddress: expected one address.* got "0.0.0.0"/],
    ["migrationAddress", "host-a", /migrationAddress: expected an IPv4 or IPv6 address/],
    ["progressIntervalMs", 50, /progressIntervalMs: .*>=100, got 50/],
  ])("reports what is wrong with %s: %j", (field, value, message) => {
    expect(() => read({ ...good, [field]: value })).toThrow(message);
  });

  it.each([
    ["an unknown field", { ...good, hots: "x" }, /"hots"/],
    ["no object", "[]", /expected object/],
    ["no JSON", "{", /Failed to read the configuration .*agent.json/],
  ])("refuses %s", (_, config, message) => {
    expect(() => read(config)).toThrow(message);
  });

  it("refuses a file that does not exist, and names it", () => {
    expect(() => readConfig("/nonexistent/agent.json")).toThrow("/nonexistent/agent.json");
  });
});
