import type { Scope } from "../../../functions/api/access.ts";
import { app } from "../../../functions/api/app.ts";
import { undeclared } from "./declared.ts";
import { type Answer, answerOf } from "./fleet.ts";

/** Claims of a token that API Gateway's JWT authorizer has checked. */
export const withScope = (scope: Scope, sub: string = scope) => ({
  sub,
  scope: `openid switchyard/${scope}`,
});

/**
 * A request with a token of these claims; without claims nobody has checked one. The deployment must
 * have no operator token.
 *
 * @throws Error when the API does not declare the answer
 */
export async function askAs(
  claims: object | undefined,
  method: string,
  path: string,
  body?: object,
): Promise<Answer> {
  const request = new Request(`http://local${path}`, {
    method,
    headers: body === undefined ? {} : { "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const env = claims && { requestContext: { authorizer: { jwt: { claims } } } };
  const answer = await answerOf(await app.request(request, undefined, env));
  const unknown = undeclared(method, path, answer);
  if (unknown.length > 0) throw new Error(`The API does not declare ${unknown.join("; ")}`);
  return answer;
}
