/**
 * The modules of dynalite 4.0.0 that are used: its checks of requests, and its operations, which
 * work on a store that is given to them. The package has no types; store.ts describes a store.
 */
declare module "dynalite/validations/index.js" {
  export type Type = {
    children?: string | Type | Record<string, string | Type>;
    type?: string;
  };
  export type Types = Record<string, string | Type>;
  type Input = Record<string, unknown>;
  const validations: {
    toLowerFirst(text: string): string;
    checkTypes(input: Input, types: Types): Input;
    checkValidations(input: Input, types: Types, custom: unknown, store: unknown): void;
  };
  // biome-ignore lint/style/noDefaultExport: a CommonJS module has no other export.
  export default validations;
}

declare module "dynalite/validations/*" {
  import type { Types } from "dynalite/validations/index.js";

  const validation: { types: Types; custom?: unknown };
  // biome-ignore lint/style/noDefaultExport: a CommonJS module has no other export.
  export default validation;
}

declare module "dynalite/actions/*" {
  const action: (
    store: unknown,
    input: Record<string, unknown>,
    callback: (error: unknown, output?: Record<string, unknown>) => void,
  ) => void;
  // biome-ignore lint/style/noDefaultExport: a CommonJS module has no other export.
  export default action;
}

declare module "dynalite/db/index.js" {
  type AttributeValues = Record<string, Record<string, unknown>>;
  const db: {
    createKey(item: AttributeValues, table: object): string;
    itemSize(item: AttributeValues, ...rest: unknown[]): number;
    /** An error to return, or nothing when the key fits the table. */
    validateKey(key: AttributeValues, table: object): Error | undefined | null;
    /** An error to return, or nothing when the condition of the checked input holds. */
    checkConditional(
      input: object,
      existing: AttributeValues | undefined,
    ): Error | undefined | null;
  };
  // biome-ignore lint/style/noDefaultExport: a CommonJS module has no other export.
  export default db;
}

declare module "dynalite/db/*Parser.js" {
  /** What an expression may name, and of that what no expression has named so far. */
  export type Context = {
    attrNames?: Record<string, string>;
    attrVals?: Record<string, Record<string, unknown>>;
    unusedAttrNames: Record<string, boolean>;
    unusedAttrVals: Record<string, boolean>;
    isKeyCondition?: boolean;
    compare?: (comparison: string, one: never, other: never) => boolean;
  };
  const parser: {
    /** @returns the parsed expression, or a text that says what is wrong with it */
    parse(expression: string, options: { context: Context }): unknown;
  };
  // biome-ignore lint/style/noDefaultExport: a CommonJS module has no other export.
  export default parser;
}
