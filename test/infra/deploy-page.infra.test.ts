import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { importPrivateKey, publicKeyOf } from "../../core/protocol/signature.ts";
import { idleBill, migrationBill, total } from "../../cost/model.ts";
import { throttles } from "../../infra/routes.ts";
import { ofType } from "./evaluation.ts";
import { ROOT } from "./tools.ts";

const page = readFileSync(join(ROOT, "docs/operate/deploy.md"), "utf8");
const blocks = [...page.matchAll(/^ *```sh\n([\s\S]*?)^ *```/gm)].map(([, text = ""]) => text);
const block = (part: string) => {
  const found = blocks.filter((text) => text.includes(part));
  if (found.length !== 1)
    throw new Error(`Expected one block with \`${part}\`, got ${found.length}`);
  return found[0] ?? "";
};

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sy-deploy-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (script: string) =>
  execFileSync("bash", ["-eu", "-o", "pipefail", "-c", script], { cwd: folder, encoding: "utf8" });

/** What the page says that needs no account: an account was never at hand. */
describe("docs/operate/deploy.md", () => {
  it("makes a signing key that the functions take", () => {
    const [, command] = /"\$\((openssl [^)]*)\)"/.exec(block("sst secret set")) ?? [];
    expect(publicKeyOf(importPrivateKey(run(command ?? "")))).toMatch(/^[\w-]{43}$/);
  });

  it("makes the next key, and prints the public half that agents know it by", () => {
    const printed = run(block("next.der")).trim();
    const key = importPrivateKey(run("base64 -w0 next.der"));
    expect(printed).toBe(publicKeyOf(key));
  });

  it("installs what is pinned, and names commands that exist", () => {
    const lines = block("npm ci --prefix infra");
    expect(lines).toContain("infra/node_modules/.bin/sst deploy --stage production");
    const { dependencies = {}, devDependencies = {} } = JSON.parse(
      readFileSync(join(ROOT, "infra/package.json"), "utf8"),
    );
    expect({ ...dependencies, ...devDependencies }).toHaveProperty("sst");
  });

  it("names every setting of the deployment, and no other", () => {
    const settings = readFileSync(join(ROOT, "infra/settings.ts"), "utf8");
    const named = (text: string) => new Set(text.match(/SWITCHYARD_[A-Z_]+/g) ?? []);
    expect(named(page)).toEqual(named(settings));
  });

  it("counts what is created", () => {
    const functions = ofType(inject("production"), "aws:lambda/function:Function").length;
    expect(page).toContain(`| ${functions} functions (arm64, nodejs24.x)`);
  });

  it("has the prices that `npm run cost` prints", () => {
    expect(page).toContain(`| ${total(migrationBill(600)).toFixed(5)} |`);
    for (const hosts of [1_000, 10_000, 100_000]) {
      const idle = total(idleBill(hosts));
      const all = idle + hosts * 10 * total(migrationBill(600));
      const rounded = (usd: number) => Math.round(usd).toLocaleString("en-US");
      expect(page).toContain(
        `| ${hosts.toLocaleString("en-US")} | ${rounded(idle)} | ${rounded(all)} |`,
      );
    }
  });

  it("has the throttles of the routes", () => {
    const all = throttles();
    const rateOf = (route: string) => all[route]?.perSecond.toLocaleString("en-US");
    expect(page).toContain(`| reads of people | ${rateOf("ANY /v1/{proxy+}")} |`);
    expect(page).toContain(`| each change of theirs | ${rateOf("POST /v1/migrations")} |`);
    expect(page).toContain(
      `| each operation that plans the fleet | ${rateOf("POST /v1/evacuations")} |`,
    );
    expect(page).toContain(`| \`POST /agent/v1/join\` | ${rateOf("POST /agent/v1/join")} |`);
    expect(page).toContain(`| the rest of hosts' | ${rateOf("POST /agent/v1/{proxy+}")} |`);
  });
});
