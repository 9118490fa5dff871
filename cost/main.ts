import { Command, InvalidArgumentError } from "commander";
import { assumptions, type Bill, idleBill, migrationBill, progressEvents, total } from "./model.ts";
import { PRICES_DATE } from "./prices.ts";

const HOSTS_MAX = 1_000_000;
const MOVES_MAX = 1_000_000_000;
const SECONDS_MAX = 1_209_600;

const program = new Command("cost")
  .description(
    "What a fleet costs on AWS in a month, from what a real run was counted to ask of the services " +
      `and list prices as known on ${PRICES_DATE} (us-east-1, no free tier)`,
  )
  .option("--fleet <hosts>", "hosts with an agent", within(0, HOSTS_MAX), 100)
  .option("--moves <number>", "migrations in the month", within(0, MOVES_MAX), 1_000)
  .option("--seconds <number>", "precopy of one migration", within(0, SECONDS_MAX), 600)
  .option("--json", "print one JSON object as the last line")
  .parse();
const options = program.opts<{ fleet: number; moves: number; seconds: number; json?: true }>();

const migration = migrationBill(options.seconds);
const idle = idleBill(options.fleet);
const monthUsd = total(idle) + options.moves * total(migration);

if (options.json) {
  console.log(
    JSON.stringify({
      pricesDate: PRICES_DATE,
      fleet: options.fleet,
      moves: options.moves,
      precopySeconds: options.seconds,
      progressEvents: progressEvents(options.seconds),
      migrationUsd: total(migration),
      idleMonthUsd: total(idle),
      monthUsd,
      migration,
      idle,
      assumptions,
    }),
  );
} else {
  print(`One migration with a precopy of ${options.seconds} s`, migration, 6);
  print(`A month of ${options.fleet} hosts in which nothing moves`, idle, 2);
  console.log(`A month with ${options.moves} such migrations: ${monthUsd.toFixed(2)} USD`);
  console.log(`List prices as known on ${PRICES_DATE}, us-east-1, without free tiers.`);
}

function print(title: string, bill: Bill, digits: number): void {
  console.log(`${title}: ${total(bill).toFixed(digits)} USD`);
  for (const [what, dollars] of Object.entries(bill)) {
    console.log(`  ${what.padEnd(52)}${dollars.toFixed(digits).padStart(12)}`);
  }
}

function within(min: number, max: number) {
  return (text: string): number => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}, got ${text}.`);
  };
}
