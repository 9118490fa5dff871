import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";

const FOLDER = join(import.meta.dirname, "../../dist/dashboard");
const KIB = 1024;

function gzipBytes(kind: RegExp): number {
  const names = readdirSync(join(FOLDER, "assets")).filter((name) => kind.test(name));
  expect(names).not.toEqual([]);
  const sizes = names.map((name) => gzipSync(readFileSync(join(FOLDER, "assets", name))).length);
  return sizes.reduce((sum, size) => sum + size, 0);
}

describe("what a browser loads, compressed", () => {
  it("is at most 45 KiB of JavaScript for the first page", () => {
    // What those pages load when they are opened is not of the first page.
    expect(gzipBytes(/^(?!samples-chart|evacuation|schedules).*\.js$/)).toBeLessThanOrEqual(
      45 * KIB,
    );
  });

  it("is at most 30 KiB of JavaScript for the charts", () => {
    expect(gzipBytes(/^samples-chart.*\.js$/)).toBeLessThanOrEqual(30 * KIB);
  });

  it("is at most 10 KiB of CSS", () => {
    expect(gzipBytes(/\.css$/)).toBeLessThanOrEqual(10 * KIB);
  });

  it("has no schemas in it, and names no other address", () => {
    const text = readdirSync(join(FOLDER, "assets"))
      .filter((name) => name.endsWith(".js"))
      .map((name) => readFileSync(join(FOLDER, "assets", name), "utf8"))
      .join();
    expect(text).not.toContain("ZodObject");
    const addresses = [...text.matchAll(/https?:\/\/[\w.-]+/g)].map(([address]) => address);
    expect(addresses.filter((address) => !address.startsWith("http://www.w3.org"))).toEqual([]);
  });
});
