import type { Argument, Noun } from "../verb.ts";

const id: Argument = { name: "<freeze>", summary: "id of the change freeze" };

export const changeFreezeNoun: Noun = {
  name: "change-freeze",
  summary: "Change freezes: periods in which no evacuation starts anything",
  verbs: [
    {
      name: "create",
      summary: "Add a change freeze",
      operations: ["createChangeFreeze"],
      options: [
        { flags: "--from <time>", summary: "such as 2026-12-20T00:00", required: true },
        { flags: "--until <time>", summary: "such as 2027-01-04T08:00", required: true },
        { flags: "--zone <zone>", summary: "whose clocks count (default UTC)" },
        { flags: "--by <name>", summary: "who wants it (default: operator)" },
        { flags: "-m, --message <text>", summary: "why, for people" },
      ],
      run: async ({ api, output }, input) => {
        const message = input.text("message");
        const made = await api.createChangeFreeze({
          from: input.text("from") ?? "",
          until: input.text("until") ?? "",
          zone: input.text("zone") ?? "UTC",
          owner: input.text("by") ?? "operator",
          ...(message === undefined ? {} : { message }),
        });
        output.object(made, made.id, [
          ["change freeze", made.id],
          ["from", `${made.from} ${made.zone}`],
          ["until", `${made.until} ${made.zone}`],
          ["owner", made.owner],
          ["message", made.message],
        ]);
        return undefined;
      },
    },
    {
      name: "list",
      summary: "List change freezes by their starts",
      operations: ["listChangeFreezes"],
      run: async ({ api, output }) => {
        const { items } = await api.listChangeFreezes();
        output.list(
          items,
          [
            { name: "FREEZE", text: (row) => row.id },
            { name: "FROM", text: ({ from }) => from },
            { name: "UNTIL", text: ({ until }) => until },
            { name: "ZONE", text: ({ zone }) => zone },
            { name: "OWNER", text: ({ owner }) => owner },
            { name: "MESSAGE", text: ({ message }) => message ?? "" },
          ],
          (row) => row.id,
        );
        return undefined;
      },
    },
    {
      name: "delete",
      summary: "End a change freeze: what it has held goes on",
      operations: ["deleteChangeFreeze"],
      arguments: [id],
      run: async (session, input) => {
        const given = input.argument(0);
        await session.confirm(`End ${given}? What it has held goes on.`);
        await session.api.deleteChangeFreeze(given);
        session.output.note(`${given} is gone`);
        return undefined;
      },
    },
  ],
};
