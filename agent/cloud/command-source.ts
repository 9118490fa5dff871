import {
  DeleteMessageBatchCommand,
  type Message,
  ReceiveMessageCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { Backoff, pause } from "../runtime/backoff.ts";
import type { Log } from "../runtime/log.ts";

const RETRY = { firstMs: 200, maxMs: 5_000 };
const POLL_SECONDS = 20;
/** A connection that has died without an error must not stop the polling. */
const POLL_MS_MAX = (POLL_SECONDS + 10) * 1_000;
const DELETE_MS_MAX = 10_000;
/** Below the queue's visibility timeout (5 s), and longer than a short migration. */
const DELETE_AFTER_MS = 3_000;
/** SQS's limit for one request, received or deleted. */
const BATCH_MAX = 10;
/** Commands start before the next request, which takes as long as some commands do. */
const YIELD_MS = 20;
const NOT_DELETED = "commands were handled but could not be deleted, they will come again";

/**
 * Long-polls this host's queue. A message is deleted once `handle` has made its answer durable. One
 * that could not be deleted is delivered again: `handle` must know it by its command's id.
 */
export class CommandSource {
  readonly #sqs: SQSClient;
  readonly #queueUrl: string;
  readonly #handle: (body: string) => Promise<void>;
  readonly #log: Log;
  readonly #stop = new AbortController();
  readonly #open = new Set<Promise<void>>();
  #running: Promise<void> = Promise.resolve();
  /** Receipts of handled messages, and the request that will delete them. */
  #done: string[] = [];
  #deleting: Promise<void> | undefined;

  constructor(options: {
    sqs: SQSClient;
    queueUrl: string;
    /** Takes a message's body; the same one may come again. */
    handle: (body: string) => Promise<void>;
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

  /** Receives no more commands; waits up to `graceMs` for those being handled. */
  async stop(graceMs = 10_000): Promise<void> {
    this.#stop.abort();
    await this.#running;
    if (this.#open.size === 0) return;
    const late = new AbortController();
    await Promise.race([Promise.allSettled(this.#open), pause(graceMs, late.signal)]);
    late.abort();
  }

  async #poll(): Promise<void> {
    const backoff = new Backoff(RETRY);
    while (!this.#stop.signal.aborted) {
      try {
        const answer = await this.#sqs.send(
          new ReceiveMessageCommand({
            QueueUrl: this.#queueUrl,
            MaxNumberOfMessages: BATCH_MAX,
            WaitTimeSeconds: POLL_SECONDS,
          }),
          { abortSignal: AbortSignal.any([this.#stop.signal, AbortSignal.timeout(POLL_MS_MAX)]) },
        );
        backoff.reset();
        if (answer.Messages === undefined) continue;
        for (const message of answer.Messages) this.#take(message);
        await pause(YIELD_MS, this.#stop.signal);
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        const delayMs = backoff.next();
        this.#log.warn({ error, delayMs }, "commands could not be received, trying again");
        await pause(delayMs, this.#stop.signal);
      }
    }
  }

  #take(message: Message): void {
    const work = this.#handleMessage(message).catch((error: unknown) => {
      // Not deleted: the queue delivers it again, until its retention ends.
      this.#log.error({ error, messageId: message.MessageId }, "a command could not be handled");
    });
    this.#open.add(work);
    void work.finally(() => this.#open.delete(work));
  }

  async #handleMessage(message: Message): Promise<void> {
    await this.#handle(message.Body ?? "");
    if (message.ReceiptHandle !== undefined) await this.#delete(message.ReceiptHandle);
  }

  /** Deletes later: one request for all messages that are handled by then. Never rejects. */
  #delete(receipt: string): Promise<void> {
    this.#done.push(receipt);
    this.#deleting ??= pause(DELETE_AFTER_MS, this.#stop.signal).then(() => this.#deleteDone());
    return this.#deleting;
  }

  async #deleteDone(): Promise<void> {
    const receipts = this.#done;
    this.#done = [];
    this.#deleting = undefined;
    while (receipts.length > 0) await this.#deleteBatch(receipts.splice(0, BATCH_MAX));
  }

  /** What is not deleted is delivered again, and gets the recorded answer: nothing is done twice. */
  async #deleteBatch(receipts: string[]): Promise<void> {
    try {
      const { Failed = [] } = await this.#sqs.send(
        new DeleteMessageBatchCommand({
          QueueUrl: this.#queueUrl,
          Entries: receipts.map((ReceiptHandle, place) => ({ Id: String(place), ReceiptHandle })),
        }),
        { abortSignal: AbortSignal.timeout(DELETE_MS_MAX) },
      );
      if (Failed.length > 0) this.#log.warn({ failed: Failed }, NOT_DELETED);
    } catch (error) {
      this.#log.warn({ error, count: receipts.length }, NOT_DELETED);
    }
  }
}
