import { expect, it } from "vitest";
import { addMttyKnobs } from "./mtty-knobs.ts";

it("names the first place of mtty.c it does not know, instead of building something else", () => {
  expect(() => addMttyKnobs("int main(void) { return 0; }\n")).toThrow(
    'Expected one place like "#include <linux/anon_inodes.h>" in mtty.c, got 0',
  );
});
