import type { ArgsOf, Command, ResultOf, Verb } from "../../core/protocol/command.ts";
import type { Handlers } from "../command/dispatcher.ts";
import { describeBinary } from "../probe/binary.ts";
import { probeGuest } from "../probe/guest.ts";
import { linkOf } from "../probe/link.ts";
import { bootId } from "../runtime/process.ts";
import { changeGuest } from "./change.ts";
import { type Context, migrationOf } from "./context.ts";
import { controlGuest, detachGuest } from "./control.ts";
import { defineGuest, discoverGuest, listGuests } from "./discover.ts";
import { adoptGuest, startGuest, stopGuest } from "./guest.ts";
import { observe } from "./observe.ts";
import { rehearseSource, rehearseTarget } from "./rehearse.ts";
import {
  cancelSource,
  discardSource,
  permitSource,
  resumeSource,
  sourceOf,
  startSource,
} from "./source.ts";
import { discardTarget, prepareTarget, probeTarget, resumeTarget, targetOf } from "./target.ts";

type Typed = { [V in Verb]: (command: Command, args: ArgsOf<V>) => Promise<ResultOf<V>> };

/** The handlers of all verbs. The dispatcher has checked the arguments. */
export function createHandlers(context: Context): Handlers {
  const { guests } = context;
  const typed: Typed = {
    "guest.start": (command, args) => startGuest(context, command, args),
    "guest.adopt": (command, args) => adoptGuest(context, command, args),
    "guest.discover": (command, args) => discoverGuest(context, command, args),
    "host.guests": async () => listGuests(context),
    "guest.control": (command, args) => controlGuest(context, command, args),
    "guest.define": (command, args) => defineGuest(context, command, args),
    "guest.change": (command, args) => changeGuest(context, command, args),
    "guest.detach": (command) => detachGuest(context, command),
    "guest.stop": (command, args) => stopGuest(context, command, args),
    "source.probe": async ({ vm }, args) => {
      const { config } = context;
      const guest = guests.get(vm);
      const description = await describeBinary(config.qemu, config.stateDir);
      return probeGuest(guest, description, linkOf(config), config, args);
    },
    "target.probe": (command, args) => probeTarget(context, command, args),
    "target.rehearse": (command, args) => rehearseTarget(context, command, args),
    "source.rehearse": (command, args) => rehearseSource(context, command, args),
    "target.prepare": async (command, args) => {
      await guests.memory.begin(migrationOf(command), command.vm, "target");
      const prepared = await prepareTarget(context, command, args);
      return { bootId: bootId(), ...prepared };
    },
    "source.start": async (command, args) => {
      await guests.memory.begin(migrationOf(command), command.vm, "source");
      return startSource(context, command, args);
    },
    "source.permit": (command) => permitSource(context, command),
    "source.set": async (command, args) => sourceOf(context, command).limit(args),
    "migration.observe": (command) => observe(context, command),
    "source.cancel": (command) => cancelSource(context, command),
    "source.resume": (command) => resumeSource(context, command),
    "target.resume": (command, args) => resumeTarget(context, command, args),
    "target.discard": (command) => discardTarget(context, command),
    "target.recover": (command) => targetOf(context, command).recover(),
    "source.recover": async (command, { migrationUri }) => ({
      status: await sourceOf(context, command).recover(migrationUri),
    }),
    "source.discard": (command) => discardSource(context, command),
  };
  return typed as Handlers;
}
