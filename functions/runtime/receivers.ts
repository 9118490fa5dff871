import { type LookupAddress, lookup as resolve } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import ipaddr from "ipaddr.js";
import type { Receivers } from "./receiver-kinds.ts";

/** Ranges that `private` allows besides public addresses. */
const privateRanges = new Set(["private", "uniqueLocal", "carrierGradeNat"]);

/** Nothing was sent: the address may not be called. */
export class ForbiddenReceiver extends Error {
  override name = "ForbiddenReceiver";
}

/**
 * Whether an address may be called. An IPv4 address that is written as IPv6 counts as itself; other
 * addresses that stand for one (NAT64, 6to4, Teredo) are refused.
 */
export function isAllowed(address: string, receivers: Receivers): boolean {
  const range = ipaddr.process(address).range();
  if (range === "unicast") return true;
  if (receivers === "private") return privateRanges.has(range);
  return receivers === "loopback" && range === "loopback";
}

/**
 * Refuses what cannot be allowed by its text: http but to a loopback address where those are allowed,
 * and addresses that may not be called. Names are checked with each connection.
 *
 * @throws ForbiddenReceiver
 */
export function requireReceiver(url: URL, receivers: Receivers): void {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const isAddress = isIP(host) !== 0;
  if (isAddress && !isAllowed(host, receivers)) throw forbidden(host, receivers);
  if (url.protocol === "https:") return;
  const isLoopback = isAddress && ipaddr.process(host).range() === "loopback";
  if (receivers === "loopback" && isLoopback) return;
  throw new ForbiddenReceiver(
    `Expected an https URL, got \`${url.protocol}//\`${receivers === "loopback" ? ": http is for 127.0.0.1 and [::1] only" : ""}`,
  );
}

/** Resolves a name for one connection, to allowed addresses only: what was checked is what is called. */
export function pinnedLookup(receivers: Receivers): LookupFunction {
  return (name, options, done) => {
    resolve(name, { ...options, all: true }, (error, found: LookupAddress[]) => {
      if (error !== null) return done(error, "");
      const refused = found.find(({ address }) => !isAllowed(address, receivers));
      const [first] = found;
      if (refused !== undefined || first === undefined) {
        return done(forbidden(`${name} (${refused?.address})`, receivers), "");
      }
      if (options.all === true) return done(null, found);
      return done(null, first.address, first.family);
    });
  };
}

function forbidden(host: string, receivers: Receivers): ForbiddenReceiver {
  const allowed = receivers === "public" ? "public" : `public and ${receivers}`;
  return new ForbiddenReceiver(
    `${host} is no address that webhooks may be delivered to: only ${allowed} addresses are`,
  );
}
