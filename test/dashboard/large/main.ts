import { Command } from "commander";
import type { CDPSession, Page } from "playwright-core";
import { wholeNumber } from "../../../rig/whole-number.ts";
import { bundleDashboard } from "../../../scripts/dashboard-bundle.ts";
import { openTab, startBrowser } from "../testing/browser.ts";
import { findChromium } from "../testing/chromium.ts";
import { type Size, serveLargeFleet } from "./answers.ts";

/** While something moves (dashboard/polling.ts). */
const POLL_MS = 2_000;
const HOUR_POLLS = 3_600_000 / POLL_MS;
/** By then everything that is kept has been made once. */
const WARM_POLLS = 20;
const MIB = 2 ** 20;
/** In the browser. */
const SIGN_IN = `sessionStorage.setItem("switchyard.token", "any")`;
const SCROLL = `(async () => {
  const forMs = 3_000;
  const height = document.documentElement.scrollHeight - innerHeight;
  const startedMs = performance.now();
  let [frames, longestFrameMs, lastMs] = [0, 0, startedMs];
  while (lastMs - startedMs < forMs) {
    await new Promise((resolve) => requestAnimationFrame(resolve));
    const nowMs = performance.now();
    longestFrameMs = Math.max(longestFrameMs, nowMs - lastMs);
    lastMs = nowMs;
    frames += 1;
    scrollTo(0, (height * (nowMs - startedMs)) / forMs);
  }
  return { framesPerSecond: (frames * 1_000) / (lastMs - startedMs), longestFrameMs };
})()`;

type Options = Size & { polls: number; json?: true };

const options = new Command("bench:dashboard")
  .description("Shows a large fleet in a browser, scrolls it, and reads it for an hour of polls")
  .option("--hosts <number>", "hosts", wholeNumber(1, 5_000), 1_000)
  .option("--vms <number>", "VMs", wholeNumber(1, 50_000), 10_000)
  .option("--moving <number>", "VMs that move", wholeNumber(1, 500), 200)
  .option("--polls <number>", "reads of the fleet", wholeNumber(WARM_POLLS + 1, 10_000), HOUR_POLLS)
  .option("--json", "print one JSON object as the last line")
  .parse()
  .opts<Options>();

if (findChromium() === undefined) {
  console.log("bench:dashboard skipped: no chromium (apt-get install chromium-headless-shell)");
} else await measure();

async function measure(): Promise<void> {
  await bundleDashboard();
  const server = await serveLargeFleet(options);
  const browser = await startBrowser();
  const open = async () => {
    const tab = await openTab(browser, server.url);
    await tab.page.addInitScript({ content: SIGN_IN });
    return tab;
  };
  try {
    const { page, faults } = await open();
    const shownMs = await show(page, server.url);
    const pages: Record<string, Scrolled> = { overview: await scroll(page) };
    await page.goto(`${server.url}/#/hosts`);
    await page
      .locator(".heat li")
      .nth(options.hosts - 1)
      .waitFor();
    pages.hosts = await scroll(page);
    await page.goto(`${server.url}/#/vms`);
    const pageMs = await turnPages(page);
    pages.vms = await scroll(page);
    await page.close();
    // In a tab of its own: with a clock that runs on command no frame is drawn in time.
    const polling = await open();
    await polling.page.clock.install();
    await show(polling.page, server.url);
    const heap = await poll(polling.page, server.fleetReads);
    report({ shownMs, pageMs, pages, heap, faults: [...faults, ...polling.faults] });
  } finally {
    await browser.close();
    server.close();
  }
}

/** From the address to the last host's cell, ms. */
async function show(page: Page, url: string): Promise<number> {
  const startedMs = performance.now();
  await page.goto(url);
  await page
    .locator(".heat li")
    .nth(options.hosts - 1)
    .waitFor();
  return performance.now() - startedMs;
}

type Scrolled = { framesPerSecond: number; longestFrameMs: number };

/** Scrolls from top to bottom, and counts what the browser draws meanwhile. */
function scroll(page: Page): Promise<Scrolled> {
  return page.evaluate<Scrolled>(SCROLL);
}

type Heap = { polls: number; afterWarmUpMiB: number; inTheEndMiB: number };

/** Lets the clock run through `polls` reads of the fleet. */
async function poll(page: Page, fleetReads: () => number): Promise<Heap> {
  const session = await page.context().newCDPSession(page);
  let afterWarmUpMiB = 0;
  for (let read = 1; read <= options.polls; read += 1) {
    const before = fleetReads();
    const answered = page.waitForResponse((response) => response.url().endsWith("/v1/fleet"));
    while (fleetReads() === before) await page.clock.runFor(POLL_MS);
    await (await answered).finished();
    if (read === WARM_POLLS) afterWarmUpMiB = await heapMiB(session);
  }
  return { polls: options.polls, afterWarmUpMiB, inTheEndMiB: await heapMiB(session) };
}

async function heapMiB(session: CDPSession): Promise<number> {
  await session.send("HeapProfiler.collectGarbage");
  const { usedSize } = await session.send("Runtime.getHeapUsage");
  return usedSize / MIB;
}

/** Turns over all pages of VMs. @returns ms a page */
async function turnPages(page: Page): Promise<number> {
  const next = page.getByRole("button", { name: "Next page" });
  const startedMs = performance.now();
  let pages = 0;
  do {
    pages += 1;
    await page.getByText(`on page ${pages}`).waitFor();
    await next.click();
  } while (await next.isEnabled());
  return (performance.now() - startedMs) / pages;
}

type Report = {
  shownMs: number;
  pageMs: number;
  pages: Record<string, Scrolled>;
  heap: Heap;
  faults: string[];
};

function report({ shownMs, pageMs, pages, heap, faults }: Report): void {
  const { hosts, vms, moving } = options;
  console.log(`${hosts} hosts, ${vms} VMs, ${moving} of them on the move`);
  console.log(
    `shown after ${Math.round(shownMs)} ms; a page of VMs after ${Math.round(pageMs)} ms`,
  );
  for (const [name, { framesPerSecond, longestFrameMs }] of Object.entries(pages)) {
    const frames = `${Math.round(framesPerSecond)} frames/s`;
    console.log(`${name.padEnd(10)}${frames}, the longest ${Math.round(longestFrameMs)} ms`);
  }
  const { polls, afterWarmUpMiB, inTheEndMiB } = heap;
  console.log(
    `heap ${afterWarmUpMiB.toFixed(1)} MiB after ${WARM_POLLS} reads, ${inTheEndMiB.toFixed(1)} MiB after ${polls}`,
  );
  for (const fault of new Set(faults)) console.log(`fault: ${fault}`);
  if (!options.json) return;
  console.log(JSON.stringify({ hosts, vms, moving, shownMs, pageMs, pages, heap, faults }));
}
