/** What is looked at, in the order in which it is shown. */
export const subjects = [
  "config",
  "qemu",
  "sandbox",
  "kvm",
  "userfaultfd",
  "memory",
  "hugepages",
  "runDir",
  "stateDir",
  "programs",
  "resources",
  "hooks",
  "units",
  "ports",
  "tls",
  "api",
  "clock",
  "key",
  "queue",
] as const;
export type Subject = (typeof subjects)[number];

/**
 * What was found of one subject. `wrong`: the agent does not work, or migrations fail; `warning`:
 * something is left out, or will be wrong.
 */
export type Finding =
  | { readonly subject: Subject; readonly level: "ok"; readonly found: string }
  | {
      readonly subject: Subject;
      readonly level: "warning" | "wrong";
      readonly found: string;
      readonly cure: string;
    };

export function ok(subject: Subject, found: string): Finding {
  return { subject, level: "ok", found };
}

export function warning(subject: Subject, found: string, cure: string): Finding {
  return { subject, level: "warning", found, cure };
}

export function wrong(subject: Subject, found: string, cure: string): Finding {
  return { subject, level: "wrong", found, cure };
}

/** The message of an error with those of its causes. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  return cause === undefined ? error.message : `${error.message}: ${messageOf(cause)}`;
}

const LEVEL_WIDTH = 8;
const SUBJECT_WIDTH = Math.max(...subjects.map((subject) => subject.length)) + 1;

/** A line for each finding; under it, the cure of one that is not ok. */
export function findingLines(findings: readonly Finding[]): string[] {
  return findings.flatMap((finding) => {
    const { subject, level, found } = finding;
    const line = `${level.padEnd(LEVEL_WIDTH)}${subject.padEnd(SUBJECT_WIDTH)}${found}`;
    if (finding.level === "ok") return [line];
    return [line, `${" ".repeat(LEVEL_WIDTH + SUBJECT_WIDTH)}cure: ${finding.cure}`];
  });
}
