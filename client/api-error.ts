/** An answer that is not 2xx. */
export class ApiError extends Error {
  override name = "ApiError";
  readonly status: number;
  /** The body: an RFC 9457 problem, or `{ detail }` when something else answered. */
  readonly problem: ApiProblem;

  constructor(status: number, problem: ApiProblem) {
    super(`${status} ${problem.title ?? ""}: ${problem.detail ?? JSON.stringify(problem)}`);
    this.status = status;
    this.problem = problem;
  }
}

/** The members that every problem of the API has, and its own ones. */
export type ApiProblem = {
  code?: string;
  title?: string;
  detail?: string;
  errors?: { field: string; rule: string; received?: string; cure?: string }[];
} & Record<string, unknown>;

const TEXT_MAX = 500;

/** @param text the body of the answer */
export function parseProblem(text: string): ApiProblem {
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === "object" && body !== null) return body as ApiProblem;
  } catch {
    // A proxy answers with HTML, for example.
  }
  return { detail: text.slice(0, TEXT_MAX) };
}
