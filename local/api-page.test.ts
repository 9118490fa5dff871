import { expect, it } from "vitest";
import { createApiPage, isForApiPage } from "./api-page.ts";

const app = createApiPage();

it("is made of files of this address alone, and may ask for no other", async () => {
  const page = await app.request("/docs");
  const html = await page.text();
  expect(page.headers.get("content-security-policy")).toContain("default-src 'self'");
  const files = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file = ""]) => file);
  expect(files.length).toBe(4);
  for (const file of files) {
    expect(file).toMatch(/^\/docs\//);
    expect((await app.request(file)).status, file).toBe(200);
  }
  const start = await (await app.request("/docs/start.js")).text();
  expect(`${html}${start}`).not.toMatch(/https?:|\/\/\w/);
});

it.each(["/docs/package.json", "/docs/..%2fpackage.json", "/docs/swagger-ui.js.map"])(
  "has no %s",
  async (path) => {
    expect((await app.request(path)).status).toBe(404);
  },
);

it.each([
  ["GET", "/docs", true],
  ["GET", "/docs/start.js", true],
  ["POST", "/docs", false],
  ["GET", "/docsx", false],
])("%s %s is for it: %s", (method, path, expected) => {
  expect(isForApiPage(new Request(`http://127.0.0.1${path}`, { method }))).toBe(expected);
});
