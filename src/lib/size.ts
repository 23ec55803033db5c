import type { Bytes } from './brand.ts'

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
}

/** `10MiB`, `500 kB`, `1g`; a bare number is bytes. Null when it is no size. */
export function parseSize(text: string): Bytes | null {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim())
  const unit = match ? UNITS[(match[2] ?? '').toLowerCase()] : undefined
  if (!match || unit === undefined) return null
  const bytes = Math.round(Number(match[1]) * unit)
  return Number.isSafeInteger(bytes) ? (bytes as Bytes) : null
}

/** `0 B`, `999 B`, `1.5 KiB`, `12.3 MiB`; a fraction of a byte is rounded. */
export function formatBytes(bytes: number): string {
  const whole = Math.round(bytes)
  if (Math.abs(whole) < 1024) return `${whole} B`
  let value = whole
  for (const unit of ['KiB', 'MiB', 'GiB']) {
    value /= 1024
    // What would be printed as 1024.0 is 1.0 of the next unit.
    if (Math.abs(value) < 1023.95) return `${value.toFixed(1)} ${unit}`
  }
  return `${(value / 1024).toFixed(1)} TiB`
}
