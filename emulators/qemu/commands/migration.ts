import { checkCapabilities, checkParameters, listCapabilities } from "../catalog/capabilities.ts";
import { changeParameters } from "../catalog/parameters.ts";
import { isIdle, isPostcopy, listStatuses } from "../catalog/statuses.ts";
import { atLeast } from "../catalog/version.ts";
import { listenForMigration } from "../migration/accepting.ts";
import { findRefusal } from "../migration/blockers.ts";
import { cancelMigration, pausePostcopy } from "../migration/cancelling.ts";
import { queryMigrate } from "../migration/progress.ts";
import { startMigration } from "../migration/source.ts";
import { setStatus } from "../migration/transition.ts";
import type { Qemu } from "../qemu.ts";
import { type Commands, Later, QmpError } from "../qmp/command.ts";
import { isList, isObject, type Json, type JsonObject } from "../qmp/text.ts";
import { type Address, parseUri } from "../stream/network.ts";

const target = {
  uri: { type: "str", optionalSince: "8.2" },
  channels: { type: { list: "any" }, optional: true, since: "8.2" },
} as const;

/** Commands that move guests. */
export const migrationCommands: Commands = {
  migrate: {
    arguments: {
      ...target,
      blk: { type: "bool", optional: true, removed: "9.1" },
      inc: { type: "bool", optional: true, removed: "9.1" },
      detach: { type: "bool", optional: true, removed: "11.0" },
      resume: { type: "bool", optional: true },
    },
    run: migrate,
  },
  "migrate-incoming": {
    arguments: {
      ...target,
      "exit-on-error": { type: "bool", optional: true, since: "9.1" },
    },
    run: migrateIncoming,
  },
  migrate_cancel: {
    arguments: {},
    run(qemu) {
      cancelMigration(qemu);
      return {};
    },
  },
  "migrate-continue": { arguments: { state: { type: "str" } }, run: migrateContinue },
  "migrate-start-postcopy": { arguments: {}, run: startPostcopy },
  "migrate-pause": {
    arguments: {},
    allowsOob: true,
    run(qemu) {
      pausePostcopy(qemu);
      return {};
    },
  },
  "migrate-recover": {
    arguments: { uri: { type: "str" } },
    allowsOob: true,
    run: migrateRecover,
  },
  "query-migrate": { arguments: {}, run: queryMigrate },
  "query-migrate-capabilities": {
    arguments: {},
    run: (qemu) =>
      listCapabilities(qemu.version).map((capability) => ({
        state: qemu.capabilities[capability] ?? false,
        capability,
      })),
  },
  "migrate-set-capabilities": {
    arguments: {
      capabilities: {
        type: { list: { members: { capability: { type: "str" }, state: { type: "bool" } } } },
      },
    },
    run: setCapabilities,
  },
  "query-migrate-parameters": { arguments: {}, run: (qemu) => qemu.parameters as JsonObject },
  "migrate-set-parameters": {
    arguments: "open",
    run(qemu, given) {
      const change = changeParameters(qemu.version, qemu.parameters, given);
      if ("error" in change) throw new QmpError(change.error);
      const conflict = checkParameters(qemu.capabilities, change.parameters);
      if (conflict !== undefined) throw new QmpError(conflict);
      qemu.parameters = change.parameters;
      return {};
    },
  },
  "query-migrationthreads": {
    since: "8.0",
    removed: "11.0",
    arguments: {},
    run: () => [],
  },
};

function migrate(qemu: Qemu, given: JsonObject): Json {
  const { outgoing } = qemu;
  const address = readSourceAddress(qemu, given);
  if (given.resume === true) {
    if (outgoing.status !== "postcopy-paused" || !outgoing.attempt) {
      throw new QmpError("Cannot resume if there is no paused migration");
    }
    if (qemu.capabilities["release-ram"]) {
      throw new QmpError("Postcopy recovery cannot work when release-ram capability is set");
    }
    outgoing.attempt.address = address;
    outgoing.attempt.isResumed = true;
    return {};
  }
  if (!isIdle(outgoing.status)) throw new QmpError("There's a migration process in progress");
  if (qemu.runState === "inmigrate") {
    throw new QmpError("Guest is waiting for an incoming migration");
  }
  if (qemu.runState === "postmigrate") {
    throw new QmpError("Can't migrate the vm that was paused due to previous migration");
  }
  const refusal = findRefusal(qemu);
  if (refusal !== undefined) throw new QmpError(refusal);
  const [vfio] = qemu.vfio;
  if (vfio && (qemu.capabilities["postcopy-ram"] || qemu.capabilities["background-snapshot"])) {
    const what = qemu.capabilities["postcopy-ram"] ? "postcopy" : "background snapshot";
    throw new QmpError(`${vfio.name}: VFIO migration is not supported with ${what} migration`);
  }
  startMigration(qemu, address);
  return {};
}

function migrateIncoming(qemu: Qemu, given: JsonObject): Json | Later {
  const { incoming } = qemu;
  if (incoming.option === undefined) {
    throw new QmpError("'-incoming' was not specified on the command line");
  }
  if (qemu.runState !== "inmigrate" || incoming.isStarted) {
    throw new QmpError("The incoming migration has already been started");
  }
  if (incoming.status !== "none") {
    throw new QmpError(`Illegal migration incoming state: ${incoming.status}`);
  }
  const address = readAddress(given);
  incoming.isExitOnError = given["exit-on-error"] !== false;
  // From 8.0 on, a listener that cannot be opened leaves the target in this state forever.
  const isEarly = atLeast(qemu.version, "8.0");
  if (isEarly) setStatus(qemu, "incoming", "setup");
  return new Later((answer) => {
    listenForMigration(qemu, address, (error) => {
      if (error !== undefined) {
        answer(new QmpError(error));
        return;
      }
      incoming.isStarted = true;
      if (!isEarly) setStatus(qemu, "incoming", "setup");
      answer({});
    });
  });
}

function migrateContinue(qemu: Qemu, { state }: JsonObject): Json {
  if (!listStatuses(qemu.version).includes(String(state))) {
    throw new QmpError(`Parameter 'state' does not accept value '${state}'`);
  }
  const { status, attempt } = qemu.outgoing;
  if (status !== state) throw new QmpError(`Migration not in expected state: ${status}`);
  if (attempt) attempt.isContinued = true;
  return {};
}

function startPostcopy(qemu: Qemu): Json {
  if (!qemu.capabilities["postcopy-ram"] && !qemu.capabilities["dirty-bitmaps"]) {
    throw new QmpError("Enable postcopy with migrate_set_capability before the start of migration");
  }
  const { status, attempt } = qemu.outgoing;
  if (status === "none" || !attempt) {
    throw new QmpError("Postcopy must be started after migration has been started");
  }
  attempt.isPostcopyRequested = true;
  return {};
}

function migrateRecover(qemu: Qemu, given: JsonObject): Json | Later {
  if (qemu.incoming.status !== "postcopy-paused") {
    throw new QmpError("Migrate recover can only be run when postcopy is paused.");
  }
  const address = readAddress(given);
  qemu.incoming.listener?.close();
  return new Later((answer) => {
    listenForMigration(qemu, address, (error) => {
      answer(error === undefined ? {} : new QmpError(error));
    });
  });
}

function setCapabilities(qemu: Qemu, { capabilities }: JsonObject): Json {
  if (!isIdle(qemu.outgoing.status)) throw new QmpError("There's a migration process in progress");
  const known = listCapabilities(qemu.version);
  const next = { ...qemu.capabilities };
  for (const entry of isList(capabilities) ? capabilities : []) {
    const { capability, state } = entry as { capability: string; state: boolean };
    if (!known.includes(capability)) {
      throw new QmpError(`Parameter 'capability' does not accept value '${capability}'`);
    }
    next[capability] = state;
  }
  const problem = checkCapabilities(qemu.capabilities, next, {
    version: qemu.version,
    parameters: qemu.parameters,
    dirtyRingSize: qemu.options.accelerator === "kvm" ? qemu.options.dirtyRingSize : 0,
    // A guest that has arrived completely may be migrated with any settings.
    isIncomingStarted:
      qemu.incoming.isStarted &&
      qemu.incoming.status !== "completed" &&
      !isPostcopy(qemu.incoming.status),
  });
  if (problem !== undefined) throw new QmpError(problem);
  qemu.capabilities = next;
  return {};
}

/** An invalid uri leaves the status `failed` in 7.2, and no status in later releases. */
function readSourceAddress(qemu: Qemu, given: JsonObject): Address {
  const { outgoing } = qemu;
  const isOld = !atLeast(qemu.version, "8.0") && typeof given.uri === "string";
  if (!isOld || parseUri(String(given.uri)) || !isIdle(outgoing.status)) {
    return readAddress(given);
  }
  Object.assign(outgoing, { status: "failed", errorDesc: undefined, attempt: undefined });
  throw new QmpError("Parameter 'uri' expects a valid migration protocol");
}

function readAddress({ uri, channels }: JsonObject): Address {
  if (typeof uri === "string" && channels !== undefined) {
    throw new QmpError(
      "'uri' and 'channels' arguments are mutually exclusive; exactly one of the two should be " +
        "present in 'migrate' qmp command ",
    );
  }
  if (typeof uri === "string") {
    const address = parseUri(uri);
    if (address) return address;
    throw new QmpError(`unknown migration protocol: ${uri}`);
  }
  const [channel] = isList(channels) ? channels : [];
  const address = channel === undefined ? undefined : readChannel(channel);
  if (address) return address;
  throw new QmpError("need either 'uri' or 'channels' argument");
}

/** `{channel-type: main, addr: {transport: socket, type: inet, host, port}}`. */
function readChannel(channel: Json): Address | undefined {
  if (!isObject(channel) || !isObject(channel.addr)) return undefined;
  const { transport, type, host, port, path } = channel.addr;
  if (transport !== "socket") return undefined;
  if (type === "unix" && typeof path === "string") return { type: "unix", path };
  if (type !== "inet" || typeof host !== "string") return undefined;
  return { type: "inet", host, port: Number(port) };
}
