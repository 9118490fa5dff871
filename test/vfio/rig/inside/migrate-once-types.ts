export type MigrateOnceOptions = {
  /** Where both QEMUs put their files. */
  folder: string;
  /** On both ends or on none: on one end only it never completes, or the target exits. */
  switchoverAck: boolean;
  /** Values of `-device`. */
  sourceDevices: readonly string[];
  targetDevices: readonly string[];
};

/** Times in milliseconds; those called `after` count from the command `migrate`. */
export type MigrateOnceResult = {
  status: string;
  error?: string | undefined;
  downtimeMs?: number | undefined;
  totalMs?: number | undefined;
  vfioBytes?: number | undefined;
  /** When the source received the ACK, from QEMU's trace. */
  ackAfterMs?: number | undefined;
  stopAfterMs: number;
  /** What the guest wrote on either side; put together, one unbroken count. */
  sourceSerial: string;
  targetSerial: string;
};
