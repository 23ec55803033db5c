import { median, type Usage } from './measure.ts'

/** What was measured of one way, a usage for each round. The first row is what the others are held against. */
export interface Row {
  readonly name: string
  readonly backups: readonly Usage[]
  readonly restores: readonly Usage[]
  /** Bytes of the backup as stored. */
  readonly stored: number
}

const HEAD = [
  '',
  'median s',
  'ratio',
  'MiB/s',
  'cpu s',
  'peak MiB: first program',
  'all programs',
  'stored MiB',
]

/** The one table: medians of seconds, ratios to the first row, peaks over all rounds. */
export function renderTable(rows: readonly Row[], bytes: number): string {
  const lines = [
    HEAD,
    ...linesOf('backup', rows, (row) => row.backups, bytes),
    ...linesOf('restore', rows, (row) => row.restores, bytes),
  ]
  const widths = HEAD.map((_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0)),
  )
  const pad = (cell: string, column: number) =>
    column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)
  return lines.map((line) => line.map(pad).join('   ').trimEnd()).join('\n')
}

function linesOf(
  what: string,
  rows: readonly Row[],
  usagesOf: (row: Row) => readonly Usage[],
  bytes: number,
): readonly (readonly string[])[] {
  const secondsOf = (usages: readonly Usage[]) => median(usages.map(({ seconds }) => seconds))
  const [first] = rows
  const standard = first ? secondsOf(usagesOf(first)) : Number.NaN
  return rows.map((row) => {
    const usages = usagesOf(row)
    const seconds = secondsOf(usages)
    const peak = (read: (usage: Usage) => number) => mebibytes(Math.max(...usages.map(read)))
    return [
      `${what}: ${row.name}`,
      seconds.toFixed(2),
      (seconds / standard).toFixed(2),
      (bytes / 2 ** 20 / seconds).toFixed(0),
      median(usages.map(({ cpuSeconds }) => cpuSeconds)).toFixed(2),
      peak(({ mainPeak }) => mainPeak),
      peak(({ treePeak }) => treePeak),
      mebibytes(row.stored),
    ]
  })
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(0)
}
