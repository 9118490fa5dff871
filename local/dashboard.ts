import { randomBytes, timingSafeEqual } from "node:crypto";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { serveStatic } from "@hono/node-server/serve-static";
import { Hono, type MiddlewareHandler } from "hono";
import {
  DASHBOARD_FOLDER,
  dashboardHeaders,
  HASHED_MAX_AGE,
  HASHED_PATH,
} from "../deployment/dashboard.ts";

const ROOT = resolve(import.meta.dirname, "..");

/** A code that is given once for the token: an address with it may stand in a terminal. */
export class SignInCode {
  readonly value = randomBytes(24).toString("base64url");
  #isUsed = false;

  /** Whether it is the code, and nobody has used it. */
  redeem(given: string): boolean {
    const expected = Buffer.from(this.value);
    const received = Buffer.from(given);
    const isRight = expected.length === received.length && timingSafeEqual(expected, received);
    if (!isRight || this.#isUsed) return false;
    this.#isUsed = true;
    return true;
  }
}

export type DashboardOptions = {
  readonly token: string;
  readonly code: SignInCode;
  /** The built files. Default: where the build puts them. */
  readonly folder?: string;
};

/** The dashboard's files, and the exchange of the sign-in code for the token. */
export function createDashboard({ token, code, folder }: DashboardOptions): Hono {
  const root = folder ?? join(ROOT, DASHBOARD_FOLDER);
  const app = new Hono();
  app.use(async (context, next) => {
    await next();
    for (const [name, value] of Object.entries(dashboardHeaders)) context.header(name, value);
    const isHashed = context.req.path.startsWith(HASHED_PATH) && context.res.ok;
    const cache = isHashed ? `public, max-age=${HASHED_MAX_AGE}, immutable` : "no-store";
    context.header("cache-control", cache);
  });
  app.post("/sign-in", async (context) => {
    const body: unknown = await context.req.json().catch(() => undefined);
    const { code: given } = Object(body) as { code?: unknown };
    const isRight = typeof given === "string" && code.redeem(given);
    if (!isRight) return context.json({ detail: "The code is wrong, or was used before" }, 401);
    return context.json({ token });
  });
  let files: MiddlewareHandler | undefined;
  app.get("*", async (context, next) => {
    // It may be built while this process runs.
    if (!existsSync(root)) {
      return context.text("The dashboard is not built yet: npm run build:dashboard\n", 404);
    }
    files ??= serveStatic({ root });
    return files(context, next);
  });
  return app;
}

/** Whether a request is for the API's function rather than for the dashboard. */
export function isForApi({ method, url }: Request): boolean {
  const { pathname } = new URL(url);
  if (pathname === "/sign-in") return false;
  return /^\/(v1|metrics)(\/|$)/.test(pathname) || (method !== "GET" && method !== "HEAD");
}

export function isDashboardBuilt(): boolean {
  return existsSync(join(ROOT, DASHBOARD_FOLDER, "index.html"));
}
