import { Command } from "commander";
import { DataFolderError } from "../data-folder.ts";
import { openPlace, type Place, type PlaceOptions } from "./place.ts";
import { TransferError } from "./transfer-error.ts";

const HELP = `
--data-dir: the control plane that uses the folder must be stopped.
--stage: region, credentials and endpoints are the AWS SDK's own settings (AWS_REGION,
AWS_PROFILE, AWS_ENDPOINT_URL_DYNAMODB, AWS_ENDPOINT_URL_SQS, …).`;

/** Runs one of the two commands that take a table from one place to another. */
export async function runTransfer(
  command: { name: string; description: string; file: string; use: "from" | "to" },
  work: (place: Place, file: string) => Promise<string>,
): Promise<void> {
  const program = new Command(command.name)
    .description(command.description)
    .argument("<file>", command.file)
    .option("-d, --data-dir <folder>", "the table of a control plane on one machine")
    .option("-s, --stage <name>", "the table of a deployment")
    .option("-n, --name <name>", "with --data-dir: of the installation", "switchyard")
    .addHelpText("after", HELP)
    .parse();
  process.umask(0o077);
  try {
    const place = await openPlace(program.opts<PlaceOptions>(), command.use);
    try {
      console.log(await work(place, String(program.args[0])));
    } finally {
      await place.close();
    }
  } catch (error) {
    const isForUser = error instanceof TransferError || error instanceof DataFolderError;
    console.error(`${command.name}: ${isForUser ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
