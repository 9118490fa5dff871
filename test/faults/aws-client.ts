/** Settings of an AWS client for a service of the local cloud. */
export function awsClient(environment: Record<string, string>, endpoint: string) {
  return {
    region: environment.AWS_REGION ?? "us-east-1",
    endpoint: environment[endpoint] ?? "",
    credentials: {
      accessKeyId: environment.AWS_ACCESS_KEY_ID ?? "",
      secretAccessKey: environment.AWS_SECRET_ACCESS_KEY ?? "",
    },
  };
}
