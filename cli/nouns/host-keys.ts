import { writeFileSync } from "node:fs";
import type { Client } from "../../client/client.ts";
import { CliError } from "../exit/cli-error.ts";
import type { Session } from "../session.ts";
import type { Argument, Verb } from "../verb.ts";
import type { Host } from "./host-lifecycle.ts";

type Show = (session: Session, host: Host) => undefined;
type JoinToken = Awaited<ReturnType<Client["issueJoinToken"]>>;

const host: Argument = { name: "<host>", summary: "name of the host", of: "host" };
const tokenFile = {
  flags: "--join-token-file <file>",
  summary: "new file for the join token (mode 600); default: shown",
};

/** How agents get their identity, and lose it. */
export function keyVerbs(show: Show): Verb[] {
  return [
    {
      name: "add",
      summary: "Add a host and issue a join token for its agent",
      operations: ["createHost"],
      arguments: [{ name: "<host>", summary: "name of the new host" }],
      options: [
        { flags: "--slots-out <number>", summary: "migrations out of it at the same time" },
        { flags: "--slots-in <number>", summary: "migrations into it at the same time" },
        tokenFile,
      ],
      run: async (session, input) => {
        const slotsOut = input.whole("slotsOut", 1);
        const slotsIn = input.whole("slotsIn", 1);
        const keep = tokenKeeper(session, input.text("joinTokenFile"));
        const made = await session.api.createHost({
          id: input.argument(0),
          ...(slotsOut === undefined ? {} : { slotsOut }),
          ...(slotsIn === undefined ? {} : { slotsIn }),
        });
        const { isShown, rows } = keep(made.joinToken);
        session.output.object(isShown ? made : { host: made.host }, made.host.id, [
          ["host", made.host.id],
          ["state", made.host.state],
          ...rows,
        ]);
        return noteToken(session);
      },
    },
    {
      name: "join-token",
      summary: "Issue a join token for an agent that has no key, or is to have another one",
      operations: ["issueJoinToken"],
      arguments: [host],
      options: [
        { flags: "--seconds <number>", summary: "for how long it may be used; default 3600" },
        tokenFile,
      ],
      run: async (session, input) => {
        const seconds = input.whole("seconds", 60);
        const keep = tokenKeeper(session, input.text("joinTokenFile"));
        const wish = seconds === undefined ? {} : { seconds };
        const issued = await session.api.issueJoinToken(input.argument(0), wish);
        const { isShown, rows } = keep(issued);
        const { expiresAt } = issued;
        session.output.object(isShown ? issued : { expiresAt }, input.argument(0), rows);
        return noteToken(session);
      },
    },
    {
      name: "rotate-key",
      summary: "Let a host's agent replace its key, at its next heartbeat",
      operations: ["rotateHostKey"],
      arguments: [host],
      run: async (session, input) =>
        show(session, await session.api.rotateHostKey(input.argument(0))),
    },
    {
      name: "revoke-key",
      summary: "Refuse a host's agent from now on; its guests run on",
      operations: ["revokeHostKey"],
      arguments: [host],
      run: async (session, input) => {
        const id = input.argument(0);
        await session.confirm(
          `Revoke the key of ${id}? Its agent is not heard until one joins anew.`,
        );
        return show(session, await session.api.revokeHostKey(id));
      },
    },
  ];
}

function noteToken({ output }: Session): undefined {
  output.note("It is shown this once and used once: the agent reads it from its joinTokenFile");
  return undefined;
}

type Kept = { isShown: boolean; rows: [string, string][] };

/**
 * Makes the file before the token is issued: one that cannot be kept is lost.
 *
 * @throws CliError when the file exists or cannot be made
 */
function tokenKeeper(session: Session, file: string | undefined): (issued: JoinToken) => Kept {
  if (file !== undefined) reserve(file);
  return ({ token, expiresAt }) => {
    if (file !== undefined) writeFileSync(file, token);
    const rows: Kept["rows"] = [
      ["join token", file === undefined ? token : `in ${file}`],
      ["expires", session.time(expiresAt)],
    ];
    return { isShown: file === undefined, rows };
  };
}

function reserve(file: string): void {
  try {
    writeFileSync(file, "", { mode: 0o600, flag: "wx" });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError("usage", `Failed to make the token's file: ${reason}`);
  }
}
