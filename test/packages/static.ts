import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { AgentPackages } from "../../scripts/package-agent.ts";

const DEB_BYTES_MAX = 40e6;
const UNIT = "usr/lib/systemd/system/switchyard-agent.service";
const SLICE = "usr/lib/systemd/system/switchyard-guests.slice";
const EXPOSURE_MAX = 30;
const COMMAND_MS = 60_000;

/** Each path with its mode; all belong to root. */
const contents = [
  "drwxr-xr-x ./etc/",
  "drwxr-x--- ./etc/switchyard/",
  "-rw-r----- ./etc/switchyard/agent.json",
  "drwxr-xr-x ./usr/",
  "drwxr-xr-x ./usr/bin/",
  "-rwxr-xr-x ./usr/bin/switchyard-agent",
  "drwxr-xr-x ./usr/lib/",
  "drwxr-xr-x ./usr/lib/switchyard/",
  "-rw-r--r-- ./usr/lib/switchyard/agent.mjs",
  "-rwxr-xr-x ./usr/lib/switchyard/node",
  "drwxr-xr-x ./usr/lib/systemd/",
  "drwxr-xr-x ./usr/lib/systemd/system/",
  `-rw-r--r-- ./${UNIT}`,
  `-rw-r--r-- ./${SLICE}`,
  "drwxr-xr-x ./usr/share/",
  "drwxr-xr-x ./usr/share/doc/",
  "drwxr-xr-x ./usr/share/doc/switchyard-agent/",
  "-rw-r--r-- ./usr/share/doc/switchyard-agent/copyright",
  "-rw-r--r-- ./usr/share/doc/switchyard-agent/install.md",
];

export type StaticCheck = {
  readonly name: string;
  /** A program that it needs; without it the check is skipped. */
  readonly needs: string;
  run(packages: AgentPackages): void;
};

/** What packages show without being installed. */
export const staticChecks: readonly StaticCheck[] = [
  {
    name: "the .deb has these files, with these modes, of root",
    needs: "dpkg-deb",
    run: ({ deb }) => {
      const lines = output("dpkg-deb", ["--contents", deb]).trim().split("\n");
      const found = lines.map((line) => line.split(/\s+/));
      assert.deepEqual([...new Set(found.map(([, owner]) => owner))], ["root/root"]);
      assert.deepEqual(
        found.map(([mode, , , , , name]) => `${mode} ${name}`),
        contents,
      );
      assert.ok(statSync(deb).size <= DEB_BYTES_MAX, `${deb} has ${statSync(deb).size} bytes`);
    },
  },
  {
    name: "the .deb keeps what people change in its configuration",
    needs: "dpkg-deb",
    run: ({ deb }) =>
      inside(deb, (folder) => {
        output("dpkg-deb", ["--control", deb, path.join(folder, "control")]);
        const conffiles = output("cat", [path.join(folder, "control/conffiles")]).trim();
        assert.equal(conffiles, "/etc/switchyard/agent.json");
      }),
  },
  {
    name: "the agent in the .deb runs on the Node in it, and has the version of the package",
    needs: "dpkg-deb",
    run: ({ deb }) =>
      inside(deb, (folder) => {
        const lib = path.join(folder, "usr/lib/switchyard");
        const version = output(path.join(lib, "node"), [path.join(lib, "agent.mjs"), "--version"]);
        assert.ok(path.basename(deb).includes(`_${version.trim()}-1_`), `${deb}: ${version}`);
      }),
  },
  {
    name: "the .rpm has the same files",
    needs: "rpm",
    run: ({ rpm }) => {
      const files = output("rpm", ["-qpl", rpm]).trim().split("\n");
      const expected = contents
        .filter((line) => line.startsWith("-"))
        .map((line) => line.replace(/^\S+ \./, ""));
      assert.deepEqual(
        expected.filter((name) => !files.includes(name)),
        [],
      );
      const config = output("rpm", ["-qpc", rpm]).trim();
      assert.equal(config, "/etc/switchyard/agent.json");
    },
  },
  {
    name: `the unit's exposure is at most ${EXPOSURE_MAX / 10}`,
    needs: "systemd-analyze",
    run: ({ deb }) =>
      inside(deb, (folder) => {
        const options = ["--offline=true", `--threshold=${EXPOSURE_MAX}`, "--no-pager"];
        output("systemd-analyze", ["security", ...options, path.join(folder, UNIT)]);
      }),
  },
];

export function hasProgram(name: string): boolean {
  const folders = (process.env.PATH ?? "").split(path.delimiter);
  return folders.some((folder) => existsSync(path.join(folder, name)));
}

/** The package's files, unpacked for as long as this takes. */
function inside(deb: string, look: (folder: string) => void): void {
  const folder = mkdtempSync(path.join(tmpdir(), "switchyard-deb-"));
  try {
    output("dpkg-deb", ["--extract", deb, folder]);
    look(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function output(program: string, args: readonly string[]): string {
  return execFileSync(program, args, { encoding: "utf8", stdio: "pipe", timeout: COMMAND_MS });
}
