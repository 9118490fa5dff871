/** Puts the published downtimes of VFIO migrations beside those of the model. */
import { parseArgs } from "node:util";
import {
  assumptions,
  type DeviceConstants,
  fitConstants,
  type LoadKind,
  measureDowntimeMs,
  type Published,
  type Scenario,
} from "./seeds-model.ts";

type DeviceClass = {
  readonly name: string;
  readonly kind: LoadKind;
  readonly rateRow: string;
  readonly loadRow: string;
  readonly rows: readonly Published[];
  /** The same machines with every option that shortens the downtime. */
  readonly beyond: Scenario;
};

const mlx5 = { devices: 1, stateBytes: 300e6, tls: false, dedicatedChannels: 0 } as const;
const connectX7 = { devices: 4, stateBytes: 100 << 20, ack: true } as const;

/** libvirt's table for switchover-ack, and that of QEMU's series for multifd device state. */
const classes: readonly DeviceClass[] = [
  {
    name: "mlx5",
    kind: "initial",
    rateRow: "mlx5 300 MB, with ACK",
    loadRow: "mlx5 300 MB, no ACK",
    rows: [
      { ...mlx5, name: "mlx5 300 MB, no ACK", ack: false, publishedMs: 1900 },
      { ...mlx5, name: "mlx5 300 MB, with ACK", ack: true, publishedMs: 420 },
    ],
    beyond: {
      ...mlx5,
      name: "mlx5 300 MB, ACK + multifd, 4 dedicated",
      ack: true,
      dedicatedChannels: 4,
    },
  },
  {
    name: "connectx7",
    kind: "final",
    rateRow: "4 ConnectX-7 VFs, main channel",
    loadRow: "4 ConnectX-7 VFs, multifd 15/4",
    rows: [
      {
        ...connectX7,
        name: "4 ConnectX-7 VFs, main channel",
        tls: false,
        dedicatedChannels: 0,
        publishedMs: 2100,
      },
      {
        ...connectX7,
        name: "4 ConnectX-7 VFs, main channel, TLS",
        tls: true,
        dedicatedChannels: 0,
        publishedMs: 2300,
      },
      {
        ...connectX7,
        name: "4 ConnectX-7 VFs, multifd 15/4",
        tls: false,
        dedicatedChannels: 4,
        publishedMs: 1100,
      },
      {
        ...connectX7,
        name: "4 ConnectX-7 VFs, multifd 15/4, TLS",
        tls: true,
        dedicatedChannels: 4,
        publishedMs: 1200,
      },
    ],
    beyond: {
      ...connectX7,
      name: "4 ConnectX-7 VFs, ACK + multifd, 8 dedicated",
      tls: false,
      dedicatedChannels: 8,
    },
  },
];

type Row = {
  readonly name: string;
  readonly publishedMs: number;
  readonly modelMs: number;
  readonly errorPercent: number;
};

type Prediction = {
  readonly name: string;
  readonly label: "prediction";
  readonly modelMs: number;
  /** The part after the last byte, which a downtime limit must leave for the target. */
  readonly loadAllowanceMs: number;
};

const help = `Usage: npm run bench:seeds [-- --json]

Runs the migrations of two published tables on the model, on a virtual clock, and prints each
downtime beside the published one. Two constants per class of devices are fitted to two rows of
its table, and printed; the other rows, and those beyond the tables, follow from the mechanism.

  --json   the last line is {"rows", "constants", "beyond"} as JSON
  --help   this text
`;

function main(): void {
  const { values } = parseArgs({
    options: { json: { type: "boolean" }, help: { type: "boolean" } },
  });
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  const rows: Row[] = [];
  const beyond: Prediction[] = [];
  const constants: Record<string, Record<string, number>> = {};
  for (const deviceClass of classes) {
    const fitted = fitConstants(
      { rateRow: findRow(deviceClass, "rateRow"), loadRow: findRow(deviceClass, "loadRow") },
      deviceClass.kind,
    );
    constants[deviceClass.name] = describeConstants(fitted, deviceClass.kind);
    for (const row of deviceClass.rows) rows.push(compare(row, fitted, deviceClass.kind));
    beyond.push(predict(deviceClass, fitted));
  }
  print({ rows, beyond, constants });
  if (values.json) process.stdout.write(`${JSON.stringify({ rows, constants, beyond })}\n`);
}

function compare(row: Published, constants: DeviceConstants, kind: LoadKind): Row {
  const { name, publishedMs } = row;
  const modelMs = measureDowntimeMs(row, constants, kind);
  const errorPercent = round((100 * (modelMs - publishedMs)) / publishedMs);
  return { name, publishedMs, modelMs, errorPercent };
}

function predict({ beyond, kind }: DeviceClass, constants: DeviceConstants): Prediction {
  return {
    name: beyond.name,
    label: "prediction",
    modelMs: measureDowntimeMs(beyond, constants, kind),
    loadAllowanceMs: kind === "final" ? Math.ceil(beyond.devices * constants.loadMs) : 0,
  };
}

function print(result: {
  rows: readonly Row[];
  beyond: readonly Prediction[];
  constants: Record<string, Record<string, number>>;
}): void {
  const line = (...cells: readonly string[]): void => {
    const [first = "", ...rest] = cells;
    console.log(`${first.padEnd(46)}${rest.map((cell) => cell.padStart(14)).join("")}`);
  };
  line("downtime", "published ms", "model ms", "error %");
  for (const { name, publishedMs, modelMs, errorPercent } of result.rows) {
    line(name, String(publishedMs), String(modelMs), String(errorPercent));
  }
  line("\nbeyond the tables (prediction)", "", "model ms", "for loading");
  for (const { name, modelMs, loadAllowanceMs } of result.beyond) {
    line(name, "", String(modelMs), String(loadAllowanceMs));
  }
  for (const [name, fitted] of Object.entries(result.constants)) {
    console.log(`\nfitted for ${name}: ${JSON.stringify(fitted)}`);
  }
  console.log(`\nassumed for all: ${JSON.stringify(assumptions)}`);
}

function describeConstants(
  { stateBytesPerSecond, loadMs }: DeviceConstants,
  kind: LoadKind,
): Record<string, number> {
  const name = kind === "initial" ? "loadInitialMs" : "loadFinalMs";
  return { stateBytesPerSecond: Math.round(stateBytesPerSecond), [name]: round(loadMs) };
}

function findRow(deviceClass: DeviceClass, which: "rateRow" | "loadRow"): Published {
  const row = deviceClass.rows.find(({ name }) => name === deviceClass[which]);
  if (!row) throw new Error(`Expected a row called ${deviceClass[which]}`);
  return row;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

main();
