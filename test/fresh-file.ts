import { vi } from "vitest";

// A worker that runs several files loads packages once, and the project's modules for each file:
// what a module keeps, such as a client of a service, belongs to one file. So do the environment
// variables that a file sets, which processes that a later file starts would inherit.
vi.resetModules();

const worker = globalThis as { firstEnvironment?: Readonly<Record<string, string | undefined>> };
worker.firstEnvironment ??= { ...process.env };
for (const name of Object.keys(process.env)) {
  if (!(name in worker.firstEnvironment)) delete process.env[name];
}
Object.assign(process.env, worker.firstEnvironment);
