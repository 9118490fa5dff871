import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ApiError } from "./api-error.ts";
import { authorizedFetch } from "./authorized-fetch.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const refusal = { code: "too-many-requests", detail: "wait", status: 429 };

/** An API that answers with these, the last one again and again; `null`: a refusal without a time. */
function api(...answers: (number | string | null)[]) {
  const tokens: (string | null)[] = [];
  const send = async (_: unknown, init?: RequestInit) => {
    tokens.push(new Headers(init?.headers).get("authorization"));
    const answer = answers[Math.min(tokens.length, answers.length) - 1] ?? null;
    if (typeof answer === "number")
      return new Response(answer === 304 ? null : "{}", { status: answer });
    const headers = answer === null ? {} : { "retry-after": answer };
    return new Response(JSON.stringify(refusal), { status: 429, headers });
  };
  return { tokens, fetch: authorizedFetch("secret", send as typeof fetch) };
}

const URL = "http://127.0.0.1/v1/hosts";

describe("a request that is refused since the caller asks too often", () => {
  it.each([
    ["as long as the API says", "3", 3_000],
    ["a second where a gateway says nothing", null, 1_000],
    ["a second where the time is none", "soon", 1_000],
    ["ten seconds at most", "3600", 10_000],
  ])("is made again after %s", async (_, retryAfter, ms) => {
    const { tokens, fetch } = api(retryAfter, 200);
    const answer = fetch(URL);
    await vi.advanceTimersByTimeAsync(ms - 1);
    expect(tokens).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect((await answer).status).toBe(200);
    expect(tokens).toEqual(["Bearer secret", "Bearer secret"]);
  });

  it("fails with the API's words after five times", async () => {
    const { tokens, fetch } = api("1");
    const failed = expect(fetch(URL)).rejects.toMatchObject({
      status: 429,
      problem: { code: "too-many-requests" },
    });
    await vi.advanceTimersByTimeAsync(4_000);
    await failed;
    expect(tokens).toHaveLength(5);
  });

  it("waits no longer than its caller does", async () => {
    const { tokens, fetch } = api("5");
    const caller = new AbortController();
    const failed = expect(fetch(URL, { signal: caller.signal })).rejects.toThrow("interrupted");
    await vi.advanceTimersByTimeAsync(1_000);
    caller.abort(new Error("interrupted"));
    await failed;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(tokens).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("an answer", () => {
  it("that nothing has changed is one", async () => {
    expect((await api(304).fetch(URL)).status).toBe(304);
  });

  it("of another status is thrown, and not asked for again", async () => {
    const { tokens, fetch } = api(503);
    await expect(fetch(URL)).rejects.toBeInstanceOf(ApiError);
    expect(tokens).toHaveLength(1);
  });
});
