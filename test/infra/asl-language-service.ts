import { infraRequire } from "./tools.ts";

/** The parts that are used of AWS's language service and of the VS Code packages below it. */
type LanguageService = {
  parseJSONDocument(document: unknown): unknown;
  doValidation(document: unknown, json: unknown): Promise<{ message: string }[]>;
};
type AslService = {
  getLanguageService(options: object): LanguageService;
};
type TextDocuments = {
  TextDocument: {
    create(uri: string, language: string, version: number, text: string): unknown;
  };
};

/** What "Amazon States Language" in AWS's own editor extension says against a definition. */
export async function findDiagnostics(definition: string): Promise<string[]> {
  const { getLanguageService } = infraRequire("amazon-states-language-service") as AslService;
  const { TextDocument } = infraRequire("vscode-languageserver-textdocument") as TextDocuments;
  const service = getLanguageService({});
  const document = TextDocument.create("file:///definition.asl.json", "asl", 1, definition);
  const found = await service.doValidation(document, service.parseJSONDocument(document));
  return found.map(({ message }) => message);
}
