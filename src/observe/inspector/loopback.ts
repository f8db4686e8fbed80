/** Knows the names and addresses by which a machine calls itself. */

/** `127.0.0.1`, `::1`, and IPv4 as IPv6 writes it. */
export function isLoopbackAddress(address: string | undefined): boolean {
  return address !== undefined && /^(::ffff:)?127\.\d+\.\d+\.\d+$|^::1$/.test(address);
}

/** Only names that no DNS server can point elsewhere. IPv6 with or without its brackets. */
export function isLoopbackName(name: string): boolean {
  return name.toLowerCase() === 'localhost' || isLoopbackAddress(name.replace(/^\[(.*)\]$/, '$1'));
}

/** The same of a `Host` header, whatever its port. */
export function isLoopbackHost(host: string | undefined): boolean {
  const name = host === undefined ? undefined : /^(\[[\da-f:.]+\]|[^:@/\\]+)(:\d*)?$/i.exec(host)?.[1];
  return name !== undefined && isLoopbackName(name);
}
