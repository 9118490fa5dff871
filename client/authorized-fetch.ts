import { ApiError, parseProblem } from "./api-error.ts";

/** Longest wait for an answer, ms. */
const TIMEOUT_MS = 30_000;
/** Of a request that is refused since the caller asks too often. */
const TRIES_MAX = 5;
const PAUSE_MS_MAX = 10_000;

/** `fetch` with a token and a deadline; an answer that is not 2xx or 304 is thrown as an ApiError. */
export function authorizedFetch(token: string, send: typeof fetch): typeof fetch {
  return async (input, init = {}) => {
    const headers = new Headers(init.headers);
    headers.set("authorization", `Bearer ${token}`);
    const signal = init.signal ?? AbortSignal.timeout(TIMEOUT_MS);
    const response = await sendPatiently(() => send(input, { ...init, headers, signal }), signal);
    const isUnchanged = response.status === 304;
    if (!response.ok && !isUnchanged)
      throw new ApiError(response.status, parseProblem(await response.text()));
    return response;
  };
}

/** Asks again when the API says so: what is refused with 429 was not carried out. */
async function sendPatiently(
  send: () => Promise<Response>,
  signal: AbortSignal,
): Promise<Response> {
  for (let attempt = 1; ; attempt += 1) {
    const response = await send();
    if (response.status !== 429 || attempt === TRIES_MAX) return response;
    await response.body?.cancel();
    // API Gateway refuses without `retry-after`.
    const seconds = Number(response.headers.get("retry-after") ?? 1);
    await pause(Math.min(Math.max(seconds, 1) * 1_000 || 1_000, PAUSE_MS_MAX), signal);
  }
}

/** @throws the signal's reason when it aborts before */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
  });
}
