import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Fleet } from "../../rig/fleet.ts";
import { type Opened, openTab, startBrowser } from "./testing/browser.ts";
import { definition, GIB, MIB, PATIENCE_MS, startScene } from "./testing/scene.ts";

/** How fast guests are sent: one takes some seconds. */
const RATE = 24 * MIB;

let fleet: Fleet;
let browser: Browser;
let tab: Opened;

beforeAll(async () => {
  [fleet, browser] = await Promise.all([
    startScene(["host-a", "host-b", "host-c"]),
    startBrowser(),
  ]);
  const link = { linkOutBytesPerSecond: RATE, linkInBytesPerSecond: RATE };
  for (const host of ["host-a", "host-b", "host-c"]) await fleet.api.changeHost(host, link);
  for (const vm of ["db-1", "web1", "web2", "web3"])
    await fleet.startVm(vm, "host-a", definition());
  await fleet.startVm("large-1", "host-a", definition(6 * GIB));
  for (const [host, vm] of [
    ["host-b", "build-1"],
    ["host-c", "build-2"],
  ] as const) {
    await fleet.startVm(vm, host, definition(4 * GIB));
  }
  tab = await openTab(browser, fleet.api.url);
  await tab.page.goto(fleet.dashboardUrl);
}, 2 * PATIENCE_MS);

afterAll(async () => {
  await browser?.close();
  await fleet?.stop();
}, PATIENCE_MS);

const button = (name: string | RegExp) => tab.page.getByRole("button", { name, exact: true });
const badge = () => tab.page.locator(".page-head .badge");
const enabled = (name: string) =>
  tab.page.locator(`button[aria-disabled="false"]`, { hasText: new RegExp(`^${name}$`) });

async function go(hash: string): Promise<void> {
  await tab.page.goto(`${fleet.api.url}/${hash}`);
}

describe("the dashboard of the local control plane", () => {
  it("signs in by the link once, and shows the fleet", async () => {
    await tab.page.getByText("Nothing needs a person.").waitFor();
    expect(new URL(tab.page.url()).hash).toBe("#/");
    expect(await tab.page.locator(".cell").count()).toBe(3);
    const again = await openTab(browser, fleet.api.url);
    await again.page.goto(fleet.dashboardUrl);
    await again.page.getByText("has been used, or is too old").waitFor();
    await again.page.getByLabel("Token of an operator").fill("wrong");
    await again.page.getByRole("button", { name: "Sign in" }).click();
    await again.page.getByText("The API refused the token").waitFor();
    await again.page.getByLabel("Token of an operator").fill(fleet.operatorToken);
    await again.page.getByRole("button", { name: "Sign in" }).click();
    await again.page.getByText("Nothing needs a person.").waitFor();
    await again.page.context().close();
  });

  it("says of each guest whether it can move, before anything is asked for", async () => {
    await go("#/hosts/host-a");
    await tab.page.getByText("4 of 5 VMs").waitFor();
    const large = tab.page.locator("tr", { hasText: "large-1" });
    expect(await large.textContent()).toMatch(/no.*memory-short/);
  });

  it("moves a guest by clicks, and watches it to its end", async () => {
    await go("#/vms/db-1");
    await enabled("Move it").click();
    await tab.page.getByLabel("Switchover").selectOption("gated");
    await tab.page.getByLabel("Downtime budget").fill("400");
    await tab.page.getByRole("dialog").getByRole("button", { name: "Move it" }).click();
    await tab.page.getByRole("heading", { name: /db-1.*host-a.*host-/ }).waitFor();
    await tab.page.locator(".phases li", { hasText: "to come" }).first().waitFor();
    expect(await tab.page.locator(".phases li").allTextContents()).toEqual(
      expect.arrayContaining([expect.stringMatching(/confirm.*to come/)]),
    );
    // A short move would be over before its first figures.
    await tab.page.locator(".samples canvas").first().waitFor();
    await enabled("Permit the switchover").click();
    await badge().getByText("completed").waitFor({ timeout: PATIENCE_MS });
    await tab.page.getByText(/(within|above) its budget/).waitFor();
    const marks = await tab.page.locator(".course figcaption").textContent();
    expect(marks).toMatch(/A ACK.*S STOP.*R RESUME/);
    await tab.page
      .locator(".chart-or-table", { has: tab.page.locator(".samples") })
      .getByRole("button", { name: "Table" })
      .click();
    await tab.page.getByRole("cell", { name: "RESUME" }).waitFor();
    const { host } = await fleet.api.getVm("db-1");
    expect(host).not.toBe("host-a");
    // Why it cannot be cancelled any more is said, not hidden.
    await button("Cancel").hover();
    const shown = await tab.page.locator(".reason:visible").allTextContents();
    expect(shown).toEqual(["It is over: completed"]);
  });
});

describe("an evacuation", () => {
  it("is planned, approved, paused and resumed by clicks", async () => {
    await go("#/hosts/host-a");
    await enabled("Plan the evacuation of host-a").click();
    await tab.page.getByRole("heading", { name: "Empties host-a" }).waitFor();
    expect(await badge().textContent()).toBe("planned");
    expect(await tab.page.locator(".gantt-plan").count()).toBe(3);
    await tab.page.getByText("large-1 cannot move").waitFor();
    const id = new URL(tab.page.url()).hash.split("/").at(-1) ?? "";
    await fleet.api.setEvacuationLimits(id, {
      movesAtOnce: 1,
      maxBandwidthBytesPerSecond: 12 * MIB,
    });
    await enabled("Approve version 1").click();
    await tab.page.getByRole("dialog").getByRole("button", { name: "Approve version 1" }).click();
    await badge().getByText("running").waitFor();
    await enabled("Pause").click();
    await tab.page.getByLabel("Why (optional)").fill("a look at the graphs");
    await tab.page.getByRole("dialog").getByRole("button", { name: "Pause it" }).click();
    await tab.page.getByText("Paused by operator (operator: “a look at the graphs”)").waitFor();
    expect((await fleet.api.getEvacuation(id)).status).toBe("paused");
    await enabled("Resume").click();
    await badge().getByText("completed-with-remainder").waitFor({ timeout: PATIENCE_MS });
    expect(await tab.page.locator(".gantt-moved").count()).toBe(3);
    await tab.page.getByRole("button", { name: "Retry large-1" }).waitFor();
    const { counters } = await fleet.api.getEvacuation(id);
    expect(counters).toMatchObject({ moved: 3, unplaced: 1, failed: 0 });
  });
});

describe("what a page asks for", () => {
  it("stays on the control plane, and an unchanged fleet is a 304", async () => {
    await go("#/");
    await tab.page.waitForResponse((response) => response.status() === 304);
    expect(tab.faults).toEqual([]);
  });
});

describe("the page of the API", () => {
  it("shows every operation, sends one with a token, and asks nobody else", async () => {
    const { page, faults } = await openTab(browser, fleet.api.url);
    await page.goto(`${fleet.api.url}/docs`);
    await page.locator("#operations-tag-Hosts, [data-tag=Hosts]").first().click();
    const operation = page.locator("#operations-Hosts-listHosts");
    await operation.click();
    await page.locator("button.authorize").first().click();
    await page.locator(".auth-container input").fill(fleet.operatorToken);
    await page.locator(".auth-container button.authorize").click();
    await page.locator(".auth-container button.btn-done").click();
    await operation.getByRole("button", { name: "Try it out" }).click();
    await operation.getByRole("button", { name: "Execute" }).click();
    await operation.locator(".live-responses-table").getByText("host-a").first().waitFor();
    expect(await page.locator(".opblock-tag-section").count()).toBeGreaterThan(5);
    expect(faults).toEqual([]);
  });
});
