/** An error of the service, as its SDK knows it. */
export class SchedulerError extends Error {
  readonly statusCode: number;

  constructor(
    name: "ConflictException" | "ResourceNotFoundException" | "ValidationException",
    message: string,
  ) {
    super(message);
    this.name = name;
    this.statusCode = statuses[name];
  }
}

const statuses = {
  ConflictException: 409,
  ResourceNotFoundException: 404,
  ValidationException: 400,
} as const;
