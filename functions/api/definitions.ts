import { importCommandLine } from "../../core/import/import-command-line.ts";
import { ImportError } from "../../core/import/import-error.ts";
import { Problem } from "../http/problem.ts";
import { Imported, NewImport } from "./bodies/vms.ts";
import { vmExamples } from "./examples/vms.ts";
import { answer, body, createRoute, refusals, routes, SEND } from "./routing.ts";

const importDefinition = createRoute({
  method: "post",
  path: "/v1/definitions/import",
  operationId: "importDefinition",
  tags: ["VMs"],
  summary: "Make a definition of a command line of QEMU",
  description:
    "Of a shell script, of what `qm showcmd` prints, or of `virsh domxml-to-native qemu-argv`. The " +
    "text is read by the rules of the shell, and nothing is run, opened or stored.",
  request: body(NewImport, vmExamples.newImport),
  responses: {
    200: answer("The definition, and what became of the options", Imported, vmExamples.imported),
    ...refusals(SEND, "not-importable"),
  },
});

export const definitions = routes().openapi(importDefinition, (context) => {
  const { commandLine } = context.req.valid("json");
  try {
    const { definition, notes } = importCommandLine(commandLine);
    return context.json({ definition, notes: [...notes] }, 200);
  } catch (error) {
    if (!(error instanceof ImportError)) throw error;
    throw new Problem("not-importable", error.message);
  }
});
