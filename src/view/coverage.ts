import type { Coverage, Subject, Unprotected } from '../core/coverage.ts'
import { groupedBy } from '../core/order.ts'
import type { OtherTool } from '../core/other-tools.ts'
import { count } from '../lib/count.ts'
import type { Json } from './json.ts'
import { paint, plain, type Style } from './paint.ts'

/** What is protected and what is not, for a person: each open thing with the lines that close it. */
export function renderCoverage(coverage: Coverage | undefined, style: Style): string {
  if (coverage === undefined) return ''
  const { unprotected, tools } = coverage
  const lines = [
    ...coverage.protected.map((one) => protectedLine(one, style)),
    ...coverage.ignored.map((one) => ignoredLine(one, style)),
    ...alike(unprotected).flatMap((those) => openLines(those, style)),
    ...tools.flatMap((one) => toolLines(one, style)),
  ]
  return [paint(`Coverage: ${coverageWords(coverage)}.`, 'bold', style), ...lines].join('\n')
}

function protectedLine(one: Coverage['protected'][number], style: Style): string {
  const how = one.strategy === 'tar' ? 'its files' : `a dump of ${one.strategy}`
  const mark = paint('protected', 'green', style)
  return `  ${mark} ${plain(`${subjectWords(one)}: ${how}, by job ${one.job}`)}`
}

function ignoredLine(one: Coverage['ignored'][number], style: Style): string {
  const until = one.day === null ? '' : ` (until ${one.day})`
  return `  ${paint('ignored', 'dim', style)} ${plain(`${subjectWords(one)}: ${one.reason}${until}`)}`
}

/** `3 protected, 1 ignored, 2 unprotected`. */
export function coverageWords(coverage: Coverage): string {
  const { unseen, engines } = coverage
  if (engines === 0 && unseen.length === 0) return 'nobody has looked yet'
  const numbers = `${coverage.protected.length} protected, ${coverage.ignored.length} ignored, ${coverage.unprotected.length} unprotected`
  if (unseen.length === 0) return numbers
  return `${numbers}, and ${count(unseen.length, 'instance', 'instances')} could not look`
}

/** Those whose lines are the same up to the last, which then stand together. */
function alike(unprotected: readonly Unprotected[]): readonly (readonly Unprotected[])[] {
  const key = ({ why, lines }: Unprotected) => JSON.stringify([why, lines.slice(0, -1)])
  return [...groupedBy(unprotected, key).values()]
}

function linesOf(those: readonly Unprotected[]): readonly string[] {
  const last = those.flatMap(({ lines }) => lines.slice(-1))
  return [...(those[0]?.lines.slice(0, -1) ?? []), ...new Set(last)]
}

function openLines(those: readonly Unprotected[], style: Style): readonly string[] {
  const mark = paint('unprotected', 'red', style)
  return [
    ...those.map((one) => `  ${mark} ${plain(subjectWords(one))}`),
    `      ${plain(those[0]?.why ?? '')}; write:`,
    ...linesOf(those).map((line) => `        ${plain(line)}`),
  ]
}

function toolLines({ tool, container, read, lines }: OtherTool, style: Style): readonly string[] {
  const mark = paint('other tool', 'yellow', style)
  const words = read.length === 0 ? '' : ` (${read.join(', ')})`
  return [
    `  ${mark} ${plain(`${tool} at container ${container}${words}, as lines of this file:`)}`,
    ...lines.map((line) => `        ${plain(line)}`),
  ]
}

/** `volume shop_uploads of app shop, used by shop-web-1, on host-a`. */
export function subjectWords({ kind, name, instance, app, users }: Subject): string {
  const what = kind === 'bind' ? 'folder' : kind === 'database' ? 'database in container' : 'volume'
  const whose = app === null ? '' : ` of app ${app}`
  const who = kind === 'database' || users.length === 0 ? '' : `, used by ${users.join(', ')}`
  return `${what} ${name}${whose}${who}${instance === null ? '' : `, on ${instance}`}`
}

/** The same for a pull request. */
export function coverageMarkdown(
  coverage: Coverage | undefined,
  text: (words: string) => string,
): readonly string[] {
  if (coverage === undefined) return []
  const { unprotected, tools } = coverage
  const open = alike(unprotected).map((those) => {
    const subjects = those.map((one) => text(subjectWords(one))).join('; ')
    return block(`**unprotected** ${subjects}: ${text(those[0]?.why ?? '')}`, linesOf(those))
  })
  const told = tools.map(({ tool, container, lines }) =>
    block(`${text(tool)} at container ${text(container)}, as lines of this file`, lines),
  )
  const ignored = coverage.ignored.map(
    (one) => `- ignored ${text(subjectWords(one))}: ${text(one.reason)}`,
  )
  return ['#### Coverage', `${coverageWords(coverage)}.`, ignored.join('\n'), ...open, ...told]
}

/** Indented, so that nothing in the lines can end the block. */
function block(title: string, lines: readonly string[]): string {
  return [`- ${title}`, '', ...lines.map((line) => `      ${plain(line)}`)].join('\n')
}

/** `{ engines, protected, ignored, unprotected, otherTools, unseen }`. */
export function coverageJson(coverage: Coverage): { readonly [key: string]: Json } {
  return {
    engines: coverage.engines,
    protected: coverage.protected.map(({ job, ...one }) => ({ ...subjectJson(one), job })),
    ignored: coverage.ignored.map(({ reason, day, ...one }) => ({
      ...subjectJson(one),
      reason,
      until: day,
    })),
    unprotected: coverage.unprotected.map(({ why, lines, ...one }) => ({
      ...subjectJson(one),
      why,
      lines,
    })),
    otherTools: coverage.tools.map(({ tool, container, read, lines }) => ({
      tool,
      container,
      read,
      lines,
    })),
    unseen: coverage.unseen.map(({ instance, error }) => ({ instance, error })),
  }
}

function subjectJson(one: Subject): { readonly [key: string]: Json } {
  const { kind, name, instance, app, logical, users, strategy } = one
  return { kind, name, instance, app, volume: logical, users, strategy }
}
