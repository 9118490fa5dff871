import { join, relative } from "node:path";
import { rolldown } from "rolldown";
import { moduleOf } from "./bundle.ts";
import { ROOT } from "./tools.ts";

/** What a handler can do: the IAM actions of its AWS calls, and the own modules that it uses. */
export type Reach = { actions: string[]; modules: string[] };

/** Calls of the document client, and the IAM actions that each needs. */
const documentActions: Record<string, string[]> = {
  GetCommand: ["dynamodb:GetItem"],
  BatchGetCommand: ["dynamodb:BatchGetItem"],
  QueryCommand: ["dynamodb:Query"],
  PutCommand: ["dynamodb:PutItem"],
  UpdateCommand: ["dynamodb:UpdateItem"],
  DeleteCommand: ["dynamodb:DeleteItem"],
  BatchWriteCommand: ["dynamodb:BatchWriteItem"],
  // The store's transactions put, update and delete; a condition check is seen by its own name.
  TransactWriteCommand: ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"],
};
const clients: Record<string, (operation: string) => string> = {
  "client-sfn": (operation) => `states:${operation}`,
  "client-sqs": (operation) => `sqs:${operation}`,
  "client-scheduler": (operation) => `scheduler:${operation}`,
  "client-lambda": (operation) => `lambda:${operation === "Invoke" ? "InvokeFunction" : operation}`,
};

/**
 * Bundles a handler with the SDK left outside: what is left of its imports after tree shaking is what
 * it can send.
 *
 * @throws Error for a call that has no entry here
 */
export async function reachOf(handler: string): Promise<Reach> {
  const build = await rolldown({
    input: join(ROOT, `${moduleOf(handler)}.ts`),
    platform: "node",
    external: [/^@aws-sdk\//, /^@smithy\//],
    logLevel: "silent",
  });
  const { output } = await build.generate({ format: "esm" });
  const chunks = output.flatMap((part) => (part.type === "chunk" ? [part] : []));
  const modules = chunks.flatMap(({ modules }) =>
    Object.entries(modules).flatMap(([path, { renderedLength }]) =>
      renderedLength > 0 ? [relative(ROOT, path)] : [],
    ),
  );
  const actions = chunks.flatMap(({ code }) => actionsIn(code));
  return { actions: [...new Set(actions)].toSorted(), modules };
}

function actionsIn(code: string): string[] {
  const imports = code.matchAll(/^import \{([^}]*)\} from "@aws-sdk\/([\w-]+)";$/gm);
  const checks = /\bConditionCheck:/.test(code) ? ["dynamodb:ConditionCheckItem"] : [];
  const calls = [...imports].flatMap(([, names = "", from = ""]) =>
    [...names.matchAll(/\b(\w+)Command\b/g)].flatMap(([command, operation = ""]) => {
      // Whoever makes a schedule gives it a role.
      if (command === "CreateScheduleCommand") {
        return ["scheduler:CreateSchedule", "iam:PassRole"];
      }
      if (from === "lib-dynamodb" && documentActions[command]) return documentActions[command];
      const action = clients[from]?.(operation);
      if (action !== undefined) return [action];
      throw new Error(`Expected an action for ${command} of ${from}`);
    }),
  );
  return [...calls, ...checks];
}
