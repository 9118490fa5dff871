import { randomBytes } from "node:crypto";
import { CommandId, ulid, type VmId } from "../../core/id.ts";
import { type ArgsOf, type ResultOf, type Verb, verbs } from "../../core/protocol/command.ts";
import { Problem } from "../http/problem.ts";
import { removeCommand } from "../store/commands.ts";
import type { StoredHost } from "../store/hosts.ts";
import { awaitAnswers } from "./await-answers.ts";
import { dispatch } from "./dispatch-command.ts";

export type Question<V extends Verb> = {
  host: StoredHost;
  vm: VmId;
  epoch: number;
  verb: V;
  args: ArgsOf<V>;
};

/**
 * Asks a host something, and waits for its answer within the request. The command is removed: nothing
 * stays behind, and an answer that comes later changes nothing.
 *
 * @throws Problem host-not-active, host-refused, host-silent, host-unreachable
 */
export async function askHost<V extends Verb>(question: Question<V>): Promise<ResultOf<V>> {
  const { host, vm, epoch, verb, args } = question;
  if (host.state === "joining") {
    throw new Problem("host-not-active", `The agent of ${host.id} has not registered yet`);
  }
  const owner = `ask_${ulid(Date.now(), randomBytes(10))}`;
  const id = CommandId.parse(`${owner}.${verb.replace(".", "-")}.1`);
  try {
    await dispatch({ id, host: host.id, queueUrl: host.queueUrl, vm, epoch, verb, args });
    const answers = await awaitAnswers([id], ({ error }) => {
      const why = `${error?.code}: ${error?.message}`;
      const reason = error?.code;
      return new Problem("host-refused", `Host ${host.id} refused: ${why}`, { reason });
    });
    // An answer that does not fit is marked as failed a moment after it is stored.
    const result = verbs[verb].result.safeParse(answers.get(id)?.result);
    if (result.success) return result.data as ResultOf<V>;
    const why = `its answer to ${verb} does not fit: ${result.error.message.slice(0, 500)}`;
    throw new Problem("host-refused", `Host ${host.id}: ${why}`, { reason: "invalid" });
  } finally {
    await removeCommand(id);
  }
}
