declare module "asl-validator" {
  type AslValidatorError = {
    "Error code": string;
    Message: string;
  };
  /** Adds QueryLanguage to the states it is given: pass a copy. */
  function validate(
    definition: unknown,
    options?: { checkPaths: boolean; checkArn: boolean },
  ): { isValid: boolean; errors: AslValidatorError[] };
  export = validate;
}
