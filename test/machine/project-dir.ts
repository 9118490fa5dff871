import path from "node:path";

/** The repository, which an emulated machine mounts read-only as /project. */
export const PROJECT_DIR = path.resolve(import.meta.dirname, "../..");
