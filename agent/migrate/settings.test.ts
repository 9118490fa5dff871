import { expect, it, onTestFinished } from "vitest";
import { QmpClient } from "../qmp/client.ts";
import { FakeQmpError } from "../qmp/testing/fake-error.ts";
import { FakeQmpServer } from "../qmp/testing/fake-server.ts";
import { applySettings, readParameters } from "./settings.ts";

const usual: Record<string, boolean> = { events: true, multifd: false, xbzrle: true };

async function connect(capabilities: () => unknown = () => ({}), states = usual) {
  const present = Object.entries(states);
  const server = await FakeQmpServer.start({
    commands: {
      "migrate-set-capabilities": capabilities,
      "query-migrate-capabilities": () =>
        present.map(([capability, state]) => ({ capability, state })),
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

it("turns off what must not be on, sets the parameters, then turns on what is missing, integers as integers", async () => {
  const { qmp, sent } = await connect();
  const capabilities = (state: boolean, ...names: string[]) => ({
    capabilities: names.map((capability) => ({ capability, state })),
  });
  await applySettings(qmp, {
    capabilities: { events: true, multifd: true, xbzrle: false, "no-such-capability": true },
    parameters: { "max-bandwidth": "4503599627370496", "multifd-compression": "zstd" },
  });
  expect(sent()).toEqual([
    ["query-migrate-capabilities", {}],
    // What this QEMU does not know is for it to refuse.
    ["migrate-set-capabilities", capabilities(false, "xbzrle", "no-such-capability")],
    [
      "migrate-set-parameters",
      { "max-bandwidth": 4503599627370496, "multifd-compression": "zstd" },
    ],
    ["migrate-set-capabilities", capabilities(true, "multifd", "no-such-capability")],
  ]);
});

it("turns zero-copy-send off while it sets parameters", async () => {
  const { qmp, sent } = await connect(undefined, { "zero-copy-send": true, multifd: true });
  await applySettings(qmp, {
    capabilities: { "zero-copy-send": true, multifd: true },
    parameters: { "multifd-compression": "none" },
  });
  const zeroCopy = (state: boolean) => ({
    capabilities: [{ capability: "zero-copy-send", state }],
  });
  expect(sent()).toEqual([
    ["query-migrate-capabilities", {}],
    ["migrate-set-capabilities", zeroCopy(false)],
    ["migrate-set-parameters", { "multifd-compression": "none" }],
    ["migrate-set-capabilities", zeroCopy(true)],
  ]);
});

it("sets nothing that is as it shall be, and no parameters when the capabilities are refused", async () => {
  const { qmp, sent } = await connect();
  await applySettings(qmp, { capabilities: { multifd: false }, parameters: {} });
  expect(sent().map(([command]) => command)).toEqual(["query-migrate-capabilities"]);

  const refusing = await connect(() => {
    throw new FakeQmpError("GenericError", "no");
  });
  const settings = { capabilities: { events: false }, parameters: { "downtime-limit": 1 } };
  await expect(applySettings(refusing.qmp, settings)).rejects.toThrow("migrate-set-capabilities");
  expect(refusing.sent().map(([command]) => command)).toEqual([
    "query-migrate-capabilities",
    "migrate-set-capabilities",
  ]);
});

it("reads back what it can set again", async () => {
  const { qmp } = await connect();
  const names = ["max-bandwidth", "downtime-limit", "tls-creds", "of-another-version"];
  expect(await readParameters(qmp, names)).toEqual({
    ...{ "max-bandwidth": "18446744073709551615", "downtime-limit": 300, "tls-creds": "" },
  });
});
