/** DynamoDB's limit of an item, bytes. */
export const ITEM_BYTES_MAX = 400 * 1024;

/** An item in DynamoDB's own JSON. */
export type StoredItem = Record<string, Value>;
type Value = {
  S?: string;
  N?: string;
  B?: string;
  BOOL?: boolean;
  NULL?: boolean;
  SS?: string[];
  NS?: string[];
  L?: Value[];
  M?: Record<string, Value>;
};

const utf8 = (text: string) => Buffer.byteLength(text);

/**
 * Bytes of an item as DynamoDB counts them (Developer Guide, "DynamoDB item sizes and formats"): names
 * and values in UTF-8, a number by its significant digits, 3 bytes for a list or map and 1 for each
 * of their elements.
 */
export function itemBytes(item: StoredItem): number {
  return sum(Object.entries(item).map(([name, value]) => utf8(name) + valueBytes(value)));
}

function valueBytes(value: Value): number {
  if (value.S !== undefined) return utf8(value.S);
  if (value.N !== undefined) return numberBytes(value.N);
  if (value.B !== undefined) return Buffer.from(value.B, "base64").length;
  if (value.SS !== undefined) return sum(value.SS.map(utf8));
  if (value.NS !== undefined) return sum(value.NS.map(numberBytes));
  if (value.L !== undefined) return 3 + sum(value.L.map((inner) => 1 + valueBytes(inner)));
  if (value.M !== undefined) return 3 + itemBytes(value.M) + Object.keys(value.M).length;
  return 1;
}

function numberBytes(text: string): number {
  const digits = text.replace(/^-|e.*$|\./gi, "").replace(/^0+|0+$/g, "");
  return Math.ceil(digits.length / 2) + 1 + (text.startsWith("-") ? 1 : 0);
}

export function sum(numbers: number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
