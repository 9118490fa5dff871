/** Address of a migration stream. */
export type Address =
  /** `to`: a listener takes the first free port from `port` to this one. */
  | { readonly type: "inet"; readonly host: string; readonly port: number; readonly to?: number }
  | { readonly type: "unix"; readonly path: string }
  /** A command that reads the stream and never answers: the data is dropped. */
  | { readonly type: "exec"; readonly command: string };

/** One connection: bytes in order, both ways. */
export type Channel = {
  send(bytes: Buffer): void;
  /** Ends the connection at once; bytes on the way may be lost. */
  close(): void;
  /** Sets the receiver of data; data that arrived before is passed to it now. */
  receive(receiver: Receiver): void;
};

export type Receiver = {
  onData(bytes: Buffer): void;
  /** Called once, when either end was closed. */
  onClose(): void;
};

export type Listener = {
  /** With the real port. */
  readonly address: Address;
  close(): void;
};

export type Outcome<Value> = { readonly value: Value } | { readonly error: string };

/** Connects model processes: over TCP, or in memory. */
export type Network = {
  connect(address: Address, done: (outcome: Outcome<Channel>) => void): void;
  listen(
    address: Address,
    onChannel: (channel: Channel) => void,
    done: (outcome: Outcome<Listener>) => void,
  ): void;
};

export function addressText(address: Address): string {
  switch (address.type) {
    case "unix":
      return address.path;
    case "exec":
      return address.command;
    case "inet":
      return `${address.host}:${address.port}`;
  }
}

/**
 * Parses `tcp:host:port[,to=port]`, `tcp:[v6]:port`, `unix:path` or `exec:command`; undefined for
 * another protocol.
 */
export function parseUri(uri: string): Address | undefined {
  const unix = /^unix:(.+)$/.exec(uri);
  if (unix?.[1]) return { type: "unix", path: unix[1].split(",")[0] ?? unix[1] };
  const exec = /^exec:(.+)$/.exec(uri);
  if (exec?.[1]) return { type: "exec", command: exec[1] };
  const inet = /^tcp:(?:\[([^\]]*)\]|([^:]*)):(\d+)(?:,.*)?$/.exec(uri);
  if (!inet) return undefined;
  const to = /,to=(\d+)/.exec(uri)?.[1];
  const address = { type: "inet", host: inet[1] ?? inet[2] ?? "", port: Number(inet[3]) } as const;
  return to === undefined ? address : { ...address, to: Number(to) };
}
