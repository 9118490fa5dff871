import { z } from "zod";

/** What Hono passes on of an HTTP API's event after its JWT authorizer (payload format 2.0). */
const JwtChecked = z.object({
  requestContext: z.object({
    authorizer: z.object({ jwt: z.object({ claims: z.object({ sub: z.string().min(1) }) }) }),
  }),
});

/**
 * Who API Gateway's JWT authorizer has let through; undefined for every other request. Only API
 * Gateway writes this part of an event: nothing that a client sends becomes part of it.
 */
export function jwtSubject(env: unknown): string | undefined {
  return JwtChecked.safeParse(env).data?.requestContext.authorizer.jwt.claims.sub;
}
