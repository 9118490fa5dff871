import type { MigrationStatus } from "../catalog/statuses.ts";
import type { Inlet } from "../stream/endpoint.ts";
import type { Frame } from "../stream/frame.ts";
import type { Address, Listener } from "../stream/network.ts";

/** The target side of migration. */
export type Incoming = {
  status: MigrationStatus;
  errorDesc: string | undefined;
  /** What -incoming was; undefined: the process is no target. */
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
  /** Runs in postcopy: pages that are still at the source. */
  missingBytes: number;
  /** Devices load their configuration one at a time: one has the lock. */
  isConfigLocked: boolean;
  /** Device state that came over multifd and is not loaded yet, by device. */
  readonly deviceQueues: Map<string, Frame[]>;
  /** The postcopy guest waits for a page that cannot come now. */
  isGuestStalled: boolean;
  /** Why loading must end: something beside the main channel went wrong. */
  brokenBy: string | undefined;
  readonly closers: Set<() => void>;
};

/** What came over one channel and was not worked off yet. */
export type Inbox = {
  readonly inlet: Inlet;
  readonly frames: Frame[];
  isClosed: boolean;
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
  };
}
