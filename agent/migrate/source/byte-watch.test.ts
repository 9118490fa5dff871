import { expect, it } from "vitest";
import { ByteWatch } from "./byte-watch.ts";

const figures = (ramTransferredBytes: number) => ({
  status: "active",
  ramTransferredBytes,
  ramRemainingBytes: 1_000,
});

it.each([
  { link: { linkUp: true, silentMs: 900 }, hint: "MTU" },
  { link: { linkUp: true, silentMs: 20_000 }, hint: "does not answer" },
  { link: { linkUp: false, silentMs: 900 }, hint: "does not answer" },
])("B6: no byte for 60 s is given up, with a hint ($hint)", ({ link, hint }) => {
  const watch = new ByteWatch(undefined, () => link);
  expect(watch.observe(figures(1), 0)).toBeUndefined();
  expect(watch.observe(figures(2), 10_000)).toBeUndefined();
  expect(watch.observe(figures(2), 69_999)).toBeUndefined();
  const reason = watch.observe(figures(2), 70_000);
  expect(reason).toContain("No byte of the stream was sent for 60 s");
  expect(reason).toContain(hint);
});

it("another status than precopy's starts the count anew", () => {
  const watch = new ByteWatch(5_000, () => undefined);
  watch.observe(figures(1), 0);
  watch.observe({ status: "device" }, 4_000);
  expect(watch.observe(figures(1), 6_000)).toBeUndefined();
  expect(watch.observe(figures(1), 11_000)).toContain("for 5 s");
});
