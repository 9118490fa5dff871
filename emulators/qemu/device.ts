/** A device of the command line or of device_add. */
export type Device = {
  readonly id: string | undefined;
  readonly driver: string;
  readonly properties: Readonly<Record<string, unknown>>;
};
