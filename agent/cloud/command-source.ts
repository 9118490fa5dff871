import {
  DeleteMessageCommand,
  type Message,
  ReceiveMessageCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { type Command, CommandEnvelope } from "../../core/command.ts";
import type { Log } from "../log.ts";

const RETRY_MS = { first: 200, max: 5_000 };

/** Long-polls this host's queue. A message is deleted once `handle` has made its answer durable. */
export class CommandSource {
  readonly #sqs: SQSClient;
  readonly #queueUrl: string;
  readonly #handle: (command: Command) => Promise<void>;
  readonly #log: Log;
  readonly #stop = new AbortController();
  readonly #open = new Set<Promise<void>>();
  #running: Promise<void> = Promise.resolve();

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

  /** No new commands; waits for the ones at work. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await Promise.allSettled(this.#open);
  }

  async #poll(): Promise<void> {
    let delayMs = RETRY_MS.first;
    while (!this.#stop.signal.aborted) {
      try {
        const answer = await this.#sqs.send(
          new ReceiveMessageCommand({
            QueueUrl: this.#queueUrl,
            MaxNumberOfMessages: 10,
            WaitTimeSeconds: 20,
          }),
          { abortSignal: this.#stop.signal },
        );
        for (const message of answer.Messages ?? []) this.#take(message);
        delayMs = RETRY_MS.first;
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        this.#log.warn({ error, delayMs }, "no commands could be received, trying again");
        await new Promise((resolve) => setTimeout(resolve, delayMs));
        delayMs = Math.min(delayMs * 2, RETRY_MS.max);
      }
    }
  }

  #take(message: Message): void {
    const work = this.#carryOut(message).catch((error: unknown) => {
      // Not deleted: the queue gives it again, and to the dead-letter queue in the end.
      this.#log.error({ error, messageId: message.MessageId }, "a command could not be taken");
    });
    this.#open.add(work);
    void work.finally(() => this.#open.delete(work));
  }

  async #carryOut(message: Message): Promise<void> {
    const envelope = CommandEnvelope.parse(JSON.parse(message.Body ?? ""));
    await this.#handle(envelope.command);
    await this.#sqs.send(
      new DeleteMessageCommand({
        QueueUrl: this.#queueUrl,
        ReceiptHandle: message.ReceiptHandle,
      }),
    );
  }
}
