import { expect, it, onTestFinished } from "vitest";
import { QmpClient } from "../qmp/client.ts";
import { FakeQmpError } from "../qmp/testing/fake-error.ts";
import { FakeQmpServer } from "../qmp/testing/fake-server.ts";
import { applySettings, readParameters } from "./settings.ts";

async function connect(capabilities: () => unknown = () => ({})) {
  const server = await FakeQmpServer.start({
    commands: {
      "migrate-set-capabilities": capabilities,
      "migrate-set-parameters": () => ({}),
      "query-migrate-parameters": () => ({
        ...{ "max-bandwidth": 2n ** 64n - 1n, "downtime-limit": 300, "tls-creds": "" },
      }),
    },
  });
  const qmp = await QmpClient.connect(server.address);
  onTestFinished(async () => {
    await qmp.close();
    await server.close();
  });
  const sent = () =>
    server.requests.slice(1).map((request) => [request.command, request.arguments] as const);
  return { qmp, sent };
}

it("turns all capabilities off, sets the parameters, then what shall be on, integers as integers", async () => {
  const { qmp, sent } = await connect();
  const capabilities = (state: boolean) => [
    { capability: "events", state },
    { capability: "multifd", state: false },
  ];
  await applySettings(qmp, {
    capabilities: { events: true, multifd: false },
    parameters: { "max-bandwidth": "4503599627370496", "multifd-compression": "zstd" },
  });
  expect(sent()).toEqual([
    ["migrate-set-capabilities", { capabilities: capabilities(false) }],
    [
      "migrate-set-parameters",
      { "max-bandwidth": 4503599627370496, "multifd-compression": "zstd" },
    ],
    ["migrate-set-capabilities", { capabilities: capabilities(true) }],
  ]);
});

it("sets no parameters when there are none, or when the capabilities are refused", async () => {
  const { qmp, sent } = await connect();
  await applySettings(qmp, { capabilities: {}, parameters: {} });
  expect(sent().map(([command]) => command)).toEqual([
    "migrate-set-capabilities",
    "migrate-set-capabilities",
  ]);

  const refusing = await connect(() => {
    throw new FakeQmpError("GenericError", "no");
  });
  const settings = { capabilities: { events: true }, parameters: { "downtime-limit": 1 } };
  await expect(applySettings(refusing.qmp, settings)).rejects.toThrow("migrate-set-capabilities");
  expect(refusing.sent()).toHaveLength(1);
});

it("reads back what it can set again", async () => {
  const { qmp } = await connect();
  const names = ["max-bandwidth", "downtime-limit", "tls-creds", "of-another-version"];
  expect(await readParameters(qmp, names)).toEqual({
    ...{ "max-bandwidth": "18446744073709551615", "downtime-limit": 300, "tls-creds": "" },
  });
});
