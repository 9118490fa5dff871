import type { MigrationStatus } from "../catalog/statuses.ts";
import type { Inlet } from "../stream/endpoint.ts";
import type { Frame } from "../stream/frame.ts";
import type { Address, Listener } from "../stream/network.ts";

/** The target side of migration. */
export type Incoming = {
  status: MigrationStatus;
  errorDesc: string | undefined;
  /** Value of -incoming; undefined: the process is not a target. */
  readonly option: string | undefined;
  /** migrate-incoming was given, or -incoming had an address. */
  isStarted: boolean;
  isExitOnError: boolean;
  listener: Listener | undefined;
  addresses: Address[];
  main: Inbox | undefined;
  multifd: Inbox[];
  hasReturnPath: boolean;
  /** Legacy ACK: devices that have not approved yet. */
  ackPending: number;
  /** In postcopy: bytes that are still on the source. */
  missingBytes: number;
  /** Held by the device that loads its configuration: one at a time. */
  isConfigLocked: boolean;
  /** Device state that arrived over multifd and is not loaded yet, by device. */
  readonly deviceQueues: Map<string, Frame[]>;
  /** The postcopy guest waits for a page that cannot come now. */
  isGuestStalled: boolean;
  /** Why loading must end: an error outside of the main channel. */
  brokenBy: string | undefined;
  readonly closers: Set<() => void>;
  /** Functions that close connections in a TLS handshake: `yank` does not know them yet. */
  readonly handshakes: Set<() => void>;
};

/** Frames that arrived over one channel and are not processed yet. */
export type Inbox = {
  readonly inlet: Inlet;
  readonly frames: Frame[];
  isClosed: boolean;
  /** A frame of the stream was read. */
  hasBegun: boolean;
};

export function createIncoming(option: string | undefined): Incoming {
  return {
    status: "none",
    errorDesc: undefined,
    option,
    isStarted: false,
    isExitOnError: true,
    listener: undefined,
    addresses: [],
    main: undefined,
    multifd: [],
    hasReturnPath: false,
    ackPending: 0,
    missingBytes: 0,
    isConfigLocked: false,
    deviceQueues: new Map(),
    isGuestStalled: false,
    brokenBy: undefined,
    closers: new Set(),
    handshakes: new Set(),
  };
}
