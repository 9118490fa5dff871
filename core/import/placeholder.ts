export function placeholderReason(name: string, type: string): string {
  return `each host has its own: name it as the resource \`${name}\` of type ${type} in each agent's configuration`;
}

/** An id as the name of a host resource. */
export function resourceName(id: unknown): string | undefined {
  const name = String(id ?? "");
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name) ? name : undefined;
}

const SOCKET_NAME_CHARACTERS_MAX = 27;

/** The name of a socket in the guest's folder, by the id of its chardev. */
export function guestSocket(id: unknown): string {
  const name = String(id)
    .toLowerCase()
    .replace(/[^a-z0-9._-]/g, "-")
    .replace(/^[^a-z0-9]+/, "")
    .slice(0, SOCKET_NAME_CHARACTERS_MAX);
  return name === "qmp" || name === "vnc" || name === "" ? `${name}-1.sock` : `${name}.sock`;
}
