type Text = $util.Input<string>;

export type Statement = {
  actions: readonly string[];
  resources: Text[];
  conditions?: Record<string, Record<string, Text | Text[]>>;
};

/** A policy for a role: what it may do. */
export function policyOf(statements: Statement[]) {
  return $jsonStringify({
    Version: "2012-10-17",
    Statement: statements.map(({ actions, resources, conditions }) => ({
      Effect: "Allow",
      Action: actions,
      Resource: resources,
      ...(conditions === undefined ? {} : { Condition: conditions }),
    })),
  });
}

/**
 * A trust policy: the service may take the role.
 *
 * @param conditions keep the service from taking it for somebody else (the "confused deputy")
 */
export function trustOf(
  service: string,
  conditions?: Statement["conditions"],
  actions: string[] = ["sts:AssumeRole"],
) {
  return $jsonStringify({
    Version: "2012-10-17",
    Statement: [
      {
        Effect: "Allow",
        Principal: { Service: service },
        Action: actions,
        ...(conditions === undefined ? {} : { Condition: conditions }),
      },
    ],
  });
}
