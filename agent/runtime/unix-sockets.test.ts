import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { joinReads, unixSockets } from "./unix-sockets.ts";

const HEADER = "Num       RefCount Protocol Flags    Type St Inode Path";
const row = (inode: number, flags: string, state: string, path = " /run/a b.sock") =>
  `0000000000000000: 00000002 00000000 ${flags} 0001 ${state} ${inode}${path}`;
const listening = row(41, "00010000", "01");
const connected = row(42, "00000000", "03");
const read = (...rows: string[]) => [HEADER, ...rows, ""].join("\n");

it.each([
  ["a socket that listens, though the last read leaves it out", [read(listening), read()], ["41"]],
  ["each once", [read(listening), read(listening)], ["41"]],
  ["no connection that the last read has not", [read(connected), read(listening)], ["41"]],
  ["the last read's connections", [read(listening), read(listening, connected)], ["41", "42"]],
  ["no socket without a path", [read(row(43, "00000000", "03", ""))], []],
])("reads of the table, put together, have %s", (_, reads, inodes) => {
  expect(joinReads(reads).map(({ inode }) => inode)).toEqual(inodes);
});

it("a socket that listens is found by its path", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sy-unix-"));
  const path = join(folder, "a b.sock");
  const server = createServer();
  await new Promise<void>((done) => server.listen(path, done));
  try {
    const found = unixSockets("self").filter((socket) => socket.path === path);
    expect(found).toMatchObject([{ isListening: true, isConnected: false }]);
  } finally {
    server.close();
    rmSync(folder, { recursive: true });
  }
});
