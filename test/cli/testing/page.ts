/** A command of a page, and what the page says that it writes. */
export type Example = { readonly command: string; readonly output: string; readonly exit: number };

const EXIT = /^# exit (\d+)$/;

/** The ```console blocks of a page; each begins with `$ switchyard …`. */
export function examplesOf(page: string): Example[] {
  return [...page.matchAll(/```console\n\$ (.+)\n([\s\S]*?)```/g)].map(
    ([, command = "", text = ""]) => {
      const lines = text.trimEnd().split("\n");
      const exit = EXIT.exec(lines.at(-1) ?? "")?.[1];
      const output = exit === undefined ? lines : lines.slice(0, -1);
      return { command, output: output.join("\n"), exit: Number(exit ?? 0) };
    },
  );
}
