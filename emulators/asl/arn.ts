import { createHash } from "node:crypto";

export type Account = {
  readonly region: string;
  readonly accountId: string;
};

export function stateMachineArn(account: Account, name: string): string {
  return `arn:aws:states:${account.region}:${account.accountId}:stateMachine:${name}`;
}

export function executionArn(machineArn: string, name: string): string {
  return `${machineArn.replace(":stateMachine:", ":execution:")}:${name}`;
}

/** ARN of a Map Run: one run of a distributed Map inside an execution. */
export function mapRunArn(machineArn: string, label: string, id: string): string {
  return `${machineArn.replace(":stateMachine:", ":mapRun:")}/${label}:${id}`;
}

/** ARN of the execution that runs one item of a Map Run. */
export function itemArn(runArn: string, index: number): string {
  return `${runArn.replace(":mapRun:", ":execution:")}-${index}`;
}

/** ARN of the state machine in an item's execution: the outer machine and the label of its Map. */
export function itemMachineArn(runArn: string): string {
  return runArn.slice(0, runArn.lastIndexOf(":")).replace(":mapRun:", ":stateMachine:");
}

export function nameOf(arn: string): string {
  return arn.slice(arn.lastIndexOf(":") + 1);
}

/** 32 hexadecimal digits that stand for an ARN in file names and task tokens. */
export function keyOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}
