import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Hono } from "hono";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDashboard, isForApi, SignInCode } from "./dashboard.ts";

const code = new SignInCode();
let folder: string;
let app: Hono;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sy-dashboard-"));
  mkdirSync(join(folder, "assets"));
  writeFileSync(join(folder, "index.html"), "<p>index</p>");
  writeFileSync(join(folder, "assets/a-1.js"), "1");
  app = createDashboard({ token: "secret", code, folder });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function signIn(body: string) {
  return app.request("/sign-in", { method: "POST", body });
}

describe("the dashboard's files", () => {
  it("may do nothing with any other address, and are asked for anew but for hashed ones", async () => {
    const index = await app.request("/");
    expect(await index.text()).toBe("<p>index</p>");
    expect(index.headers.get("content-security-policy")).toContain("default-src 'self'");
    expect(index.headers.get("cache-control")).toBe("no-store");
    const asset = await app.request("/assets/a-1.js");
    expect(asset.headers.get("cache-control")).toContain("immutable");
    expect(asset.headers.get("content-type")).toContain("text/javascript");
  });

  it("are those of their folder alone", async () => {
    expect((await app.request("/assets/..%2f..%2f..%2fetc/passwd")).status).toBe(404);
    expect((await app.request("/assets/missing.js")).headers.get("cache-control")).toBe("no-store");
  });

  it("are missing before they are built, and the answer says what builds them", async () => {
    const none = createDashboard({ token: "t", code, folder: join(folder, "none") });
    expect(await (await none.request("/")).text()).toContain("npm run build:dashboard");
  });
});

describe("the sign-in code", () => {
  it("is exchanged for the token once, and a wrong one does not use it up", async () => {
    for (const body of ["", "null", "{}", '{"code":"wrong"}']) {
      expect((await signIn(body)).status).toBe(401);
    }
    const first = await signIn(JSON.stringify({ code: code.value }));
    expect(await first.json()).toEqual({ token: "secret" });
    expect((await signIn(JSON.stringify({ code: code.value }))).status).toBe(401);
  });
});

describe("a request", () => {
  it.each([
    ["GET", "/v1/hosts", true],
    ["GET", "/metrics", true],
    ["DELETE", "/anything", true],
    ["GET", "/", false],
    ["HEAD", "/assets/a.js", false],
    ["GET", "/v1x", false],
    ["POST", "/sign-in", false],
  ])("%s %s is for the API: %s", (method, path, expected) => {
    expect(isForApi(new Request(`http://127.0.0.1${path}`, { method }))).toBe(expected);
  });
});
