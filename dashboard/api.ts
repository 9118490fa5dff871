import { computed } from "@preact/signals";
import { ApiError } from "../client/api-error.ts";
import { type Client, createClient } from "../client/client.ts";
import { signOut, token } from "./session.ts";

/** How requests leave the page; a preview answers them itself. */
let send: typeof fetch = (input, init) => fetch(input, init);

export function answerRequestsBy(other: typeof fetch): void {
  send = other;
}

/** The client of whoever is signed in. A token that the API refuses is forgotten. */
export const api = computed<Client | undefined>(() => {
  const value = token.value;
  if (value === undefined) return undefined;
  const guarded: typeof fetch = async (input, init) => {
    const answer = await send(input, init);
    if (answer.status === 401) signOut("The API refused the token: enter another one.");
    return answer;
  };
  // The page may lie in a folder; the API lies at the root.
  return createClient({ url: location.origin, token: value, fetch: guarded });
});

/** @throws Error when nobody is signed in */
export function client(): Client {
  const value = api.value;
  if (value === undefined) throw new Error("Nobody is signed in");
  return value;
}

/** An error as a person reads it. */
export function problemText(error: unknown): string {
  if (error instanceof ApiError) {
    const { code, detail, title } = error.problem;
    const text = detail ?? title ?? `the API answered ${error.status}`;
    return code === undefined ? text : `${text} (${code})`;
  }
  if (error instanceof DOMException && error.name === "TimeoutError") {
    return "The control plane did not answer in time";
  }
  if (error instanceof TypeError) return "The control plane could not be reached";
  return error instanceof Error ? error.message : String(error);
}
