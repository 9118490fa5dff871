import { createJob, type Job } from "../job.ts";
import { emit, type Qemu } from "../qemu.ts";
import { type Commands, QmpError } from "../qmp/command.ts";
import type { Json, JsonObject } from "../qmp/text.ts";

/** Block jobs: they run until they are cancelled. */
export const jobCommands: Commands = {
  "query-jobs": { arguments: {}, run: ({ jobs }) => [...jobs.values()].map(describeJob) },
  "query-block-jobs": {
    arguments: {},
    run: ({ jobs }) => [...jobs.values()].map(describeBlockJob),
  },
  "blockdev-backup": { arguments: "open", run: startBackup },
  "job-cancel": { arguments: { id: { type: "str" } }, run: cancelJob },
};

function startBackup(qemu: Qemu, given: JsonObject): Json {
  const { device, target, sync } = given;
  for (const [name, value] of Object.entries({ device, target, sync })) {
    if (typeof value !== "string") throw new QmpError(`Parameter '${name}' is missing`);
  }
  const source = qemu.block.nodes.get(String(device));
  for (const name of [device, target]) {
    if (qemu.block.nodes.has(String(name))) continue;
    throw new QmpError(`Cannot find device='${name}' nor node-name='${name}'`);
  }
  const id = String(given["job-id"] ?? device);
  if (qemu.jobs.has(id)) throw new QmpError(`Job ID '${id}' already in use`);
  const totalBytes = source?.sizeBytes ?? 0;
  qemu.jobs.set(id, createJob({ id, totalBytes, speed: Number(given.speed ?? 0) }));
  emitStatuses(qemu, id, ["created", "running", "paused", "running"]);
  return {};
}

function cancelJob(qemu: Qemu, given: JsonObject): Json {
  const job = qemu.jobs.get(String(given.id));
  if (!job) throw new QmpError("Job not found");
  qemu.jobs.delete(job.id);
  emitStatuses(qemu, job.id, ["aborting"]);
  const { type, id: device, totalBytes: len, doneBytes: offset, speed } = job;
  emit(qemu, "BLOCK_JOB_CANCELLED", { type, device, len, offset, speed });
  emitStatuses(qemu, job.id, ["concluded", "null"]);
  return {};
}

function emitStatuses(qemu: Qemu, id: string, statuses: readonly string[]): void {
  for (const status of statuses) emit(qemu, "JOB_STATUS_CHANGE", { id, status });
}

function describeJob({ id, type, totalBytes, doneBytes }: Job): JsonObject {
  return {
    "current-progress": doneBytes,
    status: "running",
    "total-progress": totalBytes,
    type,
    id,
  };
}

function describeBlockJob({ id, type, totalBytes, doneBytes, speed }: Job): JsonObject {
  return {
    "auto-finalize": true,
    "io-status": "ok",
    device: id,
    "auto-dismiss": true,
    busy: false,
    len: totalBytes,
    offset: doneBytes,
    status: "running",
    paused: false,
    speed,
    ready: false,
    type,
  };
}
