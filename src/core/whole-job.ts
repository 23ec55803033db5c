import { isOfRoles } from './checks.ts'
import type { Choice } from './choose.ts'
import type { Options } from './model.ts'
import { byText, sortedBy } from './order.ts'
import type { Reference } from './reference.ts'

/** What a restore of all of a job is about. */
export interface WholeJob {
  /** In the order in which the file declares their sources, but for roles: no database can do without. */
  readonly chosen: readonly Choice[]
  /** Sources of backups that the file does not declare any more. */
  readonly undeclared: readonly string[]
  /** Declared sources of which there is no such backup. */
  readonly without: readonly string[]
}

/** A source of a job, in the order of the file. */
export interface DeclaredSource {
  readonly name: string
  readonly kind: string
  readonly options: Options
  readonly isGone?: true
}

/** Whether a job is meant with all that it has, and not the one backup whose id was given. */
export function meansAll(
  { source, which }: Reference,
  choices: readonly Choice[],
  declared: readonly DeclaredSource[],
): boolean {
  if (source !== null || (declared.length < 2 && choices.length < 2)) return false
  const [only, ...others] = choices
  const isId = which.kind === 'named' && only?.backup.id.startsWith(which.text) === true
  return !(isId && others.length === 0)
}

/** Puts the newest backups of a job's sources in order, and tells apart what cannot come back. */
export function wholeJob(
  choices: readonly Choice[],
  declared: readonly DeclaredSource[],
): WholeJob {
  const found = new Map(choices.map((choice) => [choice.backup.source, choice]))
  const chosen = sortedBy(declared, (source) => (isOfRoles(source) ? '0' : '1')).flatMap(
    ({ name }) => found.get(name) ?? [],
  )
  const names = new Set(declared.map(({ name }) => name))
  return {
    chosen,
    undeclared: [...found.keys()].filter((name) => !names.has(name)).toSorted(byText),
    without: declared
      .filter(({ name, isGone }) => !isGone && !found.has(name))
      .map(({ name }) => name),
  }
}
