import type { InProcessTransport } from "../../../emulators/aws/aws-json/in-process-transport.ts";
import type { FunctionRegistry } from "../../../emulators/aws/lambda/registry.ts";

const PATH = /^\/2015-03-31\/functions\/([^/?]+)\/invocations$/;

/** Takes Lambda's synchronous Invoke of an SDK client straight to the functions of this process. */
export function invokeTransport(registry: FunctionRegistry): Pick<InProcessTransport, "handle"> {
  return {
    async handle(request) {
      const { path, body = "{}" } = request as typeof request & { path: string };
      const name = PATH.exec(path)?.[1];
      if (name === undefined) throw new Error(`Expected an Invoke, got ${path}`);
      const event: unknown = JSON.parse(Buffer.from(body).toString("utf8"));
      const { payload, functionError } = await registry.invoke(decodeURIComponent(name), event);
      return {
        response: {
          statusCode: 200,
          headers: functionError === undefined ? {} : { "x-amz-function-error": functionError },
          body: Buffer.from(JSON.stringify(payload)),
        },
      };
    },
  };
}
