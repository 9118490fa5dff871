import { signal } from "@preact/signals";

const TOKEN = "switchyard.token";
const AUTHOR = "switchyard.author";
/** `npm start` prints an address with this code, which can be exchanged for the token once. */
const CODE = /^#code=([\w-]{20,100})$/;

/**
 * The credential: the one place that knows where it comes from, where it is kept, and when it goes.
 * It lives as long as the tab.
 */
export const token = signal<string | undefined>(sessionStorage.getItem(TOKEN) ?? undefined);
/** Why there is none, for people. */
export const signInProblem = signal<string | undefined>(undefined);
/** The name under which this person plans, approves and pauses. */
export const author = signal(sessionStorage.getItem(AUTHOR) ?? "operator");

export function signIn(value: string): void {
  sessionStorage.setItem(TOKEN, value);
  signInProblem.value = undefined;
  token.value = value;
}

export function signOut(problem?: string): void {
  sessionStorage.removeItem(TOKEN);
  signInProblem.value = problem;
  token.value = undefined;
}

export function nameAuthor(name: string): void {
  sessionStorage.setItem(AUTHOR, name);
  author.value = name;
}

/** Exchanges the code in the address, if there is one, for the token. */
export async function signInByCode(): Promise<void> {
  const code = CODE.exec(location.hash)?.[1];
  if (code === undefined) return;
  // In place of the entry with the code: "back" does not lead to it.
  location.replace("#/");
  const failed = "The link of the sign-in has been used, or is too old: enter the token.";
  try {
    const answer = await fetch("./sign-in", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ code }),
    });
    if (!answer.ok) return signOut(failed);
    const { token: value } = (await answer.json()) as { token: string };
    signIn(value);
  } catch {
    signOut("The control plane could not be reached.");
  }
}
