import { expect, it } from "vitest";
import { parseTcpTable } from "./tcp-table.ts";

const HEAD =
  "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
const CALM = "00000000:00000000 00:00000000 00000000";
const line = (local: string, remote: string, state: string, rest = CALM) =>
  `   0: ${local} ${remote} ${state} ${rest}     0        0 123 1 0000000000000000 100 0 0`;
const calm = { unacknowledgedBytes: 0, retransmits: 0, inode: "123" };

it("reads /proc/net/tcp", () => {
  const table = [
    HEAD,
    line("0100007F:C000", "00000000:0000", "0A"),
    line("0100007F:C000", "0200007F:9C40", "01"),
    line("0100007F:C000", "0A0200C0:9C41", "08"),
    line("0100007F:C000", "0300007F:9C42", "06"),
    "",
  ].join("\n");
  expect(parseTcpTable(table)).toEqual([
    { ...calm, localPort: 49_152, remoteAddress: "0.0.0.0", state: "listening" },
    { ...calm, localPort: 49_152, remoteAddress: "127.0.0.2", state: "established" },
    { ...calm, localPort: 49_152, remoteAddress: "192.0.2.10", state: "closed-by-peer" },
    { ...calm, localPort: 49_152, remoteAddress: "127.0.0.3", state: "other" },
  ]);
});

it("reads /proc/net/tcp6", () => {
  const local = "B80D0120000000000000000001000000:C000";
  const table = [
    HEAD,
    line(local, "B80D0120000000000000000002000000:9C40", "01"),
    line(local, "0000000000000000FFFF0000090200C0:9C41", "01"),
  ].join("\n");
  const addresses = parseTcpTable(table).map(({ remoteAddress }) => remoteAddress);
  expect(addresses).toEqual(["2001:db8::2", "192.0.2.9"]);
});

it.each([
  ["sends again what was not answered", "0001F400:00000000 01:000003E8 00000005", 5],
  ["waits for an answer that is not late", "0001F400:00000000 01:00000014 00000000", 0],
  ["asks a peer that has no room", "0001F400:00000000 04:000003E8 00000005", 0],
])("tells a connection that %s", (_, rest, retransmits) => {
  const [socket] = parseTcpTable(line("0100007F:C000", "0200007F:9C40", "01", rest));
  expect(socket).toMatchObject({ unacknowledgedBytes: 128_000, retransmits });
});
