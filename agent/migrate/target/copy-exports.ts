import { TLS_OBJECT } from "../../../core/negotiate/tls.ts";
import { QmpCommandError } from "../../../qmp/error.ts";
import { CommandRefusedError } from "../../command/command-error.ts";
import type { Guest } from "../../guest/guest.ts";
import { listeningPorts } from "../../runtime/listening-ports.ts";
import { openInodes } from "../../runtime/open-sockets.ts";
import type { CopyAnswer, CopyQuestion } from "../link/copy-message.ts";
import type { PortRange } from "../link/port-range.ts";

/** Where QEMU listens. */
type Listening = { readonly address: string; readonly ports: PortRange };

/**
 * The target's images as NBD exports of its QEMU, for the source to fill. They are open from the
 * source's question, when the stream has begun, until all is copied. Only a client with the
 * migration's TLS credentials is served.
 */
export class CopyExports {
  readonly #guest: () => Guest;
  #opening: Promise<number> | undefined;
  #closed = false;

  /** @param guest the target's process, which may be replaced before the exports are open */
  constructor(guest: () => Guest) {
    this.#guest = guest;
  }

  /**
   * What the source's agent asks for; it may ask again.
   *
   * @throws CommandRefusedError, QmpError, or the file system's error
   */
  async answer({ type }: CopyQuestion, listening: Listening): Promise<CopyAnswer> {
    if (type === "close-exports") {
      await this.close();
      return { type: "exports-closed" };
    }
    this.#opening ??= this.#open(listening).catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return { type: "exports-open", port: await this.#opening };
  }

  /**
   * The guest must not run before: QEMU runs it beside an export without an error, and its writes are
   * refused. Once closed it costs nothing.
   *
   * @throws QmpError
   */
  async close(): Promise<void> {
    if (this.#closed || disksOf(this.#guest()).length === 0) return;
    await stopServer(this.#guest());
    this.#closed = true;
  }

  async #open(listening: Listening): Promise<number> {
    const guest = this.#guest();
    const { migration } = guest.manifest;
    if (migration === undefined || this.#closed) {
      throw new CommandRefusedError("refused", "The exports are closed");
    }
    if (migration.exportPort !== undefined) return migration.exportPort;
    // Left by an earlier run of this agent, which has not noted where.
    await stopServer(guest);
    const port = await this.#startServer(guest, listening);
    for (const disk of disksOf(guest)) {
      const export_ = { "node-name": disk, name: disk, id: `switchyard-${disk}` };
      await guest.qmp.execute("block-export-add", { type: "nbd", writable: true, ...export_ });
    }
    guest.note({ migration: { ...migration, exportPort: port } });
    return port;
  }

  /** QEMU takes the first free port of the range by itself. */
  async #startServer(
    { qmp, manifest }: Guest,
    { address, ports: { min, max } }: Listening,
  ): Promise<number> {
    const before = openInodes(manifest.pid);
    const range = max > min ? { to: max } : {};
    await qmp.execute("nbd-server-start", {
      addr: { type: "inet", data: { host: address, port: String(min), ...range } },
      "tls-creds": TLS_OBJECT,
    });
    const [port] = listeningPorts(manifest.pid, before);
    if (port !== undefined) return port;
    throw new CommandRefusedError("qemu", "QEMU does not listen for the source's copies");
  }
}

/** The disks that the source copies. */
function disksOf({ manifest }: Guest): string[] {
  return (manifest.images ?? []).map(({ disk }) => disk);
}

async function stopServer({ qmp }: Guest): Promise<void> {
  try {
    await qmp.execute("nbd-server-stop");
  } catch (error) {
    if (!(error instanceof QmpCommandError)) throw error; // There is none.
  }
}
