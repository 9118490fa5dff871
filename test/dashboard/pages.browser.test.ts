import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDashboard, SignInCode } from "../../local/dashboard.ts";
import { type Gateway, startGateway } from "../../local/gateway.ts";
import { type Opened, openTab, startBrowser } from "./testing/browser.ts";
import { recordedPages } from "./testing/recorded-pages.ts";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PREVIEW = join(import.meta.dirname, "../../dist/preview");
const pages = recordedPages();
const WIDTHS = [320, 768, 2_560];

let loads = 0;
let server: Gateway;
let browser: Browser;

beforeAll(async () => {
  const refusing = { fetch: () => new Response("there is no control plane", { status: 503 }) };
  const dashboard = createDashboard({ token: "t", code: new SignInCode(), folder: PREVIEW });
  server = await startGateway({ api: refusing, agents: refusing, dashboard, port: 0 });
  browser = await startBrowser();
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
});

async function show(page: Page, hash: string): Promise<void> {
  // Another query loads the page anew, where another hash would not.
  loads += 1;
  await page.goto(`${server.url}/?${loads}${hash}`);
  await page.locator("h1").waitFor();
  await page.getByText("Reading …").first().waitFor({ state: "detached" });
}

/** Shows each chart as a table, and what is folded; false: there is none. */
async function openTables(page: Page): Promise<boolean> {
  const tables = page.getByRole("button", { name: "Table", pressed: false });
  const folded = page.locator("details:not([open])");
  const isAny = (await folded.count()) + (await tables.count()) > 0;
  while ((await tables.count()) > 0) await tables.first().click();
  await page.evaluate(
    "document.querySelectorAll('details').forEach((one) => { one.open = true; })",
  );
  return isAny;
}

/** Runs outside of the page's content policy, as the test's own code. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  return page.evaluate(`axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
    violations.map(({ id, nodes }) => id + ": " + nodes.map(({ html }) => html.slice(0, 160)).join(" | ")))`);
}

describe.each(["light", "dark"] as const)("in the %s theme", (colorScheme) => {
  let tab: Opened;
  beforeAll(async () => {
    tab = await openTab(browser, server.url, { colorScheme });
  });
  afterAll(() => tab?.page.context().close());

  it.each(pages)(
    "%s has no violation of axe's rules, as a chart and as a table",
    async (_, hash) => {
      await show(tab.page, hash);
      expect(await violations(tab.page)).toEqual([]);
      if (!(await openTables(tab.page))) return;
      expect(await violations(tab.page)).toEqual([]);
    },
  );

  it("asks nobody else, and throws nothing", () => {
    expect(tab.faults).toEqual([]);
  });
});

describe("a page", () => {
  it.each(WIDTHS)("of %s px has no sideways scroll", async (width) => {
    const { page } = await openTab(browser, server.url, { viewport: { width, height: 900 } });
    const wide: string[] = [];
    for (const [name, hash] of pages) {
      await show(page, hash);
      const over = await page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth",
      );
      if (Number(over) > 0) wide.push(`${name}: ${over} px`);
    }
    expect(wide).toEqual([]);
    await page.context().close();
  });

  it("can be used by keyboard alone", async () => {
    const { page } = await openTab(browser, server.url);
    await show(page, "#/");
    const focused = () => page.evaluate("document.activeElement.textContent.trim()");
    await page.keyboard.press("Tab");
    expect(await focused()).toBe("Skip to the content");
    for (const name of ["Switchyard", "Overview", "Migrations", "Evacuations"]) {
      await page.keyboard.press("Tab");
      expect(await focused()).toContain(name);
    }
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Evacuations", exact: true }).waitFor();
    expect(await focused()).toBe("Evacuations");
    await page.context().close();
  });

  it("changes nothing in a preview, and says so", async () => {
    const { page } = await openTab(browser, server.url);
    await show(page, "#/hosts/host-b");
    await page.getByRole("button", { name: "Cordon", exact: true }).click();
    await page.getByRole("button", { name: "Cordon it" }).click();
    await page.getByText("This is a preview").waitFor();
    await page.context().close();
  });
});
