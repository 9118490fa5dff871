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
 * Options of every HTTP server of the local control plane. A connection on which no whole request
 * has arrived in time gets 408 and is closed, one that breaks the protocol gets 400 (Node, "Event:
 * 'clientError'"): at the latest `requestTimeout + connectionsCheckingInterval` after it began.
 */
export const serverLimits = {
  /** From the connection, or the end of the request before, to the end of the headers, ms. */
  headersTimeout: 10_000,
  /** The same to the end of the body, ms. */
  requestTimeout: 30_000,
  connectionsCheckingInterval: 5_000,
  /**
   * How long a server keeps an idle connection, ms. Longer than a client does: a server that closes
   * first may close just when a request arrives.
   */
  keepAliveTimeout: 120_000,
};

/** Connections of one server at a time; further ones are closed at once. */
export const CONNECTIONS_MAX = 1024;
