/** A block job that runs until it is cancelled. */
export type Job = {
  readonly id: string;
  readonly type: "backup" | "mirror" | "commit" | "stream";
  readonly totalBytes: number;
  readonly doneBytes: number;
  readonly speed: number;
};

const defaults: Omit<Job, "id"> = {
  type: "backup",
  totalBytes: 2 ** 30,
  doneBytes: 2 ** 20,
  speed: 1,
};

export function createJob(job: Pick<Job, "id"> & Partial<Job>): Job {
  return { ...defaults, ...job };
}
