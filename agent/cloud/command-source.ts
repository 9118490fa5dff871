import { setTimeout as sleep } from "node:timers/promises";
import {
  DeleteMessageBatchCommand,
  type Message,
  ReceiveMessageCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { type Command, CommandEnvelope } from "../../core/protocol/command.ts";
import type { Log } from "../runtime/log.ts";

const RETRY_MS = { first: 200, max: 5_000 };
const POLL_SECONDS = 20;
/** A connection that has silently died must not make the agent deaf. */
const POLL_MS_MAX = (POLL_SECONDS + 10) * 1_000;
const DELETE_MS_MAX = 10_000;
/** Far below the time after which the queue gives a command again, beyond a short migration. */
const DELETE_AFTER_MS = 10_000;
/** SQS's limit for one request. */
const BATCH_MAX = 10;
/** What was received goes first: asking for more takes as long as some commands do. */
const BREATH_MS = 20;

/** Long-polls this host's queue. A message is deleted once `handle` has made its answer durable. */
export class CommandSource {
  readonly #sqs: SQSClient;
  readonly #queueUrl: string;
  readonly #handle: (command: Command) => Promise<void>;
  readonly #log: Log;
  readonly #stop = new AbortController();
  readonly #open = new Set<Promise<void>>();
  #running: Promise<void> = Promise.resolve();
  /** Receipts of messages that are done with, and the request that will delete them. */
  #done: string[] = [];
  #deleting: Promise<void> | undefined;

  constructor(options: {
    sqs: SQSClient;
    queueUrl: string;
    handle: (command: Command) => Promise<void>;
    log: Log;
  }) {
    this.#sqs = options.sqs;
    this.#queueUrl = options.queueUrl;
    this.#handle = options.handle;
    this.#log = options.log;
  }

  start(): void {
    this.#running = this.#poll();
  }

  /** No new commands; waits for the ones at work, but no longer than `graceMs`. */
  async stop(graceMs = 10_000): Promise<void> {
    this.#stop.abort();
    await this.#running;
    if (this.#open.size === 0) return;
    const late = new AbortController();
    await Promise.race([
      Promise.allSettled(this.#open),
      sleep(graceMs, undefined, { signal: late.signal }).catch(() => undefined),
    ]);
    late.abort();
  }

  async #poll(): Promise<void> {
    let delayMs = RETRY_MS.first;
    while (!this.#stop.signal.aborted) {
      try {
        const answer = await this.#sqs.send(
          new ReceiveMessageCommand({
            QueueUrl: this.#queueUrl,
            MaxNumberOfMessages: 10,
            WaitTimeSeconds: POLL_SECONDS,
          }),
          { abortSignal: AbortSignal.any([this.#stop.signal, AbortSignal.timeout(POLL_MS_MAX)]) },
        );
        delayMs = RETRY_MS.first;
        if (answer.Messages === undefined) continue;
        for (const message of answer.Messages) this.#take(message);
        await this.#pause(BREATH_MS);
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        this.#log.warn({ error, delayMs }, "no commands could be received, trying again");
        await this.#pause(delayMs);
        delayMs = Math.min(delayMs * 2, RETRY_MS.max);
      }
    }
  }

  /** Cut short when it is stopped. */
  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stop.signal }).catch(() => undefined);
  }

  #take(message: Message): void {
    const work = this.#carryOut(message).catch((error: unknown) => {
      // Not deleted: the queue delivers it again until its retention (15 minutes) ends.
      this.#log.error({ error, messageId: message.MessageId }, "a command could not be taken");
    });
    this.#open.add(work);
    void work.finally(() => this.#open.delete(work));
  }

  async #carryOut(message: Message): Promise<void> {
    const envelope = CommandEnvelope.parse(JSON.parse(message.Body ?? ""));
    await this.#handle(envelope.command);
    if (message.ReceiptHandle !== undefined) await this.#delete(message.ReceiptHandle);
  }

  /** The answer is waited for, the queue is not: one request deletes all that are done by then. */
  #delete(receipt: string): Promise<void> {
    this.#done.push(receipt);
    this.#deleting ??= this.#pause(DELETE_AFTER_MS).then(() => this.#deleteDone());
    return this.#deleting;
  }

  async #deleteDone(): Promise<void> {
    const receipts = this.#done;
    this.#done = [];
    this.#deleting = undefined;
    while (receipts.length > 0) await this.#deleteBatch(receipts.splice(0, BATCH_MAX));
  }

  async #deleteBatch(receipts: string[]): Promise<void> {
    const { Failed = [] } = await this.#sqs.send(
      new DeleteMessageBatchCommand({
        QueueUrl: this.#queueUrl,
        Entries: receipts.map((ReceiptHandle, place) => ({ Id: String(place), ReceiptHandle })),
      }),
      { abortSignal: AbortSignal.timeout(DELETE_MS_MAX) },
    );
    // The queue gives them again, and each gets the answer that was recorded.
    if (Failed.length > 0) this.#log.warn({ failed: Failed }, "commands could not be deleted");
  }
}
