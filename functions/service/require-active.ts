import { Problem } from "../http/problem.ts";
import type { StoredHost } from "../store/hosts.ts";

/** @throws Problem host-not-active */
export function requireActive(host: StoredHost): void {
  if (host.state === "active") return;
  throw new Problem("host-not-active", `The agent of ${host.id} has not registered yet`);
}
