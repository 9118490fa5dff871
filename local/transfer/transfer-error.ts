/** Why a table is not exported or imported, for the user. */
export class TransferError extends Error {
  override name = "TransferError";
}
