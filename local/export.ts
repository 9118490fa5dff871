import { runTransfer } from "./transfer/program.ts";
import { exportedItems } from "./transfer/table.ts";
import { writeTableFile } from "./transfer/table-file.ts";

await runTransfer(
  {
    name: "export",
    description: "Writes the whole table of a control plane into a file, for npm run import",
    file: "to be written, readable by you only: it has secrets of webhooks",
    use: "from",
  },
  async ({ table }, file) => {
    const { items, digest } = await writeTableFile(file, exportedItems(table));
    return `${items} items of the table ${table.name} are in ${file} (digest ${digest.slice(0, 16)})`;
  },
);
