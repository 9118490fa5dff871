import type { Context, MiddlewareHandler } from "hono";
import { limitRate } from "../http/limit-rate.ts";
import { Problem } from "../http/problem.ts";
import { jwtCaller } from "../runtime/api-gateway.ts";
import { bearerMatches } from "../runtime/auth.ts";
import { config } from "../runtime/config.ts";
import { countedAs, operationOf, type Scope, scopes, sufficientScopes } from "./access.ts";

/** Who calls the API. */
export type Caller = { readonly subject: string; readonly scopes: readonly Scope[] };

/** The name of whoever has the one operator token of a local control plane. */
const OPERATOR = "operator";

/** Paths that need no token: they answer nothing about the fleet. */
const PUBLIC_PATHS = new Set(["/v1/health", "/v1/openapi.json"]);

const CALLER = "caller";

/** Lets a request pass whose caller is known and has the scope of the operation. */
export const authorize: MiddlewareHandler = async (context, next) => {
  if (!PUBLIC_PATHS.has(context.req.path)) {
    const caller = authenticate(context);
    // Before the caller is known to the audit: a refusal for asking too often costs no write.
    limitRate(countedAs(context.req), caller.subject);
    context.set(CALLER, caller);
    requireScope(context, caller);
  }
  await next();
};

/** Undefined before the request was found to be somebody's. */
export function callerOf(context: Context): Caller | undefined {
  return context.get(CALLER) as Caller | undefined;
}

/** Whether the caller of an authorized request has a scope. */
export function hasScope(context: Context, scope: Scope): boolean {
  return sufficientScopes(scope).some((one) => callerOf(context)?.scopes.includes(one));
}

/**
 * By the one operator token where there is one, otherwise by what API Gateway has checked.
 *
 * @throws Problem unauthorized
 */
function authenticate({ req, env }: Context): Caller {
  const { operatorTokenSha256, scopePrefix } = config();
  if (operatorTokenSha256 !== undefined) {
    if (bearerMatches(req.header("authorization"), operatorTokenSha256)) {
      return { subject: OPERATOR, scopes };
    }
    throw unauthorized();
  }
  const known = jwtCaller(env);
  if (known === undefined) throw unauthorized();
  const granted = scopes.filter((scope) => known.scopes.includes(`${scopePrefix}${scope}`));
  return { subject: known.subject, scopes: granted };
}

/** @throws Problem scope-missing */
function requireScope(context: Context, { subject }: Caller): void {
  const operation = operationOf(context.req);
  if (operation === undefined || hasScope(context, operation.scope)) return;
  const { scope } = operation;
  const name = `${config().scopePrefix}${scope}`;
  throw new Problem(
    "scope-missing",
    `${operation.operation} needs the scope ${name}, which the token of ${subject} does not have`,
    { scope: name },
  );
}

function unauthorized(): Problem {
  return new Problem("unauthorized", "The operator's token is missing or wrong");
}
