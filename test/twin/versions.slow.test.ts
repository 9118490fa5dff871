import { vi } from "vitest";
import { findQemu } from "../../qmp/testing/real-qemu.ts";
import { describePair } from "./testing/describe-pair.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const installed = findQemu();
const older = process.env.SWITCHYARD_QEMU_7_2;
const newer = process.env.SWITCHYARD_QEMU_11_1;

const pairs = [
  { title: "QEMU 7.2", source: older, target: older },
  { title: "QEMU 11.1", source: newer, target: newer },
  { title: "QEMU 7.2 to the installed one", source: older, target: installed },
  { title: "the installed QEMU to 7.2", source: installed, target: older },
  { title: "the installed QEMU to 11.1", source: installed, target: newer },
  { title: "QEMU 11.1 to the installed one", source: newer, target: installed },
];

for (const pair of pairs) describePair(pair);
