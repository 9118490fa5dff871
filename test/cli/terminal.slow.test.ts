import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { endlessly, normalize, PATIENCE_MS, Plane } from "./testing/plane.ts";
import { hasTmux, Screen, unlessTmux } from "./testing/screen.ts";

const WIDTHS = [80, 120];
const commands = [
  "host list",
  "host show host-a",
  "vm list",
  "migrate --help",
  "explain web1",
  "policy show",
  "schedule next",
  "evacuation report EVACUATION",
  "evacuation show EVACUATION",
];

let plane: Plane;
let evacuation: string;

beforeAll(async () => {
  plane = await Plane.start();
  const planned = await plane.run("evacuation plan host-a --by ada -o name".split(" "));
  evacuation = planned.stdout.trim();
  const when = ["--cron", "0 2 * * 6", "--zone", "Europe/Berlin", "--duration", "4h"];
  const select = ["--label", "rack=7", "--by", "ada"];
  await plane.run(["schedule", "create", "kernel updates", ...when, ...select]);
}, PATIENCE_MS);
afterAll(() => plane?.stop(), PATIENCE_MS);

/** Runs a command on a terminal and returns its screen. */
async function screenOf(words: string, columns: number): Promise<string> {
  const screen = open(words, columns);
  try {
    return await screen.shows(/^exit=\d+$/m, PATIENCE_MS);
  } finally {
    screen.close();
  }
}

function open(words: string, columns: number): Screen {
  const line = `"${process.execPath}" "${plane.bundle}" ${filled(words)}`;
  return new Screen(plane.folder, columns, line, plane.environment);
}

describe("in a pipe", () => {
  it.each(commands)(
    "`%s` writes its golden file",
    async (words) => {
      const { stdout, exit } = await plane.run(filled(words).split(" "));
      expect(exit).toBe(0);
      await expect(normalize(stdout)).toMatchFileSnapshot(golden(words, "pipe"));
    },
    PATIENCE_MS,
  );
});

describe("the completion", () => {
  it.each([
    ["VMs", ["vm", "show", ""], ["db-1", "web1"]],
    ["hosts for an option", ["migrate", "web1", "--to", "host-"], ["host-a", "host-b", "host-c"]],
    ["nouns and verbs", ["mig"], ["migrate", "migration"]],
    ["verbs of a noun", ["migration", "wa"], ["waive-ack", "watch"]],
    ["choices", ["migrate", "web1", "--tls", "p"], ["psk"]],
  ])(
    "offers %s",
    async (_, words, offered) => {
      const { stdout } = await plane.run(["complete", "--", ...words]);
      const lines = stdout.split("\n").filter((line) => line !== "" && !line.startsWith(":"));
      expect(lines.map((line) => line.split("\t")[0]).toSorted()).toEqual(offered);
    },
    PATIENCE_MS,
  );
});

describe("the exit code", () => {
  it.each([
    ["4 without a token", ["status"], { SWITCHYARD_TOKEN_FILE: "" }, 4],
    ["4 with a wrong token", ["status"], { SWITCHYARD_TOKEN: "wrong" }, 4],
    ["9 when nothing listens", ["status"], { SWITCHYARD_URL: "http://127.0.0.1:9" }, 9],
    ["2 for an unknown option", ["vm", "list", "--nope"], {}, 2],
    ["2 for a time without a unit", ["failures", "--since", "24"], {}, 2],
    ["2 when nobody can confirm", ["vm", "stop", "web1", "--quit"], {}, 2],
    ["3 for a guest that has not ended", ["vm", "remove", "web1", "--yes"], {}, 3],
    ["5 where nobody has logged in", ["profile", "show"], {}, 5],
    ["5 for an unknown host", ["host", "show", "host-z"], {}, 5],
    ["0 for help", ["migrate", "--help"], {}, 0],
  ])(
    "is %s",
    async (_, words, environment, exit) => {
      const ran = await plane.run(words, environment as Record<string, string>);
      expect([ran.exit, ran.stdout === "" || exit === 0]).toEqual([exit, true]);
    },
    PATIENCE_MS,
  );

  it(
    "is 8 when the time is over, and the migration goes on",
    async () => {
      const { id } = await plane.fleet.api.createMigration({
        vm: "web1",
        target: "host-b",
        policy: endlessly,
      });
      const { exit } = await plane.run(["migration", "watch", id, "--timeout", "1s"]);
      expect(exit).toBe(8);
      expect((await plane.run(["migration", "cancel", id, "--wait"])).exit).toBe(0);
    },
    PATIENCE_MS,
  );

  it("is 0 when the reader closes the pipe", async () => {
    const line = `"${process.execPath}" "${plane.bundle}" docs --format json`;
    const { stdout, stderr } = await plane.shell(`(${line}; echo "exit=$?" >&2) | head -1`);
    expect([stdout, stderr]).toEqual(["[\n", "exit=0\n"]);
  });
});

describe.skipIf(!hasTmux)(`on a terminal${unlessTmux}`, () => {
  for (const columns of WIDTHS) {
    it.each(commands)(
      `of ${columns} columns \`%s\` writes its golden file`,
      async (words) => {
        const text = await screenOf(words, columns);
        for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(columns);
        await expect(normalize(text)).toMatchFileSnapshot(golden(words, String(columns)));
      },
      PATIENCE_MS,
    );
  }

  it(
    "a migration is watched with the phases to come, and Ctrl-C leaves it alone",
    async () => {
      const { id } = await plane.fleet.api.createMigration({
        vm: "db-1",
        target: "host-b",
        policy: endlessly,
      });
      const screen = open(`migration watch ${id}`, 80);
      try {
        const text = await screen.shows(/^rates /m, PATIENCE_MS);
        expect(text).toMatch(/✔ admit.*✔ negotiate/);
        expect(text).toMatch(/● precopy/);
        expect(text).toMatch(/○ await-ack\s+○ switchover\s+○ confirm/);
        expect(text).toMatch(/^left .* sent$/m);
        expect(text).toMatch(/^downtime .* no budget$/m);
        screen.press("C-c");
        const after = await screen.shows(/^exit=130$/m, PATIENCE_MS);
        expect(after).toContain(`switchyard migration watch ${id}`);
        expect(after).not.toContain("precopy");
      } finally {
        screen.close();
      }
      expect((await plane.fleet.api.getMigration(id)).status).toBe("running");
      const cancelled = await plane.run(["migration", "cancel", id, "--wait"]);
      expect(cancelled.exit).toBe(0);
      expect(await plane.fleet.api.getVm("db-1")).toMatchObject({ host: "host-a" });
    },
    PATIENCE_MS,
  );

  it(
    "`top` is drawn until q is pressed",
    async () => {
      const screen = open("top", 80);
      try {
        const text = await screen.shows(/q ends/, PATIENCE_MS);
        expect(text).toContain("3 hosts, 2 VMs");
        screen.press("q");
        await screen.shows(/^exit=0$/m, PATIENCE_MS);
      } finally {
        screen.close();
      }
    },
    PATIENCE_MS,
  );
});

function filled(words: string): string {
  return words.replace("EVACUATION", evacuation);
}

function golden(words: string, where: string): string {
  return `golden/${words.replaceAll(" ", "-")}.${where}.txt`;
}
