import type { HistoryEventType } from "@aws-sdk/client-sfn";
import { runtimeError } from "./errors.ts";
import type { ExecutionHeader, ExecutionRecord } from "./execution-record.ts";
import type { Frame } from "./frame.ts";
import type { HistoryEvent } from "./history.ts";
import type { JsonObject } from "./json.ts";
import { HISTORY_EVENTS_MAX } from "./limits.ts";

/** The changes of one turn of an execution: one line of its journal. */
export type Change = {
  header?: Partial<ExecutionHeader>;
  /** Changed fields by frame; null for a removed frame. */
  frames?: Record<number, Partial<Frame> | null>;
  events?: HistoryEvent[];
};

/** The only way to change an execution: each change is also part of the next `take()`. */
export class Ledger {
  readonly record: ExecutionRecord;
  readonly #now: () => number;
  #change: Change = {};
  #isDirty = false;

  constructor(record: ExecutionRecord, now: () => number) {
    this.record = record;
    this.#now = now;
  }

  get header(): Readonly<ExecutionHeader> {
    return this.record.header;
  }

  updateHeader(fields: Partial<ExecutionHeader>): void {
    Object.assign(this.record.header, fields);
    this.#change.header = { ...this.#change.header, ...fields };
    this.#isDirty = true;
  }

  update(frame: Frame, fields: Partial<Frame>): void {
    Object.assign(frame, fields);
    this.#changeFrame(frame.id, { ...this.#change.frames?.[frame.id], ...fields });
  }

  add(fields: Omit<Frame, "id">): Frame {
    const frame: Frame = { ...fields, id: this.header.nextFrame };
    this.updateHeader({ nextFrame: frame.id + 1 });
    this.record.frames.set(frame.id, frame);
    this.#changeFrame(frame.id, { ...frame });
    return frame;
  }

  remove(frame: Frame): void {
    this.record.frames.delete(frame.id);
    this.#changeFrame(frame.id, null);
  }

  nextSerial(): number {
    const serial = this.header.serial + 1;
    this.updateHeader({ serial });
    return serial;
  }

  /**
   * Adds an event to the history. The last place is kept for the event that ends the execution.
   *
   * @throws StatesError `States.Runtime` if the history is full
   */
  append(type: HistoryEventType, previousEventId: number, details: JsonObject | null): number {
    if (this.record.events.length >= HISTORY_EVENTS_MAX - 1) {
      throw runtimeError(
        `The execution reached the maximum number of history events (${HISTORY_EVENTS_MAX}).`,
      );
    }
    return this.appendLast(type, previousEventId, details);
  }

  /** Adds an event even to a full history: for the one that ends the execution. */
  appendLast(type: HistoryEventType, previousEventId: number, details: JsonObject | null): number {
    const id = this.record.events.length + 1;
    const event = { id, previousEventId, at: this.#now(), type, details };
    this.record.events.push(event);
    this.#change.events ??= [];
    this.#change.events.push(event);
    this.#isDirty = true;
    return id;
  }

  /** Adds an event that belongs to a frame and follows the frame's last one. */
  appendFor(frame: Frame, type: HistoryEventType, details: JsonObject | null): number {
    const id = this.append(type, frame.lastEventId, details);
    this.update(frame, { lastEventId: id });
    return id;
  }

  /** As `appendFor`, but writes nothing if the history is full: the execution is ending anyway. */
  appendIfRoom(frame: Frame, type: HistoryEventType, details: JsonObject | null): void {
    if (this.record.events.length >= HISTORY_EVENTS_MAX - 1) return;
    this.appendFor(frame, type, details);
  }

  /** The change since the last call, if there is one. */
  take(): Change | undefined {
    if (!this.#isDirty) return undefined;
    const change = this.#change;
    this.#change = {};
    this.#isDirty = false;
    return change;
  }

  #changeFrame(id: number, fields: Partial<Frame> | null): void {
    this.#change.frames ??= {};
    this.#change.frames[id] = fields;
    this.#isDirty = true;
  }
}
