/** This machine cannot build or run the rig; the message is a reason on one line. */
export class RigUnavailableError extends Error {
  override name = "RigUnavailableError";
}
