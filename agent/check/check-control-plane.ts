import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { DeleteMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { type Checked, JoinToken } from "../../core/protocol/identity.ts";
import { CloudApi } from "../cloud/api.ts";
import { Identity } from "../cloud/identity.ts";
import { readSecret } from "../cloud/secret-file.ts";
import { requestSigner } from "../cloud/signer.ts";
import type { AgentConfig } from "../runtime/config.ts";
import { type Finding, messageOf, ok, warning, wrong } from "./finding.ts";

const ANSWER_MS = 10_000;
/** A command that is older than 60 s by this host's clock is refused. */
const OFF_MS_WRONG = 30_000;
const OFF_MS_WARNING = 5_000;
/** It names no message, so the queue is asked for nothing but its refusal. */
const NO_RECEIPT = "none";
const REFUSED_RECEIPT = "ReceiptHandleIsInvalid";

/** Asks the control plane as the agent would. Nothing is changed, there or here. */
export async function checkControlPlane(config: AgentConfig): Promise<Finding[]> {
  const reached = await reach(config);
  if (!("dateMs" in reached)) return [reached];
  const { dateMs, receivedMs } = reached;
  const findings = [
    ok("api", `${config.apiUrl} answers`),
    ...(Number.isNaN(dateMs) ? [] : [clockFinding(receivedMs - dateMs)]),
  ];
  const known = await checkKey(config);
  if (!("queueUrl" in known)) return [...findings, known];
  const key = ok("key", `the control plane takes this host for ${known.host}`);
  return [...findings, key, await queueFinding(known)];
}

/** The answer's date, which has whole seconds. */
async function reach({
  apiUrl,
}: AgentConfig): Promise<Finding | { dateMs: number; receivedMs: number }> {
  const url = `${apiUrl.replace(/\/$/, "")}/v1/health`;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS) });
    const receivedMs = Date.now();
    await response.body?.cancel();
    // A gateway may ask for more than this host has to show.
    if (response.ok || response.status === 401 || response.status === 403) {
      return { dateMs: Date.parse(response.headers.get("date") ?? ""), receivedMs };
    }
    const found = `${url} answered ${response.status}`;
    const cure =
      response.status < 500
        ? "set `apiUrl` to the base URL of the control plane"
        : "look at the control plane: its answer and its log say what it lacks";
    return wrong("api", found, cure);
  } catch (error) {
    const cure = "start the control plane, correct `apiUrl`, or open the way to it (tunnel, proxy)";
    return wrong("api", `${url} cannot be reached: ${messageOf(error)}`, cure);
  }
}

/** `offMs`: how far this host's clock is ahead. */
export function clockFinding(offMs: number): Finding {
  const seconds = Math.round(Math.abs(offMs) / 1_000);
  const found = `${seconds} s ${offMs < 0 ? "behind" : "ahead of"} the control plane's clock`;
  const cure = "synchronise it: timedatectl set-ntp true, or chrony";
  if (Math.abs(offMs) >= OFF_MS_WRONG) {
    return wrong("clock", `${found}: commands are refused as too old, or requests as forged`, cure);
  }
  if (Math.abs(offMs) >= OFF_MS_WARNING) return warning("clock", found, cure);
  return ok("clock", "agrees with the control plane's");
}

async function checkKey(config: AgentConfig): Promise<Finding | Checked> {
  const { apiUrl, host, stateDir, joinTokenFile } = config;
  const signing = config.signRequests ? new SQSClient({}) : undefined;
  try {
    const identity = new Identity(stateDir, host);
    if (identity.keyId === undefined) return tokenFinding(host, joinTokenFile);
    const sign = signing === undefined ? undefined : requestSigner(signing);
    const api = new CloudApi({ apiUrl, host, identity, instance: randomUUID(), sign });
    return await api.check(AbortSignal.timeout(ANSWER_MS));
  } catch (error) {
    const cure = `issue a join token: switchyard host join-token ${host}; write it into a file of mode 600, name that as \`joinTokenFile\`, and restart the agent`;
    return wrong("key", messageOf(error), cure);
  } finally {
    signing?.destroy();
  }
}

/** @throws Error when others may read the file */
function tokenFinding(host: string, joinTokenFile: string | undefined): Finding {
  const cure = `write what switchyard host join-token ${host} shows into a file of mode 600, and name that as \`joinTokenFile\``;
  if (joinTokenFile === undefined || !existsSync(joinTokenFile)) {
    const where =
      joinTokenFile === undefined ? "`joinTokenFile` is not set" : `no ${joinTokenFile}`;
    return wrong("key", `${host} has not joined, and it has no join token: ${where}`, cure);
  }
  if (!JoinToken.safeParse(readSecret(joinTokenFile, "join token")).success) {
    return wrong("key", `${joinTokenFile} holds no join token`, cure);
  }
  return ok("key", `${host} has not joined; it will at its first start, by ${joinTokenFile}`);
}

/** Deletes a message that does not exist: the queue's refusal proves that it let this host in. */
async function queueFinding({ queueUrl, queueAccess }: Checked): Promise<Finding> {
  const client = new SQSClient({
    useQueueUrlAsEndpoint: false,
    maxAttempts: 1,
    ...(queueAccess === undefined ? {} : { credentials: queueAccess }),
  });
  try {
    const order = new DeleteMessageCommand({ QueueUrl: queueUrl, ReceiptHandle: NO_RECEIPT });
    await client.send(order, { abortSignal: AbortSignal.timeout(ANSWER_MS) });
    return ok("queue", queueUrl);
  } catch (error) {
    if (error instanceof Error && error.name === REFUSED_RECEIPT) return ok("queue", queueUrl);
    const cure =
      "set what agent.env has (AWS_REGION, AWS_ENDPOINT_URL_SQS) as the agent's environment; on AWS, allow this host sqs:ReceiveMessage and sqs:DeleteMessage on its queue";
    return wrong("queue", `${queueUrl}: ${messageOf(error)}`, cure);
  } finally {
    client.destroy();
  }
}
