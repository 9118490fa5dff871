/** Answers a request with an error, when thrown by a command of the fake. */
export class FakeQmpError extends Error {
  override name = "FakeQmpError";
  readonly class: string;

  constructor(desc: string, errorClass = "GenericError") {
    super(desc);
    this.class = errorClass;
  }
}
