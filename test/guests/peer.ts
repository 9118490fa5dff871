import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { tiedToThisProcess } from "../../agent/runtime/tied-process.ts";
import { waitUntil } from "../../rig/wait-until.ts";
import { Network, PEER } from "../network/namespaces.ts";
import { GuestLink } from "./guest-link.ts";

const SCRIPT = new URL("inside/peer.ts", import.meta.url).pathname;
const START_MS = 30_000;

/** The machine beyond the switch that guests are connected to. */
export class Peer {
  readonly #child: ChildProcess;
  readonly #links = new Map<number, GuestLink>();
  #ready = false;
  #error: Error | undefined;

  private constructor(network: Network) {
    const words = [...Network.inside(network.lan), process.execPath, SCRIPT];
    const [command, args] = tiedToThisProcess(words[0] ?? "", [
      ...words.slice(1),
      PEER.address,
      String(PEER.port),
    ]);
    this.#child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
    const fail = (why: string) => {
      this.#error ??= new Error(`The guests' peer ${why}`);
    };
    this.#child.once("error", (error) => fail(`did not start: ${error.message}`));
    this.#child.once("exit", (code, signal) => fail(`has ended (${signal ?? code})`));
    this.#child.stdin?.on("error", (error) => fail(`reads nothing: ${error.message}`));
    if (!this.#child.stdout) throw new Error("Expected the peer to have an output");
    createInterface({ input: this.#child.stdout }).on("line", (text) => this.#take(text));
  }

  static async start(network: Network): Promise<Peer> {
    const peer = new Peer(network);
    await peer.wait("the guests' peer", () => (peer.#ready ? true : undefined), START_MS);
    return peer;
  }

  /** The connection of the guest whose address ends with this number. */
  link(guest: number): GuestLink {
    const known = this.#links.get(guest) ?? new GuestLink();
    this.#links.set(guest, known);
    return known;
  }

  /** Asks a guest to check all that it has, and to stop its workers. */
  finish(guest: number): void {
    this.#child.stdin?.write(`${guest} finish\n`);
  }

  /** Ends a guest's program; the guest then powers off. */
  bye(guest: number): void {
    this.#child.stdin?.write(`${guest} bye\n`);
  }

  /** As `waitUntil`; fails at once when the peer has failed. */
  wait<T>(what: string, probe: () => T | undefined, timeoutMs: number): Promise<T> {
    const watched = () => {
      if (this.#error) throw this.#error;
      return probe();
    };
    return waitUntil(what, watched, { timeoutMs });
  }

  /** May be called again. */
  stop(): void {
    this.#child.kill("SIGKILL");
  }

  #take(text: string): void {
    const { guest, atMs, line } = JSON.parse(text) as { guest: string; atMs: number; line: string };
    if (guest === "") {
      this.#ready ||= line === "ready";
      return;
    }
    try {
      this.link(Number(guest)).take(line, atMs);
    } catch (error) {
      this.#error ??= error as Error;
    }
  }
}
