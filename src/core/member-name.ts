/**
 * A name as a source may have it, made of one that may be anything: what does not fit becomes a dash,
 * and a mark tells it apart from others that come to the same.
 */
export function memberName(name: string): string {
  const fitting = name.replaceAll(/[^A-Za-z0-9._-]+/g, '-')
  if (fitting === name && !/^\.{1,2}$/.test(name)) return name
  return `${fitting.replace(/^[.-]+/, '')}-${mark(name)}`
}

/** Eight hexadecimal digits by FNV-1a: no secret, only a difference. */
function mark(text: string): string {
  let hash = 0x811c9dc5
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193)
  return (hash >>> 0).toString(16).padStart(8, '0')
}
