import { readFileSync } from "node:fs";

const PAGES = new URL("../../../docs/operate/", import.meta.url);

/** The text of a page of docs/operate. */
export function pageText(page: string): string {
  return readFileSync(new URL(page, PAGES), "utf8");
}

/** Fenced blocks of a page in one language, without their indentation. */
export function blocksOf(page: string, language: string): string[] {
  const found = pageText(page).matchAll(
    new RegExp(`^( *)\`\`\`${language}\n([\\s\\S]*?)^ *\`\`\``, "gm"),
  );
  return [...found].map(([, indent = "", text = ""]) =>
    text.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
  );
}

/** Each command of the page's blocks for a shell, in their order: one may have several lines. */
export function commandsOf(page: string): string[] {
  const blocks = pageText(page).matchAll(/^( *)```(sh|console)\n([\s\S]*?)^ *```/gm);
  return [...blocks].flatMap(([, indent = "", language, text = ""]) => {
    const lines = text.replaceAll(new RegExp(`^${indent}`, "gm"), "").split("\n");
    if (language === "sh") return statements(lines);
    return statements(lines.flatMap((line) => (line.startsWith("$ ") ? [line.slice(2)] : [])));
  });
}

function statements(lines: readonly string[]): string[] {
  const found: string[] = [];
  let open = "";
  for (const line of lines) {
    if (open === "" && (line.trim() === "" || line.startsWith("#"))) continue;
    open = open === "" ? line : `${open}\n${line}`;
    if (goesOn(open)) continue;
    found.push(open);
    open = "";
  }
  return found;
}

/** A quote is open, or the line says that another one follows. */
function goesOn(text: string): boolean {
  let quote = "";
  for (const letter of text) {
    if (quote === "" && (letter === "'" || letter === '"')) quote = letter;
    else if (letter === quote) quote = "";
  }
  return quote !== "" || /[\\|]$/.test(text);
}
