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
  const open = [...alike(unprotected).values()].flatMap((those) => openLines(those, style))
  const told = tools.flatMap((one) => toolLines(one, style))
  return [paint(`Coverage: ${coverageWords(coverage)}.`, 'bold', style), ...open, ...told].join(
    '\n',
  )
}

/** `3 protected, 1 ignored, 2 unprotected`. */
export function coverageWords(coverage: Coverage): string {
  const { unseen, engines } = coverage
  if (engines === 0 && unseen.length === 0) return 'nobody has looked yet'
  const numbers = `${coverage.protected.length} protected, ${coverage.ignored.length} ignored, ${coverage.unprotected.length} unprotected`
  if (unseen.length === 0) return numbers
  return `${numbers}, and ${count(unseen.length, 'instance', 'instances')} could not look`
}

/** Those that the same lines would protect. */
function alike(unprotected: readonly Unprotected[]): ReadonlyMap<string, readonly Unprotected[]> {
  return groupedBy(unprotected, ({ why, lines }) => JSON.stringify([why, lines]))
}

function openLines(those: readonly Unprotected[], style: Style): readonly string[] {
  const [first] = those
  if (first === undefined) return []
  const mark = paint('unprotected', 'red', style)
  return [
    ...those.map((one) => `  ${mark} ${plain(subjectWords(one))}`),
    `      ${plain(first.why)}; write:`,
    ...first.lines.map((line) => `        ${plain(line)}`),
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
  const open = unprotected.map((one) =>
    block(`${text(subjectWords(one))}: ${text(one.why)}`, one.lines),
  )
  const told = tools.map(({ tool, container, lines }) =>
    block(`${text(tool)} at container ${text(container)}, as lines of this file`, lines),
  )
  return ['#### Coverage', `${coverageWords(coverage)}.`, ...open, ...told]
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
