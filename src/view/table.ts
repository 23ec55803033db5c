import { plain } from './paint.ts'

/** Columns as wide as their widest cell, two spaces between them, under a line of headings. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [headings, ...rows].map((row) => row.map(plain))
  const widths = headings.map((_, column) =>
    lines.reduce((widest, row) => Math.max(widest, (row[column] ?? '').length), 0),
  )
  return lines
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
