/** Whether a host name or address names this machine. */
export function isLoopback(host: string): boolean {
  return host === "::1" || host === "localhost" || /^127(\.\d{1,3}){3}$/.test(host);
}

/** Whether a `Host` header names this machine. */
export function namesLoopback(header: string | undefined): boolean {
  const name = header?.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
  return name !== undefined && isLoopback(name);
}

/** @throws Error if `host` is not a loopback address */
export function requireLoopback(host: string): void {
  if (isLoopback(host)) return;
  throw new Error(`Expected \`host\` to be a loopback address, got ${host}`);
}

/**
 * How long a server keeps an idle connection. Longer than a client does: a server that closes first
 * may close just when a request arrives.
 */
export const KEEP_ALIVE_TIMEOUT_MS = 120_000;
