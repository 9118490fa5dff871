import { atLeast, isPresent, type Lifetime, type Version } from "./catalog/version.ts";
import type { Clock } from "./clock.ts";

/** The trace events of a process, with the `log` backend. */
export type Trace = {
  /** Writes a line if the event exists in this version and is on. */
  (name: string, text?: string): void;
  /** Events that match `pattern` (with `*`), with their state. */
  match(pattern: string): Array<{ name: string; isOn: boolean }>;
  enable(pattern: string, isOn: boolean): void;
  /** Writes to another file from now on (`logfile`). */
  redirect(path: string): void;
};

/** The events around migration; the model has no others. */
const events: ReadonlyArray<Lifetime & { readonly name: string }> = [
  { name: "migrate_set_state" },
  { name: "migrate_fd_cancel", removed: "10.0" },
  { name: "migration_cancel", since: "10.0" },
  { name: "migrate_pending_exact" },
  { name: "migrate_pending_estimate" },
  { name: "migration_thread_low_pending" },
  { name: "migration_completion_file_err" },
  { name: "migration_completion_vm_stop" },
  { name: "source_return_path_thread_switchover_acked", since: "8.1" },
  { name: "source_return_path_thread_end" },
  { name: "source_return_path_thread_pong" },
  { name: "source_return_path_thread_shut" },
  { name: "savevm_send_switchover_start", since: "10.0" },
  { name: "loadvm_state_switchover_ack_needed", since: "8.1", removed: "11.1" },
  { name: "loadvm_approve_switchover", since: "8.1" },
  { name: "loadvm_approve_switchover_legacy", since: "11.1" },
  { name: "migration_request_switchover_ack_legacy", since: "11.1" },
  { name: "qemu_savevm_query_pending", since: "11.1" },
  { name: "process_incoming_migration_co_end" },
  { name: "process_incoming_migration_co_postcopy_end_main" },
  { name: "vmstate_downtime_checkpoint", since: "8.2" },
  { name: "vfio_load_state" },
  { name: "vfio_save_setup" },
  { name: "vfio_save_iterate", since: "8.1" },
  { name: "vfio_save_complete_precopy" },
  { name: "vfio_migration_state_notifier" },
  { name: "vfio_migration_probe", removed: "8.1" },
  { name: "vfio_migration_realize", since: "8.1" },
  { name: "vfio_vmstate_change" },
  { name: "vfio_load_cleanup" },
  { name: "vfio_save_cleanup" },
  { name: "vfio_migration_set_state" },
  { name: "vfio_migration_set_device_state", since: "9.1" },
  { name: "vfio_query_precopy_size_request_switchover_ack", since: "11.1" },
  { name: "vfio_send_init_data_flag", since: "11.1" },
];

export type TraceOptions = {
  readonly version: Version;
  readonly clock: Clock;
  readonly pid: number;
  /** `-msg timestamp=on`: each line starts with process id and time. */
  readonly isStamped: boolean;
  readonly onLine: (line: string, path: string | undefined) => void;
};

export function createTrace({ version, clock, pid, isStamped, onLine }: TraceOptions): Trace {
  const known = events.filter((event) => isPresent(version, event)).map((event) => event.name);
  const on = new Set<string>();
  let path: string | undefined;
  const prefix = (): string => {
    if (!isStamped) return "";
    const epochUs = Math.floor(clock.epochMs() * 1000);
    const micros = String(epochUs % 1_000_000).padStart(6, "0");
    const seconds = Math.floor(epochUs / 1_000_000);
    if (!atLeast(version, "11.0")) return `${pid}@${seconds}.${micros}:`;
    return `${new Date(seconds * 1000).toISOString().slice(0, 19)}.${micros}Z `;
  };
  const write = (name: string, text = ""): void => {
    if (on.has(name)) onLine(`${prefix()}${name} ${text}`, path);
  };
  const matching = (pattern: string): string[] => {
    const expression = new RegExp(
      `^${pattern
        .split("*")
        .map((part) => part.replace(/[^\w]/g, "\\$&"))
        .join(".*")}$`,
    );
    return known.filter((name) => expression.test(name));
  };
  return Object.assign(write, {
    match: (pattern: string) => matching(pattern).map((name) => ({ name, isOn: on.has(name) })),
    enable(pattern: string, isOn: boolean) {
      for (const name of matching(pattern))
        if (isOn) on.add(name);
        else on.delete(name);
    },
    redirect(next: string) {
      path = next;
    },
  });
}
