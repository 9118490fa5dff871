/** A command line that no definition can be made of. The message names the cause and the cure. */
export class ImportError extends Error {
  override name = "ImportError";
}
