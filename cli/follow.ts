import { CliError } from "./exit/cli-error.ts";
import type { Input } from "./input.ts";
import type { Output } from "./output/output.ts";
import type { Option } from "./verb.ts";

/** How long work is followed after it was asked for. */
export const followOptions: readonly Option[] = [
  { flags: "--watch", summary: "show progress to the end (default on a terminal)" },
  { flags: "--wait", summary: "wait for the end without progress" },
  { flags: "--detach", summary: "return at once (default in a pipe)" },
  { flags: "--timeout <time>", summary: "follow so long at most, such as 10m; then exit 8" },
];

export type Following = "watch" | "wait" | "detach";

/** @throws CliError when more than one is chosen */
export function followingOf(input: Input, output: Output): Following {
  const ways: readonly Following[] = ["watch", "wait", "detach"];
  const chosen = ways.filter((option) => input.flag(option));
  if (chosen.length > 1) {
    throw new CliError("usage", `Expected one of --watch, --wait, --detach; got ${chosen.length}`);
  }
  return chosen[0] ?? (output.terminal.showsAnswers ? "watch" : "detach");
}
