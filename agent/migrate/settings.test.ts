import { expect, it, onTestFinished } from "vitest";
import { QmpClient } from "../../qmp/client.ts";
import { FakeQmpError } from "../../qmp/testing/fake-error.ts";
import { FakeQmpServer } from "../../qmp/testing/fake-server.ts";
import { applySettings, readCapabilities, readParameters } from "./settings.ts";

const usual = { events: true, multifd: false, xbzrle: true };

async function connect(capabilities: () => unknown = () => ({})) {
  const server = await FakeQmpServer.start({
    commands: {
      "migrate-set-capabilities": capabilities,
      "query-migrate-capabilities": () =>
        Object.entries(usual).map(([capability, state]) => ({ capability, state })),
      "migrate-set-parameters": () => ({}),
      "query-migrate-parameters": () => ({
        "max-bandwidth": 2n ** 64n - 1n,
        "downtime-limit": 300,
        "tls-creds": "",
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

const present = (states: Record<string, boolean>) => new Map(Object.entries(states));
const capabilities = (state: boolean, ...names: string[]) => ({
  capabilities: names.map((capability) => ({ capability, state })),
});

it("switches off, sets the parameters (integers as integers), then switches on", async () => {
  const { qmp, sent } = await connect();
  const settings = {
    capabilities: { events: true, multifd: true, xbzrle: false, "no-such-capability": true },
    parameters: { "max-bandwidth": "4503599627370496", "multifd-compression": "zstd" },
  };
  await applySettings(qmp, settings, await readCapabilities(qmp));
  expect(sent()).toEqual([
    ["query-migrate-capabilities", {}],
    // QEMU itself refuses what it does not know.
    ["migrate-set-capabilities", capabilities(false, "xbzrle", "no-such-capability")],
    [
      "migrate-set-parameters",
      { "max-bandwidth": 4503599627370496, "multifd-compression": "zstd" },
    ],
    ["migrate-set-capabilities", capabilities(true, "multifd", "no-such-capability")],
  ]);
});

it("turns zero-copy-send off while it sets parameters", async () => {
  const { qmp, sent } = await connect();
  const on = { "zero-copy-send": true, multifd: true };
  const settings = { capabilities: on, parameters: { "multifd-compression": "none" } };
  await applySettings(qmp, settings, present(on));
  expect(sent()).toEqual([
    ["migrate-set-capabilities", capabilities(false, "zero-copy-send")],
    ["migrate-set-parameters", { "multifd-compression": "none" }],
    ["migrate-set-capabilities", capabilities(true, "zero-copy-send")],
  ]);
});

it("sets nothing that is as agreed", async () => {
  const { qmp, sent } = await connect();
  const settings = { capabilities: { multifd: false }, parameters: {} };
  await applySettings(qmp, settings, present(usual));
  expect(sent()).toEqual([]);
});

it("sets the parameters, then all capabilities, in a new QEMU", async () => {
  const { qmp, sent } = await connect();
  const settings = {
    capabilities: { multifd: true, xbzrle: false },
    parameters: { "multifd-compression": "zstd" },
  };
  await applySettings(qmp, settings);
  const both = [
    ...capabilities(true, "multifd").capabilities,
    ...capabilities(false, "xbzrle").capabilities,
  ];
  expect(sent()).toEqual([
    ["migrate-set-parameters", { "multifd-compression": "zstd" }],
    ["migrate-set-capabilities", { capabilities: both }],
  ]);
});

it("throws when QEMU refuses one of the commands", async () => {
  const { qmp, sent } = await connect(() => {
    throw new FakeQmpError("GenericError", "no");
  });
  const settings = { capabilities: { events: false }, parameters: { "downtime-limit": 1 } };
  const refused = "migrate-set-capabilities";
  await expect(applySettings(qmp, settings, present(usual))).rejects.toThrow(refused);
  await expect(applySettings(qmp, settings)).rejects.toThrow(refused);
  expect(sent().map(([command]) => command)).toContain("migrate-set-parameters");
});

it("reads back what it can set again", async () => {
  const { qmp } = await connect();
  const names = ["max-bandwidth", "downtime-limit", "tls-creds", "of-another-version"];
  expect(await readParameters(qmp, names)).toEqual({
    "max-bandwidth": "18446744073709551615",
    "downtime-limit": 300,
    "tls-creds": "",
  });
});
