import { vi } from "vitest";

// A worker that runs several files loads packages once, and the project's modules for each file:
// what a module keeps, such as a client of a service, belongs to one file.
vi.resetModules();
