import { describe, expect, it } from "vitest";
import { age, bytes, bytesInFull, clockOffset, duration, rate } from "./format.ts";

describe("figures for people", () => {
  it.each([
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1.0 KiB"],
    [1024 * 1023.9, "1.0 MiB"],
    [128 * 2 ** 20, "128 MiB"],
    [1.9 * 2 ** 30, "1.9 GiB"],
    [5_000 * 2 ** 50, "5000 PiB"],
  ])("writes %d bytes as %s", (count, text) => {
    expect(bytes(count)).toBe(text);
  });

  it("writes them in full where they are compared", () => {
    expect(bytesInFull(1)).toBe("1 bytes");
    expect(bytesInFull(6_442_450_944)).toBe("6.0 GiB (6442450944 bytes)");
  });

  it("writes how far a host's clock is off", () => {
    expect(clockOffset(-38)).toBe("38 ms behind the control plane's");
    expect(clockOffset(4_200)).toBe("4.2 s ahead of the control plane's");
    expect(clockOffset(undefined)).toBeUndefined();
  });

  it("writes a rate as bytes per second", () => {
    expect(rate(410 * 2 ** 20)).toBe("410 MiB/s");
  });

  it.each([
    [0, "0 ms"],
    [38.4, "38 ms"],
    [999.6, "1.0 s"],
    [49_300, "49.3 s"],
    [59_960, "1 min"],
    [250_000, "4 min 10 s"],
    [3_599_900, "1 h"],
    [7_500_000, "2 h 5 min"],
    [273_600_000, "3 d 4 h"],
  ])("writes %d ms as %s", (ms, text) => {
    expect(duration(ms)).toBe(text);
  });

  it.each([
    [-5, "0 s"],
    [59_999, "59 s"],
    [60_000, "1 min"],
    [86_399_000, "23 h"],
    [86_400_000, "1 d"],
  ])("writes an age of %d ms as %s", (ms, text) => {
    expect(age(ms)).toBe(text);
  });
});
