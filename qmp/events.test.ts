import { describe, expect, expectTypeOf, it } from "vitest";
import { QmpProtocolError } from "./error.ts";
import { isQmpEvent, type QmpEvent, type QmpEventData, readEvent } from "./events.ts";

const timestamp = { seconds: 1_795_251_070, microseconds: 430_750 };

describe("readEvent", () => {
  it("gives QEMU's timestamp in milliseconds", () => {
    const event = readEvent({ event: "STOP", data: {}, timestamp });
    expect(event).toEqual({ name: "STOP", data: {}, timestampMs: 1_795_251_070_430.75, count: 1 });
  });

  it("gives NaN when QEMU had no clock", () => {
    const event = readEvent({
      event: "STOP",
      data: {},
      timestamp: { seconds: -1, microseconds: -1 },
    });
    expect(event.timestampMs).toBeNaN();
  });

  it.each(["NOT_YET_INVENTED", "toString", "__proto__"])("passes unknown event %s", (name) => {
    expect(readEvent({ event: name, data: { x: [1] }, timestamp })).toMatchObject({
      name,
      data: { x: [1] },
    });
  });

  it.each([
    ["MIGRATION", {}],
    ["MIGRATION_PASS", { pass: "2" }],
    ["SHUTDOWN", { guest: true }],
  ])("refuses malformed %s", (event, data) => {
    expect(() => readEvent({ event, data, timestamp })).toThrow(QmpProtocolError);
  });

  it("passes unknown members and statuses", () => {
    const data = { status: "polishing", more: 1 };
    expect(readEvent({ event: "MIGRATION", data, timestamp }).data).toEqual(data);
  });
});

it("isQmpEvent narrows to the event's data", () => {
  const event: QmpEvent = readEvent({ event: "MIGRATION", data: { status: "setup" }, timestamp });
  expect(isQmpEvent(event, "STOP")).toBe(false);
  if (!isQmpEvent(event, "MIGRATION")) throw new Error("unreachable");
  expectTypeOf(event.data.status).toBeString();
  expectTypeOf<QmpEventData<"X">>().toEqualTypeOf<Readonly<Record<string, unknown>>>();
});
