import { mkdirSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import * as z from "zod";
import { bundle, exportOf } from "./bundle.ts";

const Call = z.object({ method: z.string(), params: z.array(z.unknown()) });
const Build = z.object({ functionID: z.string(), handler: z.string() });

/**
 * A stub of the server in SST's CLI that its components call while the program runs.
 *
 * @param bundles functions are really bundled, as the CLI does
 */
export async function startRpcStub(folder: string, { bundles }: { bundles: boolean }) {
  /** Handlers in the order in which they were asked for. */
  const built: string[] = [];
  const answer = async ({ method, params: [first] }: z.infer<typeof Call>): Promise<unknown> => {
    if (method === "Provider.Aws.Bootstrap") return bootstrap;
    if (method === "Provider.Aws.Appsync") return { http: "", realtime: "" };
    if (method.startsWith("Resource.")) return {};
    if (method !== "Runtime.Build") throw new Error(`SST's CLI has no method ${method} here`);
    const { functionID, handler } = Build.parse(first);
    const out = join(folder, functionID);
    const name = exportOf(handler);
    if (bundles) await requireExport(handler, name, out);
    else mkdirSync(out);
    built.push(handler);
    return { handler: `bundle.${name}`, out, errors: [], sourcemaps: [] };
  };
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    try {
      const call = Call.parse(JSON.parse(Buffer.concat(chunks).toString("utf8")));
      response.end(JSON.stringify({ result: await answer(call) }));
    } catch (error) {
      response.end(JSON.stringify({ error: String(error) }));
    }
  });
  // SST keeps its connections, and would lose a request on one that is closed for being idle.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    built,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => server.close(),
  };
}

async function requireExport(handler: string, name: string, folder: string): Promise<void> {
  const { exports } = await bundle(handler, folder);
  if (!exports.includes(name)) throw new Error(`${handler}: exports only ${exports.join(", ")}`);
}

const bootstrap = {
  asset: "sst-assets",
  assetEcrRegistryId: "123456789012",
  assetEcrUrl: "",
  state: "sst-state",
  appsyncHttp: "",
  appsyncRealtime: "",
};
