import * as z from "zod";
import { hostStateOf } from "../../../core/host/host-state.ts";
import { EvacuationId, HostId, VmId } from "../../../core/id.ts";
import type { InProcessTransport } from "../../../emulators/aws/aws-json/in-process-transport.ts";
import type { Service } from "../../../functions/runtime/clients.ts";
import { findMove } from "../../../functions/store/evacuation-moves.ts";
import { findEvacuation } from "../../../functions/store/evacuations.ts";
import { findHostNow } from "../../../functions/store/hosts.ts";

type Transport = Pick<InProcessTransport, "handle">;
type Request = Parameters<Transport["handle"]>[0];

const text = z.object({ S: z.string() }).transform(({ S }) => S);
/** The record of a migration in a transaction, as DynamoDB's protocol writes it. */
const Started = z.object({
  pk: text.refine((pk) => pk.startsWith("MIG#")),
  sk: text.refine((sk) => sk === "META"),
  evacuation: text,
  vm: text,
  target: text,
});
const Transaction = z.object({
  TransactItems: z.array(z.looseObject({ Put: z.looseObject({ Item: z.unknown() }).optional() })),
});
type Started = z.infer<typeof Started>;

/**
 * Looks at each transaction that starts a move of an evacuation: nothing may start under a pause, too
 * late for its open time, or to a host that takes no guests. What holds before the transaction and
 * after it has held in it.
 */
export class StartWatch {
  readonly faults: string[] = [];
  starts = 0;

  readonly observe = (service: Service, transport: Transport): Transport => ({
    handle: async (request) => {
      const start = service === "DYNAMODB" ? startIn(request) : undefined;
      if (start === undefined) return transport.handle(request);
      const before = await faultsOf(start);
      const answer = await transport.handle(request);
      if (answer.response.statusCode !== 200) return answer;
      this.starts += 1;
      const after = await faultsOf(start);
      this.faults.push(...before.filter((fault) => after.includes(fault)));
      return answer;
    },
  });
}

function startIn({ headers, body = "" }: Request): Started | undefined {
  if (!headers["x-amz-target"]?.endsWith(".TransactWriteItems")) return undefined;
  // The SDK's bytes warn when they are taken for a string, as `Buffer.from` does.
  const text = typeof body === "string" ? body : new TextDecoder().decode(body);
  const parsed = Transaction.safeParse(JSON.parse(text));
  return parsed.data?.TransactItems.map(({ Put }) => Started.safeParse(Put?.Item).data).find(
    (one) => one !== undefined,
  );
}

async function faultsOf({ evacuation, vm, target }: Started): Promise<string[]> {
  const id = EvacuationId.parse(evacuation);
  const [record, move, host] = await Promise.all([
    findEvacuation(id),
    findMove(id, VmId.parse(vm)),
    findHostNow(HostId.parse(target)),
  ]);
  if (record === undefined || move === undefined || host === undefined) {
    return [`${vm}: no record of its evacuation, its move or its target`];
  }
  const faults = Object.keys(record.pauses).map((pause) => `${vm} starts under the pause ${pause}`);
  const state = hostStateOf(host);
  if (state !== "active") faults.push(`${vm} starts to ${target}, which is ${state}`);
  if (move.leg === "back" || record.openTimes === undefined) return faults;
  const endMs = Date.now() + (move.predictedMs ?? 0);
  const isInTime = record.openTimes.some(
    ({ from, until }) =>
      Date.parse(from) <= Date.now() && (until === undefined || endMs <= Date.parse(until)),
  );
  return isInTime ? faults : [...faults, `${vm} starts too late for its window`];
}
