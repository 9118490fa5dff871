import { withQueues } from "./transfer/host-queues.ts";
import { runTransfer } from "./transfer/program.ts";
import { importItems, requireEmpty } from "./transfer/table.ts";
import { itemsOf } from "./transfer/table-file.ts";

await runTransfer(
  {
    name: "import",
    description: "Fills an empty table from a file of npm run export, and makes the hosts' queues",
    file: "that npm run export has written",
    use: "to",
  },
  async ({ table, queues }, file) => {
    await requireEmpty(table);
    const items = withQueues(itemsOf(file), await queues());
    const { items: count, digest } = await importItems(table, items);
    return (
      `${count} items are in the table ${table.name}, read back and compared ` +
      `(digest ${digest.slice(0, 16)}; hosts have other queues than in the file)`
    );
  },
);
