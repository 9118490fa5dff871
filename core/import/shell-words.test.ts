import { describe, expect, it } from "vitest";
import { shellCommands } from "./shell-words.ts";

describe("shellCommands", () => {
  it.each<[string, string[][]]>([
    ["a b  c", [["a", "b", "c"]]],
    ["a 'b c' \"d e\" f\\ g", [["a", "b c", "d e", "f g"]]],
    ["a '' \"\"", [["a", "", ""]]],
    ["a 'it'\\''s'", [["a", "it's"]]],
    ['a "x\\"y\\\\z\\n"', [["a", 'x"y\\z\\n']]],
    ["a \\\n  -b \\\n c", [["a", "-b", "c"]]],
    ["a b # not c\nd", [["a", "b"], ["d"]]],
    ["a#b", [["a#b"]]],
    ["a; b && c | d &", [["a"], ["b"], ["c"], ["d"]]],
    ["a >log 2>&1 </dev/null b", [["a", "b"]]],
    ["D=/srv\na $D/x $" + "{D}y", [["a", "/srv/x", "/srvy"]]],
    ["O='-m 64'\na $O \"$O\"", [["a", "-m", "64", "-m 64"]]],
    ["LC_ALL=C A=1 a -b", [["a", "-b"]]],
    ["a b=c", [["a", "b=c"]]],
    ["E=\na $E b", [["a", "b"]]],
    ["a 100$", [["a", "100$"]]],
    ["a\r\nb\r\n", [["a"], ["b"]]],
    ["", []],
  ])("%j", (text, commands) => {
    expect(shellCommands(text)).toEqual(commands);
  });

  it.each([
    ["a $(b)", /an expansion at `\$\(b\)`/],
    ["a `b`", /a command substitution/],
    ["a $HOME/x", /the variable HOME/],
    ["a *.img", /a file name pattern/],
    ["a 'b", /a closing '/],
    ['a "b', /a closing "/],
    ["a <<E\nb\nE", /a here-document/],
    [";a".repeat(1_002), /at most 1000 commands/],
  ])("refuses %j", (text, message) => {
    expect(() => shellCommands(text)).toThrow(message);
  });
});
