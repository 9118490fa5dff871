import * as z from "zod";

/** A claim of scopes: words in one text (RFC 8693, 4.2), or a list, which some providers write. */
const ScopeClaim = z.union([z.string(), z.array(z.string())]);

/** What Hono passes on of an HTTP API's event after its JWT authorizer (payload format 2.0). */
const JwtChecked = z.object({
  requestContext: z.object({
    authorizer: z.object({
      jwt: z.object({
        claims: z.object({
          sub: z.string().min(1).max(256),
          scope: ScopeClaim.optional(),
          scp: ScopeClaim.optional(),
        }),
      }),
    }),
  }),
});

/**
 * Who API Gateway's JWT authorizer has let through, with the scopes of the token; undefined for every
 * other request. Only API Gateway writes this part of an event: nothing that a client sends becomes part
 * of it.
 */
export function jwtCaller(env: unknown): { subject: string; scopes: string[] } | undefined {
  const claims = JwtChecked.safeParse(env).data?.requestContext.authorizer.jwt.claims;
  if (claims === undefined) return undefined;
  return { subject: claims.sub, scopes: [...wordsOf(claims.scope), ...wordsOf(claims.scp)] };
}

/** API Gateway passes a list on as text: `[a b]`. */
function wordsOf(claim: z.infer<typeof ScopeClaim> = []): string[] {
  const words = typeof claim === "string" ? claim.replace(/^\[|\]$/g, "").split(/[\s,]+/) : claim;
  return words.filter((word) => word !== "");
}
