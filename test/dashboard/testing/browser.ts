import {
  type Browser,
  type BrowserContextOptions,
  chromium,
  type Page,
  type Response,
} from "playwright-core";
import { findChromium } from "./chromium.ts";

/** For one element to come, on a busy machine. */
const WAIT_MS = 60_000;

export type Opened = {
  readonly page: Page;
  /** What a page must never do: requests to elsewhere, errors in the console, exceptions. */
  readonly faults: string[];
  readonly responses: Response[];
};

export function startBrowser(): Promise<Browser> {
  // In a container there is no user namespace for the sandbox; only the dashboard is opened.
  return chromium.launch({ executablePath: findChromium() ?? "", args: ["--no-sandbox"] });
}

/** A new tab with nothing kept, which notes its faults. */
export async function openTab(
  browser: Browser,
  origin: string,
  options: BrowserContextOptions = {},
): Promise<Opened> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  const faults: string[] = [];
  const responses: Response[] = [];
  page.on("request", (request) => {
    const isOwn = new URL(request.url()).origin === origin;
    if (!isOwn) faults.push(`request to ${request.url()}`);
  });
  page.on("response", (response) => responses.push(response));
  page.on("pageerror", (error) => faults.push(`exception: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() !== "error") return;
    faults.push(`console: ${message.text()} ${message.location().url}`);
  });
  return { page, faults, responses };
}
