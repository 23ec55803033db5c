import type { DesiredTarget, Facts, Options, TargetId } from '../core/model.ts'
import { suggest } from '../lib/suggest.ts'
import type { Block } from './block.ts'
import { child, fault, flag, named, number, options, text } from './block.ts'
import { retentionIn, retentionWords } from './retention.ts'
import { factsOf, fingerprintOf, optionWords } from './words.ts'

/** What Vardo calls the target that its config makes. */
const SYSTEM_DEFAULT = { id: 'system-default', name: 'System default' }

/** Keys that are read by us, not by the plug-in. */
const OURS = ['type', 'default', 'retention', 'concurrency']

/** The targets of one level: the system's, or an organization's. */
export function resolveTargets(
  level: Block,
  organization: string | null,
): readonly DesiredTarget[] {
  const blocks = named(level, 'targets')
  const declared = blocks.map(([name, block]) => {
    const id = organization === null ? name : `${organization}/${name}`
    return targetOf(block, { id, name, organization, isDefault: flag(block, 'default') === true })
  })
  checkDefaults(blocks)
  const vardos = organization === null ? child(level, 'backup') : null
  if (vardos === null) return declared
  const [, double] = blocks.find(([name]) => name === SYSTEM_DEFAULT.id) ?? []
  if (double) {
    const message = 'this name belongs to the target that "backup" makes'
    double.context.faults.add(double.place, double.path, message)
  }
  // A default that is declared among our own targets is the more deliberate one.
  const isDefault = !declared.some((target) => target.isDefault)
  return [targetOf(vardos, { ...SYSTEM_DEFAULT, organization, isDefault }), ...declared]
}

/** Who a target is. */
export interface TargetIdentity {
  readonly id: string
  readonly name: string
  readonly organization: string | null
  readonly isDefault: boolean
}

/** The target that a block of our own declares. */
export function targetOf(block: Block, identity: TargetIdentity): DesiredTarget {
  const kind = text(block, 'type') ?? ''
  const own = options(block, OURS)
  if (kind === 'local' && own.path === '/') fault(block, 'path', 'must be below /')
  const retention = retentionIn(block, 'UTC')
  const concurrency = number(block, 'concurrency')
  const facts = targetFacts(kind, own, { isDefault: identity.isDefault, retention, concurrency })
  const fingerprint = fingerprintOf(facts)
  return {
    ...identity,
    id: identity.id as TargetId,
    kind,
    options: own,
    retention,
    concurrency,
    fingerprint,
    facts,
  }
}

function targetFacts(
  kind: string,
  own: Options,
  ours: Pick<DesiredTarget, 'isDefault' | 'retention' | 'concurrency'>,
): Facts {
  const { isDefault, retention, concurrency } = ours
  return factsOf([
    ['type', kind],
    ...Object.entries(own)
      .filter(([, value]) => value !== false && value !== '')
      .map(([key, value]) => [key, optionWords(value)] as const),
    ['default', isDefault ? 'yes' : null],
    ['concurrency', concurrency === null ? null : String(concurrency)],
    ['retention', retention === null ? null : retentionWords(retention)],
  ])
}

function checkDefaults(blocks: readonly (readonly [string, Block])[]): void {
  const [first, ...more] = blocks.filter(([, block]) => flag(block, 'default') === true)
  for (const [, block] of more) {
    fault(
      block,
      'default',
      `"${first?.[0]}" is the default already`,
      'one target can be the default',
    )
  }
}

/** The target that a name means in an organization, or at the top: its own first, then the system's. */
export function findTarget(
  targets: readonly DesiredTarget[],
  organization: string | null,
  name: string,
): DesiredTarget | null {
  const level = (one: string | null) =>
    targets.find((target) => {
      const isCalled = target.name === name || target.id === name
      return target.organization === one && isCalled
    })
  return level(organization) ?? level(null) ?? null
}

/** A name in reach that was probably meant, as a hint. */
export function targetHint(
  targets: readonly DesiredTarget[],
  organization: string | null,
  name: string,
): string {
  const names = targets
    .filter((target) => target.organization === null || target.organization === organization)
    .map((target) => (target.organization === null ? target.id : target.name))
  const near = suggest(name, names)
  if (near !== null) return `did you mean "${near}"?`
  return names.length === 0 ? 'declare it under "targets"' : `declared are: ${names.join(', ')}`
}

/** The target of a job that names none, or why there is none. */
export function defaultTarget(
  targets: readonly DesiredTarget[],
  organization: string | null,
): DesiredTarget | string {
  const own = targets.filter((target) => target.organization === organization)
  const system = targets.filter((target) => target.organization === null)
  const found =
    own.find((target) => target.isDefault) ??
    own[0] ??
    system.find((target) => target.isDefault) ??
    system[0]
  if (found !== undefined) return found
  return organization === null
    ? 'the job names no target, and none is declared'
    : `the job names no target, and neither organization ${organization} nor the system declares one`
}
