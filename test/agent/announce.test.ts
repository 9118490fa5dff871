import { createServer, type Server } from "node:net";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Pair, SLOW, VM } from "./testing/pair.ts";
import { describeOnQemu } from "./testing/subjects.ts";

const MAC = "52:54:00:00:5a:01";
/** `ETH_P_RARP` (linux/if_ether.h), at its place in an Ethernet frame: QEMU's announcement. */
const RARP = "8035";
const TYPE_AT = 12;
/** QEMU announces a guest that it has loaded (net/announce.c, announce-rounds), paused or not. */
const BY_QEMU = 5;

/** A switch that counts announcements of one guest, by the QEMU that sent them in order of connection. */
class CountingSwitch {
  readonly counts: number[] = [];
  readonly #server: Server;

  constructor() {
    this.#server = createServer((socket) => {
      const place = this.counts.push(0) - 1;
      let rest = Buffer.alloc(0);
      socket.on("error", () => socket.destroy());
      socket.on("data", (data) => {
        rest = Buffer.concat([rest, data]);
        // Frames are preceded by their length (net/stream.c).
        while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32BE()) {
          const frame = rest.subarray(4, 4 + rest.readUInt32BE());
          rest = rest.subarray(4 + frame.length);
          if (frame.toString("hex", TYPE_AT, TYPE_AT + 2) !== RARP) continue;
          this.counts[place] = (this.counts[place] ?? 0) + 1;
        }
      });
    });
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("Expected a port");
    return address.port;
  }

  close(): void {
    this.#server.close();
  }
}

describeOnQemu("a guest with a network", (subject) => {
  let pair: Pair;
  let counting: CountingSwitch;

  beforeEach(async () => {
    counting = new CountingSwitch();
    const port = `${await counting.listen()}`;
    pair = new Pair(subject);
    await pair.startGuest(undefined, {
      devices: [{ driver: "ne2k_isa", netdev: "net0", mac: MAC }],
      netdevs: [{ id: "net0", type: "stream", addr: { type: "inet", host: "127.0.0.1", port } }],
    });
  });
  afterEach(async () => {
    await pair.close();
    counting.close();
  });

  // The model has no network.
  it.skipIf(subject.isModel)("that arrives paused is announced when it is resumed", async () => {
    await pair.start({ parameters: { "max-bandwidth": SLOW } });
    await pair.source.guests.get(pair.source.vm(VM)).qmp.execute("stop");
    await pair.source.waitFor("migration.standstill");
    await pair.speedUp();
    await pair.target.waitFor("migration.target-arrived");
    await pair.target.run("guest.control", VM, { action: "resume" });
    await vi.waitFor(() => expect(counting.counts[1]).toBe(2 * BY_QEMU), 20_000);
  });
});
