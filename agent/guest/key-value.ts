type Value = string | number | boolean | readonly string[] | undefined;

/**
 * Options in QEMU's `key=value` syntax, for what takes no JSON. A comma ends a value unless it is
 * doubled (util/keyval.c and util/qemu-option.c, get_opt_value); any other character is itself. A
 * list gives its key several times, and an undefined value leaves it out.
 *
 * @param first text before the options, such as a machine type, itself escaped here
 * @example keyValue({ type: 1, product: "a,b", uefi: true }) // type=1,product=a,,b,uefi=on
 */
export function keyValue(options: Readonly<Record<string, Value>>, first?: string): string {
  const pairs = Object.entries(options).flatMap(([key, value]) => {
    if (value === undefined) return [];
    const values = Array.isArray(value) ? value : [value];
    return values.map((each) => `${key}=${escapeCommas(textOf(each))}`);
  });
  return [...(first === undefined ? [] : [escapeCommas(first)]), ...pairs].join(",");
}

function textOf(value: unknown): string {
  if (typeof value === "boolean") return value ? "on" : "off";
  return String(value);
}

function escapeCommas(text: string): string {
  return text.replaceAll(",", ",,");
}
