import { expect, it } from "vitest";
import { matchesError } from "./error-match.ts";

it.each([
  ["States.ALL", "Boom", true],
  ["States.ALL", "States.Timeout", true],
  ["States.ALL", "States.QueryEvaluationError", true],
  ["States.ALL", "States.DataLimitExceeded", false],
  ["States.ALL", "States.Runtime", false],
  ["States.Runtime", "States.Runtime", false],
  ["States.DataLimitExceeded", "States.DataLimitExceeded", true],
  ["States.TaskFailed", "Boom", true],
  ["States.TaskFailed", "States.Timeout", false],
  ["States.TaskFailed", "States.HeartbeatTimeout", false],
  ["States.TaskFailed", "States.DataLimitExceeded", false],
  ["States.Timeout", "States.HeartbeatTimeout", true],
  ["States.HeartbeatTimeout", "States.Timeout", false],
  ["Boom", "Boom", true],
  ["Boom", "Boo", false],
])("%s and %s: %s", (name, code, matches) => {
  expect(matchesError([name], code)).toBe(matches);
});
