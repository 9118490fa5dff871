/**
 * dynalite counts characters where DynamoDB counts bytes of UTF-8, so items of up to three times the
 * limit passed. Here its limits of items and transactions count bytes.
 */
import db from "dynalite/db/index.js";
import { itemBytes, type StoredItem } from "./item-bytes.ts";

const { itemSize } = db;

/** @param rest given where the size of a page is estimated */
db.itemSize = (item, ...rest) =>
  rest.length > 0 ? itemSize(item, ...rest) : itemBytes(item as StoredItem);
