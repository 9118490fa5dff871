import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { quietLog } from "../runtime/testing/quiet-log.ts";
import { testFolder } from "../testing/folder.ts";
import { EventStore } from "./event-store.ts";

const body = (detail: string) => ({ type: "guest.exited", vm: "vm1", detail });
const emitted = (id: number, rest: object = {}) => ({
  emitted: { id, atMs: id, body: body(`${id}`), ...rest },
});

/** A folder with the outbox of an agent that kept it as lines of JSON. */
function outboxOf(entries: readonly object[], end = ""): string {
  const folder = testFolder();
  const lines = entries.map((entry) => `${JSON.stringify(entry)}\n`).join("");
  writeFileSync(join(folder, "outbox.jsonl"), `${lines}${end}`);
  return folder;
}

function read(folder: string) {
  const store = new EventStore(folder, quietLog());
  try {
    return store.read();
  } finally {
    store.close();
  }
}

it("takes over what an older agent has not sent, once, and its numbers", () => {
  const folder = outboxOf(
    [emitted(1), { seq: 1, of: 1 }, emitted(2), { seq: 2, of: 2 }, { accepted: 1 }, emitted(3)],
    '{"emitted": {"id": 4',
  );
  const expected = {
    queue: [
      { id: 2, atMs: 2, body: body("2"), seq: 2 },
      { id: 3, atMs: 3, body: body("3") },
    ],
    nextId: 4,
    lastSeq: 2,
  };
  expect(read(folder)).toEqual(expected);
  expect(existsSync(join(folder, "outbox.jsonl"))).toBe(false);
  expect(read(folder)).toEqual(expected);
});

it("forgets what the older agent dropped, and counts anew where the cloud told it to", () => {
  const folder = outboxOf([
    emitted(1, { seq: 1 }),
    emitted(2, { seq: 2 }),
    { dropped: 1 },
    { renumberFrom: 7 },
  ]);
  expect(read(folder)).toEqual({
    queue: [{ id: 2, atMs: 2, body: body("2") }],
    nextId: 3,
    lastSeq: 7,
  });
});

it("drops an event that this agent does not know, and keeps the others", () => {
  const unknown = { id: 1, atMs: 1, body: { type: "guest.unheard-of", vm: "vm1" } };
  const folder = outboxOf([{ emitted: unknown }, emitted(2)]);
  expect(read(folder).queue.map(({ id }) => id)).toEqual([2]);
  expect(read(folder).nextId).toBe(3);
});

it("is not opened over a damaged line: the file and the line are named", () => {
  const folder = outboxOf([emitted(1), { what: "is this" }, emitted(2)]);
  expect(() => new EventStore(folder, quietLog())).toThrow(/outbox\.jsonl: line 2 is damaged/);
});
