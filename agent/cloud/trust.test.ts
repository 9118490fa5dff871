import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { testFolder } from "../testing/folder.ts";
import { trustOnly } from "./trust.ts";

const BROKEN = "-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n";

it.each([
  ["is not there", undefined, /caFile .*ca\.pem: ENOENT/],
  ["has none", "-----BEGIN PRIVATE KEY-----", /caFile .*ca\.pem: it has none/],
  ["has a broken one", BROKEN, /caFile .*ca\.pem: /],
])("a file of authorities that %s is refused by its name", (_, text, message) => {
  const file = join(testFolder(), "ca.pem");
  if (text !== undefined) writeFileSync(file, text);
  expect(() => trustOnly(file)).toThrow(message);
});
