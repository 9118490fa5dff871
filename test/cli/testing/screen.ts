import { execFileSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { waitUntil } from "../../../rig/wait-until.ts";

/** Whether tmux is installed: it is the terminal of these tests. */
export const hasTmux = (() => {
  try {
    execFileSync("tmux", ["-V"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();
/** For titles. */
export const unlessTmux = hasTmux ? "" : " (skipped: tmux is not installed)";

const ROWS = 60;
const NAME = "screen";

/** A terminal of a given width in which one shell line runs. */
export class Screen {
  readonly #socket: string;

  /** @param line ends with the words `exit=` and its exit code on the screen */
  constructor(folder: string, columns: number, line: string, environment: Record<string, string>) {
    this.#socket = join(mkdtempSync(join(folder, "tmux-")), "socket");
    const settings = Object.entries(environment).flatMap(([name, value]) => [
      "-e",
      `${name}=${value}`,
    ]);
    this.#tmux(
      "-f",
      "/dev/null",
      "new-session",
      "-d",
      "-s",
      NAME,
      "-x",
      String(columns),
      "-y",
      String(ROWS),
      ...settings,
      // An interrupt ends the command alone; `cat` keeps the terminal open until it is closed.
      `sh -c 'trap : INT; ${line}; echo "exit=$?"; exec cat'`,
    );
  }

  /** What is on the screen, without trailing blanks. */
  text(): string {
    return this.#tmux("capture-pane", "-p", "-t", NAME)
      .replace(/[ \t]+$/gm, "")
      .trimEnd();
  }

  async shows(pattern: RegExp, timeoutMs: number): Promise<string> {
    return waitUntil(
      `${pattern} on the screen`,
      () => {
        const text = this.text();
        return pattern.test(text) ? text : undefined;
      },
      { timeoutMs, everyMs: 50 },
    );
  }

  press(key: string): void {
    this.#tmux("send-keys", "-t", NAME, key);
  }

  close(): void {
    this.#tmux("kill-server");
  }

  #tmux(...words: string[]): string {
    return execFileSync("tmux", ["-S", this.#socket, ...words], { encoding: "utf8" });
  }
}
