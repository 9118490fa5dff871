import { describe } from "vitest";
import { testInterleavings } from "./testing/admission-rounds.ts";

describe("admissions, ends, cancels and crashes at the same time", () => {
  testInterleavings(Array.from({ length: 20 }, (_, place) => place + 3));
});
