import { readFileSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { METRICS, type Metric } from '../src/core/metrics.ts'

/*
 * Writes docs/reference/metrics.md from the table of metrics; with `--check` it writes nothing, and
 * fails when the page is not what it would write.
 */

const PAGE = new URL('../docs/reference/metrics.md', import.meta.url)

const INTRODUCTION = `<!-- Made from src/core/metrics.ts by: node scripts/metrics-reference.ts -->
# Metrics

\`/metrics\` tells these, see [Monitoring](../monitoring.md). Times are seconds since 1970, lengths of time are seconds, sizes are bytes. Counters begin at 0 with each start; gauges of jobs come from the history, and are right after a restart too.

A job stands in the label \`job_id\`, as \`name\` or \`organization/name\`: Prometheus itself puts \`job\` and \`instance\` on whatever it scrapes.

What is not known, or does not apply, is absent.
`

/** The page, in Markdown. */
export function metricsReference(): string {
  const rows = Object.entries<Metric>(METRICS).map(([name, { kind, labels, help }]) => {
    const words = labels.map((label) => `\`${label}\``).join(' ')
    return `| \`holdfast_${name}\` | ${kind} | ${words} | ${help.replaceAll('|', '\\|')} |`
  })
  return `${INTRODUCTION}\n| metric | kind | labels | is |\n|---|---|---|---|\n${rows.join('\n')}\n`
}

function main(args: readonly string[]): number {
  const page = metricsReference()
  if (!args.includes('--check')) {
    writeFileSync(PAGE, page)
    return 0
  }
  if (readFileSync(PAGE, 'utf8') === page) return 0
  console.error(
    'docs/reference/metrics.md is not current; make it: node scripts/metrics-reference.ts',
  )
  return 1
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  process.exitCode = main(process.argv.slice(2))
}
