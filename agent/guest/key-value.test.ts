import { expect, it } from "vitest";
import { keyValue } from "./key-value.ts";

it.each([
  ["names and values", { type: 1, uefi: true, rom: false }, "type=1,uefi=on,rom=off"],
  ["a value with commas, each doubled", { product: "a,b,,c" }, "product=a,,b,,,,c"],
  ["a value with other characters as it is", { path: "/a b=c\\d'e\"" }, "path=/a b=c\\d'e\""],
  ["an empty value", { serial: "" }, "serial="],
  ["a list, its key before each entry", { value: ["a", "b,c"] }, "value=a,value=b,,c"],
  ["nothing for an empty list, or what is undefined", { value: [], sku: undefined }, ""],
])("writes %s", (_, options, expected) => {
  expect(keyValue(options)).toBe(expected);
});

it("puts what has no key first", () => {
  expect(keyValue({ acpi: false }, "pc")).toBe("pc,acpi=off");
  expect(keyValue({}, "a,b")).toBe("a,,b");
});
