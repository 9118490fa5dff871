import type { Hono, NotFoundHandler } from "hono";
import { answerProblem, Problem } from "./problem.ts";

type Route = Hono["routes"][number];

/**
 * Answers requests that no route takes, for Hono's `notFound`: 405 with `allow` when the path has
 * other methods, 404 when there is no such path.
 */
export function answerNoRoute(app: { readonly routes: readonly Route[] }): NotFoundHandler {
  return (context) => {
    const { method, path } = context.req;
    const allowed = methodsOf(app.routes, path);
    if (allowed.length === 0) {
      return answerProblem(
        new Problem("route-not-found", `There is no ${method} ${path}`),
        context,
      );
    }
    const allow = allowed.join(", ");
    const detail = `${path} has ${allow}, not ${method}`;
    return answerProblem(new Problem("method-not-allowed", detail), context, { allow });
  };
}

/** The methods that a path has; Hono answers HEAD wherever it answers GET. */
function methodsOf(routes: readonly Route[], path: string): string[] {
  const methods = new Set<string>();
  for (const route of routes) {
    if (route.method === "ALL" || !matches(route.path, path)) continue;
    methods.add(route.method);
    if (route.method === "GET") methods.add("HEAD");
  }
  return [...methods].sort();
}

/** Whether a path fits a route's pattern, such as `/v1/hosts/:id`. */
function matches(pattern: string, path: string): boolean {
  const wanted = pattern.split("/");
  const given = path.split("/");
  return (
    wanted.length === given.length &&
    wanted.every((part, index) =>
      part.startsWith(":") ? given[index] !== "" : part === given[index],
    )
  );
}
