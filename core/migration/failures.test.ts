import { expect, it } from "vitest";
import { cureOf, failureCures } from "./failures.ts";

it.each(Object.entries(failureCures))("%s has a cure of its own", (code, cure) => {
  expect(cureOf(code)).toBe(cure);
});

it.each(["guest-lost", "constructor", ""])("`%s` has the general cure", (code) => {
  expect(cureOf(code)).toMatch(/timeline/);
});
