import type { Client } from "../../client/client.ts";
import { CliError } from "../exit/cli-error.ts";
import type { Session } from "../session.ts";
import type { Argument, Verb } from "../verb.ts";

type Vm = Awaited<ReturnType<Client["getVm"]>>;
type NewDevice = Parameters<Client["plugDevice"]>[1];
type Medium = Parameters<Client["insertMedium"]>[2];

const vm: Argument = { name: "<vm>", summary: "name of the VM", of: "vm" };
const device: Argument = { name: "<device>", summary: "id of the device in the definition" };
const force = { flags: "--force", summary: "open the tray also if the guest has locked it" };

/** Devices and media that come and go while the guest runs. */
export function deviceVerbs(show: (session: Session, vm: Vm) => undefined): Verb[] {
  return [
    {
      name: "plug",
      summary: "Plug a device into a guest that runs; the definition follows",
      operations: ["plugDevice"],
      arguments: [vm],
      options: [
        {
          flags: "--parts <file>",
          summary: "JSON with `device`, and `blockdevs`, `netdevs`, `objects` that it needs",
          required: true,
        },
      ],
      run: async (session, input) => {
        const parts = (await input.json("parts")) as NewDevice;
        return show(session, await session.api.plugDevice(input.argument(0), parts));
      },
    },
    {
      name: "unplug",
      summary: "Unplug a device from a guest that runs; the definition follows",
      operations: ["unplugDevice"],
      arguments: [vm, device],
      run: async (session, input) => {
        const id = input.argument(0);
        const name = input.argument(1);
        await session.confirm(`Unplug ${name} from ${id}? The guest loses it.`);
        return show(session, await session.api.unplugDevice(id, name));
      },
    },
    {
      name: "insert",
      summary: "Put a medium into a drive of a guest that runs",
      operations: ["insertMedium"],
      arguments: [vm, device],
      options: [
        { flags: "--medium <file>", summary: "JSON of the block device", required: true },
        force,
      ],
      run: async (session, input) => {
        const blockdev = (await input.json("medium")) as Medium["blockdev"];
        if (blockdev === null) throw new CliError("usage", "Expected a block device, got null");
        const medium = { blockdev, force: input.flag("force") };
        const id = input.argument(0);
        const name = input.argument(1);
        return show(session, await session.api.insertMedium(id, name, medium));
      },
    },
    {
      name: "eject",
      summary: "Take the medium out of a drive of a guest that runs",
      operations: ["ejectMedium"],
      arguments: [vm, device],
      options: [force],
      run: async (session, input) => {
        const query = { force: input.flag("force") ? "true" : "false" } as const;
        const id = input.argument(0);
        const name = input.argument(1);
        return show(session, await session.api.ejectMedium(id, name, query));
      },
    },
  ];
}
