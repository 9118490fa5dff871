import { ImportError } from "./import-error.ts";

/** One simple command: its words after quoting and expansion, without redirections. */
export type ShellCommand = readonly string[];

const NAME = /^[A-Za-z_][A-Za-z0-9_]*/;
const SEPARATORS = new Set(["\n", ";", "&", "|", "(", ")"]);
const COMMANDS_MAX = 1_000;

/**
 * Splits a text into its simple commands by the rules of the POSIX shell (XCU 2.2, 2.3 and 2.10.2):
 * quotes, escapes, continued lines, comments, redirections. A variable is expanded where the text
 * assigns it before. Nothing is run.
 *
 * @throws ImportError naming what only a shell could expand
 */
export function shellCommands(text: string): ShellCommand[] {
  return new ShellReader(text).read();
}

class ShellReader {
  readonly #text: string;
  readonly #variables = new Map<string, string>();
  readonly #commands: string[][] = [];
  #at = 0;
  #words: string[] = [];
  /** The word being read; undefined between words. */
  #word: string | undefined;
  /** The word began with a quote or an expansion: then it is no assignment. */
  #isPlain = true;
  #skipsNext = false;

  constructor(text: string) {
    this.#text = text.replaceAll("\r\n", "\n");
  }

  read(): ShellCommand[] {
    while (this.#at < this.#text.length) this.#step();
    this.#endCommand();
    return this.#commands;
  }

  #step(): void {
    const character = this.#text.charAt(this.#at);
    if (character === "\\") this.#escape();
    else if (character === "'") this.#single();
    else if (character === '"') this.#double();
    else if (character === "$") this.#expand(false);
    else if (character === "`") throw cannotExpand("a command substitution", this.#here());
    else if (character === " " || character === "\t") this.#endWordAt(1);
    else if (character === "#" && this.#word === undefined) this.#comment();
    else if (character === "<" || character === ">") this.#redirection();
    else if (SEPARATORS.has(character)) {
      this.#at += 1;
      this.#endCommand();
    } else if (/[*?[]/.test(character)) throw cannotExpand("a file name pattern", this.#here());
    else this.#add(character, 1);
  }

  #add(characters: string, length: number): void {
    this.#word = (this.#word ?? "") + characters;
    this.#at += length;
  }

  #quoted(characters: string, length: number): void {
    if (this.#word === undefined) this.#isPlain = false;
    this.#add(characters, length);
  }

  #escape(): void {
    const next = this.#text.charAt(this.#at + 1);
    if (next === "\n") this.#at += 2;
    else this.#quoted(next, 2);
  }

  #single(): void {
    const end = this.#text.indexOf("'", this.#at + 1);
    if (end < 0) throw new ImportError("Expected a closing ', got the end of the text");
    this.#quoted(this.#text.slice(this.#at + 1, end), end + 1 - this.#at);
  }

  #double(): void {
    this.#quoted("", 1);
    for (;;) {
      const character = this.#text.charAt(this.#at);
      if (character === "") throw new ImportError('Expected a closing ", got the end of the text');
      if (character === '"') break;
      if (character === "`") throw cannotExpand("a command substitution", this.#here());
      if (character === "$") this.#expand(true);
      else if (character !== "\\") this.#add(character, 1);
      else {
        const next = this.#text.charAt(this.#at + 1);
        if (next === "\n") this.#at += 2;
        else if (/[$`"\\]/.test(next)) this.#add(next, 2);
        else this.#add(character, 1);
      }
    }
    this.#at += 1;
  }

  #expand(isQuoted: boolean): void {
    const rest = this.#text.slice(this.#at + 1);
    const name = NAME.exec(rest)?.[0] ?? /^\{([A-Za-z_][A-Za-z0-9_]*)\}/.exec(rest)?.[1];
    if (name === undefined) {
      // A lone `$` is itself.
      if (rest !== "" && !/^[\s"',=:/.]/.test(rest)) {
        throw cannotExpand("an expansion", this.#here());
      }
      this.#quoted("$", 1);
      return;
    }
    const value = this.#variables.get(name);
    if (value === undefined) throw cannotExpand(`the variable ${name}`, this.#here());
    const length = name.length + (rest.startsWith("{") ? 3 : 1);
    if (isQuoted || this.#isAssignment()) {
      this.#quoted(value, length);
      return;
    }
    this.#at += length;
    this.#split(value);
  }

  /** An expansion outside of quotes is split into words at white space. */
  #split(value: string): void {
    const parts = value.split(/[ \t\n]+/);
    for (const [index, part] of parts.entries()) {
      if (index > 0) this.#endWordAt(0);
      if (part !== "") this.#quoted(part, 0);
    }
  }

  #isAssignment(): boolean {
    return this.#words.length === 0 && this.#isPlain && /^[A-Za-z_]\w*=/.test(this.#word ?? "");
  }

  #comment(): void {
    const end = this.#text.indexOf("\n", this.#at);
    this.#at = end < 0 ? this.#text.length : end;
  }

  /** `>file`, `2>&1`, `<file`: what follows names a file or a descriptor. */
  #redirection(): void {
    if (/^\d+$/.test(this.#word ?? "") && this.#isPlain) this.#word = undefined;
    this.#endWordAt(0);
    const [operator = ""] = /^(<<|<>|>>|[<>])[&|]?/.exec(this.#text.slice(this.#at)) ?? [];
    if (operator.startsWith("<<")) throw cannotExpand("a here-document", this.#here());
    this.#at += operator.length;
    this.#skipsNext = true;
  }

  #endWordAt(length: number): void {
    this.#at += length;
    const word = this.#word;
    if (word === undefined) return;
    const assignment = /^([A-Za-z_]\w*)=([\s\S]*)$/.exec(word);
    const isAssignment = this.#words.length === 0 && this.#isPlain && assignment !== null;
    this.#word = undefined;
    this.#isPlain = true;
    if (this.#skipsNext) {
      this.#skipsNext = false;
      return;
    }
    if (isAssignment) this.#variables.set(assignment[1] ?? "", assignment[2] ?? "");
    else this.#words.push(word);
  }

  #endCommand(): void {
    this.#endWordAt(0);
    this.#skipsNext = false;
    if (this.#words.length === 0) return;
    this.#commands.push(this.#words);
    this.#words = [];
    if (this.#commands.length > COMMANDS_MAX) {
      throw new ImportError(
        `Expected at most ${COMMANDS_MAX} commands: give the one of QEMU alone`,
      );
    }
  }

  #here(): string {
    return this.#text.slice(this.#at, this.#at + 40).split("\n")[0] ?? "";
  }
}

function cannotExpand(what: string, where: string): ImportError {
  return new ImportError(
    `Expected text that needs no shell, got ${what} at \`${where}\`: put its value there, or give what \`ps\` or \`set -x\` shows of the command`,
  );
}
