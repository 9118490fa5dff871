import * as z from "zod";

/** What of the table matters here. */
const Row = z.looseObject({ pk: z.string(), sk: z.string() });
type Row = z.infer<typeof Row>;

export type AtRest = {
  /** Guests that run, with their hosts. */
  readonly places: ReadonlyMap<string, string>;
  readonly hosts: readonly string[];
  /** Of each guest. */
  readonly memoryBytes: number;
  readonly evacuation: string;
};

/** Who waits for a slot, and who wants to know of one. */
const WAITING = /^(EVACUATION|QUEUED|WATCH|WAITING)#/;
const APART = "apart:";

/**
 * What is left over in the rows of the table when an evacuation has ended and nothing else goes on:
 * slots, memory, group claims, locks, places in queues, listeners, drains, secrets.
 */
export function leftoversIn(rows: readonly unknown[], rest: AtRest): string[] {
  const all = rows.map((row) => Row.parse(row));
  const ended = new Set(
    all.filter(({ sk, status }) => sk === "META" && status !== "running").map(({ pk }) => pk),
  );
  return all.flatMap((row) => {
    const { pk, sk } = row;
    const [kind, name = "", target = ""] = pk.split("#");
    if (kind === "HOST" && rest.hosts.includes(name)) return ofHost(row, name, rest);
    if (kind === "TENANT") return ofTenant(row);
    if (kind === "LANE" && [name, target].some((host) => rest.hosts.includes(host))) return [pk];
    if (kind === "VM" && sk === "META" && rest.places.has(name) && row.lockedBy !== undefined) {
      return [`the lock of ${name} by ${row.lockedBy}`];
    }
    if (kind === "MIG" && sk === "SECRET" && ended.has(pk)) return [`the secret of ${name}`];
    if (pk === `EVAC#${rest.evacuation}` && /^(OUT|IN|RETRY)#/.test(sk)) return [sk];
    return [];
  });
}

function ofTenant({ pk, sk, transferring, preparing }: Row): string[] {
  if (sk !== "META") return [`${sk} of ${pk}`];
  return transferring === undefined && preparing === undefined ? [] : [`migrations of ${pk}`];
}

const Cordons = z.array(z.object({ owner: z.string(), drains: z.boolean().optional() }));

function ofHost(row: Row, host: string, { places, memoryBytes, evacuation }: AtRest): string[] {
  if (row.sk !== "META") return WAITING.test(row.sk) ? [`${row.sk} of ${host}`] : [];
  const found: string[] = [];
  for (const set of ["outgoing", "incoming", "preparingOut", "preparingIn"]) {
    if (row[set] !== undefined) found.push(`slots of ${host}: ${set}`);
  }
  const here = [...places].filter(([, place]) => place === host).map(([vm]) => vm);
  if (row.reservedBytes !== here.length * memoryBytes) {
    found.push(`${row.reservedBytes} bytes of ${host} for ${here.length} guests`);
  }
  for (const [name, members] of Object.entries(row)) {
    if (!name.startsWith(APART) || !(members instanceof Set)) continue;
    const away = [...members].filter((vm) => !here.includes(String(vm)));
    if (away.length > 0) found.push(`the claim of ${away.join()} on ${host} for ${name}`);
  }
  const cordons = Cordons.parse(row.cordons ?? []);
  if (cordons.some(({ owner, drains }) => owner === evacuation && drains === true)) {
    found.push(`the drain of ${host}`);
  }
  return found;
}
