#!/usr/bin/env node
import { existsSync } from "node:fs";

// `npm run build:cli` makes one file of the command line, which starts faster than the sources.
const bundle = new URL("../dist/switchyard.js", import.meta.url);
await import(existsSync(bundle) ? bundle.href : "./main.ts");
