import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

const PREFIX = "sy-net-";
const DEADLINE_MS = 20_000;

/** Where the peer of the guests is; the guests' program knows it. */
export const PEER = { address: "10.77.0.1", port: 7000 } as const;

/** The switch's other bridge, for migrations. */
const MIGRATIONS = "br1";
const migrationPort = (host: string) => `mig-${host}`;

/** A host's namespace, and its address on the migration network. */
export type HostNet = { readonly namespace: string; readonly address: string };

/**
 * A network of two hosts and a switch, a namespace each. Both hosts have a bridge `br0` for taps,
 * with a cable to the switch, where the guests' peer is; and a second cable to it for migrations,
 * which is a network of its own.
 */
export class Network {
  readonly lan: string;
  readonly hosts: Readonly<Record<string, HostNet>>;

  private constructor(hosts: readonly [string, string]) {
    const name = (part: string) => `${PREFIX}${process.pid}-${part}`;
    this.lan = name("lan");
    this.hosts = Object.fromEntries(
      hosts.map((host, index) => [
        host,
        { namespace: name(host), address: `10.78.0.${index + 1}` },
      ]),
    );
  }

  /** @throws Error when this machine has no namespaces, bridges or veth pairs; nothing is left. */
  static create(hosts: readonly [string, string]): Network {
    sweep();
    const network = new Network(hosts);
    try {
      network.#build();
    } catch (error) {
      network.remove();
      throw error;
    }
    return network;
  }

  /** The command that runs another one in a namespace. */
  static inside(namespace: string): string[] {
    return ["ip", "netns", "exec", namespace];
  }

  /**
   * How large a packet the switch passes on to a host's migration cable, bytes; 1500 at first. What is
   * larger is dropped without a word.
   */
  setMtu(host: string, mtu: number): void {
    ip("-n", this.lan, "link", "set", migrationPort(host), "mtu", String(mtu));
  }

  /** On which host's cable the switch last saw this hardware address; undefined: on none. */
  portOf(mac: string): string | undefined {
    const { lan } = this;
    const words = ["netns", "exec", lan, "bridge", "-json", "fdb", "show"];
    const output = execFileSync("ip", words, { encoding: "utf8", timeout: DEADLINE_MS });
    const entries = JSON.parse(output) as { mac: string; ifname: string }[];
    return entries.find((entry) => entry.mac === mac)?.ifname;
  }

  /** May be called again. */
  remove(): void {
    for (const namespace of [this.lan, ...Object.values(this.hosts).map((one) => one.namespace)]) {
      spawnSync("ip", ["netns", "delete", namespace], { timeout: DEADLINE_MS });
    }
  }

  #build(): void {
    const { lan, hosts } = this;
    for (const namespace of [lan, ...Object.values(hosts).map((one) => one.namespace)]) {
      ip("netns", "add", namespace);
      ip("-n", namespace, "link", "set", "lo", "up");
    }
    for (const namespace of [lan, ...Object.values(hosts).map((one) => one.namespace)]) {
      ip("-n", namespace, "link", "add", "br0", "type", "bridge", "forward_delay", "0");
      ip("-n", namespace, "link", "set", "br0", "up");
    }
    // The agents make the guests' taps: a machine without /dev/net/tun is told apart here.
    ip("-n", lan, "tuntap", "add", "dev", "probe0", "mode", "tap");
    ip("-n", lan, "link", "delete", "dev", "probe0");
    ip("-n", lan, "addr", "add", `${PEER.address}/24`, "dev", "br0");
    for (const [host, { namespace }] of Object.entries(hosts)) {
      const there = ["type", "veth", "peer", "name", "up0", "netns", namespace];
      ip("-n", lan, "link", "add", host, ...there);
      for (const [where, cable] of [
        [lan, host],
        [namespace, "up0"],
      ] as const) {
        ip("-n", where, "link", "set", cable, "master", "br0", "up");
      }
    }
    ip("-n", lan, "link", "add", MIGRATIONS, "type", "bridge", "forward_delay", "0");
    ip("-n", lan, "link", "set", MIGRATIONS, "up");
    for (const [host, { namespace, address }] of Object.entries(hosts)) {
      const there = ["type", "veth", "peer", "name", "mig0", "netns", namespace];
      ip("-n", lan, "link", "add", migrationPort(host), ...there);
      ip("-n", lan, "link", "set", migrationPort(host), "master", MIGRATIONS, "up");
      ip("-n", namespace, "addr", "add", `${address}/24`, "dev", "mig0", "noprefixroute");
      // In packets of one segment: veth passes on what the kernel has not split yet, of any size.
      ip("-n", namespace, "link", "set", "mig0", "up", "gso_max_segs", "1");
      // A host does not know what a switch on its way can carry.
      ip("-n", namespace, "route", "add", "10.78.0.0/24", "dev", "mig0", "advmss", "1460");
    }
  }
}

/** Of runs that were killed. */
function sweep(): void {
  const list = execFileSync("ip", ["netns", "list"], { encoding: "utf8", timeout: DEADLINE_MS });
  for (const line of list.split("\n")) {
    const [name = ""] = line.split(" ");
    const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) ip("netns", "delete", name);
  }
}

function ip(...words: string[]): void {
  execFileSync("ip", words, { timeout: DEADLINE_MS, stdio: ["ignore", "ignore", "pipe"] });
}
