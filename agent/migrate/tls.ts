import { hkdfSync } from "node:crypto";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { MigrationId } from "../../core/id.ts";
import { TLS_OBJECT } from "../../core/negotiate/tls.ts";
import type { TlsKind } from "../../core/protocol/probe.ts";
import { QmpCommandError } from "../../qmp/error.ts";
import { CommandRefusedError } from "../command/command-error.ts";
import type { Guest } from "../guest/guest.ts";
import type { Log } from "../runtime/log.ts";
import { dhParams } from "./dh-params.ts";

/** In the folder of the guest, which has mode 700. */
const KEY_FILE = "keys.psk";
/** QEMU's name of it; a server reads it. */
const DH_FILE = "dh-params.pem";
/** Binds the derived key to its use: the handover link uses the handover key itself. */
const LABEL = "switchyard migration stream tls-psk 1";
const KEY_BYTES = 32;

type Side = "source" | "target";

/** Folder with this host's certificates, as QEMU names them; absent without x509. */
export type TlsConfig = { readonly dir: string };

type Request = { tls?: TlsKind | undefined; handoverKey: string };

/** TLS credentials of one migration in one QEMU: made before its settings name them, removed at its end. */
export class TlsCredentials {
  readonly #side: Side;
  readonly #guest: Guest;
  readonly #id: MigrationId;
  readonly #config: TlsConfig | undefined;
  readonly #log: Log;
  #made = false;

  constructor(
    side: Side,
    options: { guest: Guest; id: MigrationId; tls?: TlsConfig | undefined },
    log: Log,
  ) {
    this.#side = side;
    this.#guest = options.guest;
    this.#id = options.id;
    this.#config = options.tls;
    this.#log = log;
  }

  /**
   * Makes nothing when no kind is asked for. The source is the client, the target the server; with
   * x509 each verifies the other.
   *
   * @throws CommandRefusedError without certificates; QmpError: then nothing is left behind.
   */
  async make({ tls, handoverKey }: Request): Promise<void> {
    if (tls === undefined) return;
    // Left by a migration whose agent died before it could clean up.
    await removeCredentials(this.#guest);
    this.#made = true;
    const options =
      tls === "psk" ? this.#writeKey(handoverKey) : certificates(this.#side, this.#config);
    try {
      await this.#guest.qmp.execute("object-add", {
        id: TLS_OBJECT,
        endpoint: this.#side === "source" ? "client" : "server",
        ...options,
      });
    } catch (error) {
      removeFiles(this.#guest);
      throw error;
    }
  }

  /** After the end, whichever it was; not waited for. */
  remove(): void {
    if (!this.#made && this.#guest.manifest.migration?.tls === undefined) return;
    removeCredentials(this.#guest).catch((error: unknown) => {
      this.#log.warn({ error }, "the TLS credentials are left to QEMU's end");
    });
  }

  #writeKey(handoverKey: string) {
    const { folder } = this.#guest;
    const secret = Buffer.from(handoverKey, "hex");
    const key = Buffer.from(hkdfSync("sha256", secret, this.#id, LABEL, KEY_BYTES)).toString("hex");
    // The target's QEMU reads it at each handshake, so it stays until the end.
    writeFileSync(join(folder, KEY_FILE), `${this.#id}:${key}\n`, { mode: 0o600, flag: "wx" });
    if (this.#side === "target") writeFileSync(join(folder, DH_FILE), dhParams());
    // QEMU refuses a name for a server.
    const name = this.#side === "source" ? { username: this.#id } : {};
    return { "qom-type": "tls-creds-psk", dir: folder, ...name };
  }
}

/**
 * Removes the object, its files and the parameter that names it. Idempotent.
 *
 * @throws QmpError
 */
export async function removeCredentials(guest: Guest): Promise<void> {
  removeFiles(guest);
  const { qmp } = guest;
  const { "tls-creds": named } = await qmp.execute("query-migrate-parameters");
  if (named === TLS_OBJECT) await qmp.execute("migrate-set-parameters", { "tls-creds": "" });
  try {
    await qmp.execute("object-del", { id: TLS_OBJECT });
  } catch (error) {
    if (!(error instanceof QmpCommandError)) throw error; // There is none.
  }
}

function removeFiles({ folder }: Guest): void {
  for (const file of [KEY_FILE, DH_FILE]) rmSync(join(folder, file), { force: true });
}

/** Ways in which this side can encrypt the stream. `credentials`: what its QEMU has. */
export function tlsKinds(
  side: Side,
  credentials: readonly string[] | undefined,
  config: TlsConfig | undefined,
): TlsKind[] {
  const has = (kind: TlsKind) => credentials?.includes(kind) === true;
  const x509 =
    has("x509") &&
    config !== undefined &&
    certificateFiles(side, config.dir).every((path) => existsSync(path));
  return [...(has("psk") ? (["psk"] as const) : []), ...(x509 ? (["x509"] as const) : [])];
}

function certificates(side: Side, config: TlsConfig | undefined) {
  if (config === undefined) {
    const message = "This host has no certificates: name their folder as `tls.dir`";
    throw new CommandRefusedError("refused", message);
  }
  const missing = certificateFiles(side, config.dir).filter((path) => !existsSync(path));
  if (missing.length > 0) {
    throw new CommandRefusedError("refused", `This host has no ${missing.join(", ")}`);
  }
  return { "qom-type": "tls-creds-x509", dir: config.dir, "verify-peer": true };
}

/** What x509 needs on this side: the authority's certificate, this side's own, and its key. */
export function certificateFiles(side: Side, dir: string): string[] {
  const part = side === "source" ? "client" : "server";
  return ["ca-cert.pem", `${part}-cert.pem`, `${part}-key.pem`].map((name) => join(dir, name));
}
