import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { FleetEvent } from "../../core/fleet-event/fleet-event.ts";
import { Receiver } from "../webhooks/testing/receiver.ts";
import { PATIENCE_MS, Plane } from "./testing/plane.ts";

/** The commands of a page's sh blocks, in their order. */
function commandsOf(name: string): string[] {
  const page = readFileSync(new URL(`../../docs/operate/${name}.md`, import.meta.url), "utf8");
  return [...page.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, text = ""]) =>
    text.split("\n").filter((line) => line !== ""),
  );
}

let plane: Plane;
let path: string;
let receiver: Receiver;
let url: string;

beforeAll(async () => {
  receiver = new Receiver();
  url = await receiver.listen();
  plane = await Plane.start();
  const command = join(plane.folder, "switchyard");
  writeFileSync(command, `#!/bin/sh\nexec "${process.execPath}" "${plane.bundle}" "$@"\n`);
  chmodSync(command, 0o755);
  path = `${plane.folder}:${plane.environment.PATH}`;
}, PATIENCE_MS);
afterAll(async () => {
  receiver.close();
  await plane?.stop();
}, PATIENCE_MS);

async function run(command: string, environment: Record<string, string> = {}) {
  const ran = await plane.shell(command, { PATH: path, ...environment });
  return { ...ran, fails: ran.exit === 0 ? "" : ran.stderr };
}

describe("the pages of webhooks and events", () => {
  it(
    "have commands of webhooks that work as they stand, and the test event arrives",
    async () => {
      const commands = commandsOf("webhooks");
      expect(commands.length).toBeGreaterThan(10);
      let event = "";
      for (const command of commands) {
        const id = (await run("switchyard webhook list -o name")).stdout.trim();
        if (command.includes("$EVENT")) {
          await vi.waitFor(() => expect(receiver.received).not.toEqual([]), { timeout: 60_000 });
          event = (await run(`switchyard webhook deliveries ${id} -o name`)).stdout.trim();
        }
        const { exit, fails } = await run(command, { URL: url, ID: id, EVENT: event });
        expect({ command, exit, fails }).toEqual({ command, exit: 0, fails: "" });
      }
      expect(JSON.parse(receiver.received[0]?.body ?? "{}")).toMatchObject({
        id: event,
        type: "switchyard.webhook.test",
      });
    },
    PATIENCE_MS,
  );

  it(
    "have commands of events that work as they stand, and one follows what happens",
    async () => {
      const cursor = new Date().toISOString();
      await run("switchyard host cordon host-c --message busy --yes");
      for (const command of commandsOf("events")) {
        const isEndless = command.includes("--follow");
        const line = isEndless ? `${command} --timeout 5s` : command;
        const { exit, fails } = await run(line, { cursor });
        expect({ command, exit, fails: isEndless ? "" : fails }).toEqual({
          command,
          exit: isEndless ? 8 : 0,
          fails: "",
        });
      }
      const follow = `switchyard events -o ndjson --after ${cursor} --follow --timeout 8s`;
      const { stdout } = await run(follow);
      const events = stdout
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as FleetEvent);
      expect(events).toMatchObject([{ type: "host.cordoned", subject: "hosts/host-c" }]);
    },
    PATIENCE_MS,
  );
});
