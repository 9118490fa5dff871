const JOB = "switchyard-copy-job-";
const NODE = "switchyard-copy-";

/** The job that copies the disk of this number, at the source. */
export function copyJob(index: number): string {
  return `${JOB}${index}`;
}

/** The source's node for the target's image. */
export function copyNode(index: number): string {
  return `${NODE}${index}`;
}

export function isCopyNode(name: string): boolean {
  return name.startsWith(NODE);
}

/** The job belongs to a migration, which ends it itself. */
export function isCopyJob(id: string): boolean {
  return id.startsWith(JOB);
}
