import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { fleetExample } from "../../../functions/api/examples/fleet.ts";
import { vmExamples } from "../../../functions/api/examples/vms.ts";
import { createDashboard, isForApi, SignInCode } from "../../../local/dashboard.ts";

export type Size = { readonly hosts: number; readonly vms: number; readonly moving: number };

/**
 * The dashboard's files, and the answers of an API with a large fleet of made-up hosts and VMs. Some
 * VMs move: their figures differ with each read.
 */
export async function serveLargeFleet(size: Size) {
  let reads = 0;
  const api = new Hono()
    .get("/v1/fleet", (context) => {
      reads += 1;
      return context.json(fleetOf(size, reads), 200, { etag: `"${reads}"` });
    })
    .get("/v1/migrations", (context) => context.json({ items: [] }))
    .get("/v1/evacuations", (context) => context.json({ items: [] }))
    .get("/v1/vms", (context) => {
      const limit = Number(context.req.query("limit") ?? 100);
      const from = Number(context.req.query("after")?.slice(3) ?? -1) + 1;
      const items = range(from, Math.min(from + limit, size.vms)).map((vm) => vmOf(size, vm));
      const isLast = from + limit >= size.vms;
      return context.json({ items, ...(isLast ? {} : { next: vmName(from + limit - 1) }) });
    });
  const dashboard = createDashboard({ token: "any", code: new SignInCode() });
  const server = serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request) => (isForApi(request) ? api : dashboard).fetch(request),
  });
  await new Promise<void>((resolve) => server.once("listening", () => resolve()));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("Expected a TCP port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    /** Reads of the whole fleet so far. */
    fleetReads: () => reads,
    close: () => server.close(),
  };
}

function fleetOf({ hosts, vms, moving }: Size, read: number) {
  const [host] = fleetExample.hosts;
  const [migration] = fleetExample.migrations;
  return {
    hosts: range(0, hosts).map((number) => ({
      ...host,
      id: hostName(number),
      vms: Math.floor(vms / hosts),
    })),
    migrations: range(0, moving).map((number) => ({
      ...migration,
      id: `mig_01ARZ3NDEKTSV4RRFF${String(number).padStart(8, "0")}`,
      vm: vmName(number),
      source: hostName(number % hosts),
      target: hostName((number + 1) % hosts),
      progress: { status: "active", ramRemainingBytes: 2 ** 30 - read * 1_000 - number },
    })),
    truncated: false,
  };
}

function vmOf({ hosts }: Size, number: number) {
  return { ...vmExamples.running, id: vmName(number), host: hostName(number % hosts) };
}

function hostName(number: number): string {
  return `host-${String(number).padStart(4, "0")}`;
}

function vmName(number: number): string {
  return `vm-${String(number).padStart(5, "0")}`;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, index) => from + index);
}
