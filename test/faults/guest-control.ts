import { existsSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { QmpClient } from "../../qmp/client.ts";
import type { Fleet } from "../../rig/fleet.ts";
import { forceAction } from "../../rig/guest/force-action.ts";
import { liftWriteLimit, limitWrites } from "../../rig/guest/write-limit.ts";
import { ImageLock } from "../../rig/image-lock.ts";
import { WATCH_SOCKET } from "../../rig/watched-qemu.ts";
import type { GuestActs } from "./plan.ts";

/** In the folder of each guest of the model: the socket that takes its faults. */
export const CONTROL_SOCKET = "control.sock";
/** Writes at or above it fail; the console's log stays below. */
const WRITE_LIMIT_BYTES = 512 * 1024;
const RESUMABLE = ["paused", "io-error"];
const CONNECT_MS = 5_000;
/** The guest's next write after an error has begun, and QEMU's answer to it. */
const STOP_MS = 200;

type Options = {
  fleet: Fleet;
  isModel: boolean;
  vm: string;
  /** The image of its writable disk on a host: the same one on each, unless it is copied. */
  dataPath: (host: string) => string;
};

/**
 * What befalls one guest by itself, by its operator and by its disk, on real QEMU and on the model:
 * all of it without the agents. A side without a QEMU is left alone.
 */
export class GuestControl {
  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
  }

  dataPath(host: string): string {
    return this.#options.dataPath(host);
  }

  /** QEMU's run state; undefined when there is none that answers. */
  async runState(host: string): Promise<string | undefined> {
    return this.#operate(host, async (qmp) => (await qmp.execute("query-status")).status);
  }

  async isRunning(host: string): Promise<boolean> {
    return (await this.runState(host)) === "running";
  }

  async stop(host: string): Promise<void> {
    if (await this.isRunning(host)) await this.#operate(host, (qmp) => qmp.execute("stop"));
  }

  /**
   * An operator lets a guest run that is in one of these states. None of them is that of a source
   * which has handed its guest over: `postmigrate`.
   */
  async runOn(host: string, states: readonly string[] = RESUMABLE): Promise<void> {
    const state = await this.runState(host);
    if (state === undefined || !states.includes(state)) return;
    await this.#operate(host, (qmp) => qmp.execute("cont"));
  }

  async act(host: string, action: GuestActs): Promise<void> {
    if (this.#options.isModel) return this.#control(host, { kind: "act", action });
    await this.#operate(host, (qmp) => forceAction(qmp, action));
  }

  /** The returned function lets writes succeed again, and the guest run. */
  async failWrites(host: string): Promise<() => Promise<void>> {
    const { fleet, isModel, vm } = this.#options;
    const pid = fleet.guestPid(host, vm);
    if (pid === undefined) return async () => undefined;
    if (isModel) await this.#control(host, { kind: "act", action: "io-error" });
    else await limitWrites(pid, WRITE_LIMIT_BYTES).catch(() => undefined);
    return async () => {
      if (isModel) await this.#control(host, { kind: "disk-mend" });
      else await liftWriteLimit(pid).catch(() => undefined);
      await sleep(STOP_MS);
      // A target that is paused awaits its run grant.
      await this.runOn(host, ["io-error"]);
    };
  }

  /** Another process locks the disk's image; the returned function releases it. */
  async lockImage(hosts: readonly string[]): Promise<() => Promise<void>> {
    if (!this.#options.isModel) {
      const paths = new Set(hosts.map((host) => this.dataPath(host)).filter(existsSync));
      const locks = await Promise.all([...paths].map((path) => ImageLock.hold(path)));
      return async () => void (await Promise.all(locks.map((lock) => lock.release())));
    }
    const all = async (fault: object) => {
      for (const host of hosts) await this.#control(host, fault);
    };
    await all({ kind: "disk-lock" });
    return () => all({ kind: "disk-unlock" });
  }

  async #operate<T>(host: string, work: (qmp: QmpClient) => Promise<T>): Promise<T | undefined> {
    const { fleet, vm } = this.#options;
    const path = join(fleet.guestFolder(host, vm), WATCH_SOCKET);
    let qmp: QmpClient | undefined;
    try {
      qmp = await QmpClient.connect({ path }, { connectTimeoutMs: CONNECT_MS });
      return await work(qmp);
    } catch {
      // QEMU has ended, is frozen, or refuses: that is part of what is tried.
      return undefined;
    } finally {
      await qmp?.close();
    }
  }

  /** Sends a fault to the model of QEMU on this host. */
  async #control(host: string, fault: object): Promise<void> {
    const { fleet, vm } = this.#options;
    const socket = connect(join(fleet.guestFolder(host, vm), CONTROL_SOCKET));
    await new Promise<void>((resolve) => {
      const done = () => {
        socket.destroy();
        resolve();
      };
      socket.once("data", done).once("error", done).once("close", done);
      socket.write(`${JSON.stringify(fault)}\n`);
    });
  }
}
