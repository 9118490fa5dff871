import * as z from "zod";

/** What Hono passes on of a request, behind API Gateway (payload format 2.0) and Node's own server. */
const Env = z.union([
  z
    .object({ requestContext: z.object({ http: z.object({ sourceIp: z.string().max(64) }) }) })
    .transform(({ requestContext }) => requestContext.http.sourceIp),
  z
    .object({
      incoming: z.object({ socket: z.object({ remoteAddress: z.string().max(64) }) }),
    })
    .transform(({ incoming }) => incoming.socket.remoteAddress),
]);

/** The address that a request came from, as the server has seen it and no header says it. */
export function callerAddress(env: unknown): string {
  return Env.safeParse(env).data ?? "an unknown address";
}
