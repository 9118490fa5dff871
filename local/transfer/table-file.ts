import { once } from "node:events";
import { createReadStream, createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { createInterface } from "node:readline";
import { finished } from "node:stream/promises";
import * as z from "zod";
import { type TableItem, Tally, textOf } from "./item-text.ts";
import { TransferError } from "./transfer-error.ts";

/** The first line: what the file is. Items follow, one a line, and a last line with their number. */
const Head = z.strictObject({ switchyardTable: z.literal(1) });
const Tail = z.strictObject({ items: z.int().nonnegative(), digest: z.string().length(64) });
const Line = z.record(z.string(), z.record(z.string(), z.unknown()));

/** Writes the items. The file is there once it is whole. */
export async function writeTableFile(file: string, items: AsyncIterable<TableItem>) {
  const temporary = `${file}.tmp`;
  const out = createWriteStream(temporary, { mode: 0o600, flush: true });
  const write = async (line: string) => {
    if (!out.write(`${line}\n`)) await once(out, "drain");
  };
  const tally = new Tally();
  try {
    await once(out, "open");
    await write(JSON.stringify({ switchyardTable: 1 }));
    for await (const item of items) {
      const text = textOf(item);
      tally.add(text);
      await write(text);
    }
    await write(JSON.stringify({ items: tally.items, digest: tally.digest }));
    out.end();
    await finished(out);
    await rename(temporary, file);
    return tally;
  } catch (error) {
    out.destroy();
    await rm(temporary, { force: true });
    throw error;
  }
}

/** The items, once the whole file was found to be what it was written as. @throws TransferError */
export async function* itemsOf(file: string): AsyncGenerator<TableItem> {
  await requireWhole(file);
  for await (const line of linesOf(file)) {
    const value: unknown = JSON.parse(line);
    if (!Head.safeParse(value).success && !Tail.safeParse(value).success) yield value as TableItem;
  }
}

/** @throws TransferError */
async function requireWhole(file: string): Promise<void> {
  const tally = new Tally();
  let tail: z.infer<typeof Tail> | undefined;
  let number = 0;
  for await (const line of linesOf(file)) {
    number += 1;
    const value = parse(line);
    const isRight = number === 1 ? Head.safeParse(value).success : tail === undefined;
    if (!isRight) throw damaged(file, number);
    if (number === 1) continue;
    tail = Tail.safeParse(value).data;
    if (tail !== undefined) continue;
    if (!Line.safeParse(value).success) throw damaged(file, number);
    tally.add(line);
  }
  if (tail === undefined) throw new TransferError(`${file} has no end: it was cut off`);
  if (tail.items === tally.items && tail.digest === tally.digest) return;
  throw new TransferError(`${file} has other items than it was written with: it was changed`);
}

function damaged(file: string, number: number): TransferError {
  return new TransferError(`Line ${number} of ${file} is not what npm run export writes`);
}

function linesOf(file: string): AsyncIterable<string> {
  const input = createReadStream(file);
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  return failing(lines, new Promise((_, reject) => input.once("error", reject)));
}

/** A reader of lines does not pass on the errors of its input. */
async function* failing(lines: AsyncIterable<string>, failed: Promise<never>) {
  failed.catch(() => undefined);
  const iterator = lines[Symbol.asyncIterator]();
  while (true) {
    const { done, value } = await Promise.race([iterator.next(), failed]);
    if (done) return;
    yield value;
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
