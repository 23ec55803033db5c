import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { TargetId } from '../../src/core/model.ts'
import { plan, wantsExitCode2 } from '../../src/core/plan.ts'
import {
  type Finding,
  type PostureSeen,
  postureState,
  type Setting,
} from '../../src/core/posture.ts'
import { at, desired, finding, nothing, target } from './plan-nouns.ts'
import { act, createWorld, observe } from './plan-world.ts'

const NOW = at('2026-11-20T12:00:00Z')
const FAR = 'far' as TargetId
const wanted = desired([target('nas'), target('far', { kind: 's3' })], [])
const SETTINGS: readonly Setting[] = [
  'versioning',
  'object_lock',
  'abort_multipart',
  'encryption',
  'public_access',
]

const seen = (...findings: readonly Finding[]): PostureSeen => ({ kind: 'seen', findings })

/** The plan of a world that is applied, in which this was found of `far`. */
function planOf(posture: PostureSeen | null, listing: 'listed' | 'unreachable' = 'listed') {
  const world = createWorld(wanted, NOW)
  act(world, plan(wanted, observe(world), NOW))
  if (posture !== null) world.postures.set(FAR, posture)
  const shelf = world.shelves.get(FAR)
  if (shelf) shelf.state = listing
  return plan(wanted, observe(world), NOW)
}

describe('a setting that is not as expected', () => {
  it('is a step with both values and its way, and a change for plan --exit-code', () => {
    const off = finding('versioning', { found: 'off', settable: true })
    const made = planOf(seen(off, finding('encryption', { found: 'on', met: true })))
    expect(made.actions).toEqual([
      {
        kind: 'posture',
        subject: 'far',
        settable: true,
        hint: null,
        because: { rule: 'expected', setting: 'versioning', expected: 'on', found: 'off' },
      },
    ])
    expect(made.warnings).toEqual([])
    expect(wantsExitCode2(made)).toBe(true)
  })

  it('is none where the place does not tell: that is one warning with each hint once', () => {
    const hint = 'let the key do it'
    const made = planOf(
      seen(
        finding('versioning', { why: 'access is denied', hint }),
        finding('encryption', { why: 'access is denied', hint }),
      ),
    )
    expect(made.actions).toEqual([])
    expect(made.warnings).toMatchObject([{ rule: 'posture-unknown', subject: 'far', hint }])
    expect(made.warnings[0]?.message).toMatch(/versioning .*access is denied; encryption .*denied$/)
    expect(wantsExitCode2(made)).toBe(false)
  })

  it('is not spoken of where the target is away, which is a warning already', () => {
    const dark: PostureSeen = { kind: 'unreachable', error: 'no route' }
    const rules = planOf(dark, 'unreachable').warnings.map(({ rule }) => rule)
    expect(rules).toEqual(['target-unreachable'])
    expect(planOf(dark).warnings.map(({ rule }) => rule)).toEqual(['posture-unknown'])
  })

  it('is none of a target that the file does not name, nor of one of which nothing is expected', () => {
    const postures = new Map([['gone' as TargetId, seen(finding('versioning', { found: 'off' }))]])
    const { actions } = plan(wanted, nothing({ postures }), NOW)
    expect(actions.filter(({ kind }) => kind === 'posture')).toEqual([])
    expect(planOf(null).actions).toEqual([])
  })

  it('waits for a restore that the environment asks for', () => {
    const restoreRequested = { variable: 'HQL_BACKUP_RESTORE', value: 'file:/x' }
    const postures = new Map([[FAR, seen(finding('versioning', { found: 'off' }))]])
    const { actions } = plan(wanted, nothing({ postures, restoreRequested }), NOW)
    expect(actions.some(({ kind }) => kind === 'posture')).toBe(false)
  })
})

describe('how a target stands', () => {
  it('is the worst that was found, and nothing where nothing is expected', () => {
    const met = finding('versioning', { found: 'on', met: true })
    const unknown = finding('encryption', { why: 'access is denied' })
    const unmet = finding('object_lock', { found: 'off' })
    expect(postureState(undefined)).toBeNull()
    expect(postureState(seen(met))).toBe('met')
    expect(postureState(seen(met, unknown))).toBe('unknown')
    expect(postureState(seen(met, unknown, unmet))).toBe('unmet')
    expect(postureState({ kind: 'unreachable', error: 'no route' })).toBe('unknown')
  })
})

const findings = fc
  .uniqueArray(
    fc.record({
      setting: fc.constantFrom(...SETTINGS),
      found: fc.constantFrom('on', 'off', null),
      settable: fc.boolean(),
    }),
    { selector: ({ setting }) => setting },
  )
  .map((some) =>
    some.map(({ setting, found, settable }) => {
      const why = found === null ? 'access is denied' : null
      const isOpen = found === 'off' && settable
      return finding(setting, { found, why, met: found === 'on', settable: isOpen })
    }),
  )

describe('whatever was found', () => {
  it('is a step for each difference and for nothing else, in an order of its own', () => {
    fc.assert(
      fc.property(findings, (some) => {
        const { actions } = planOf(seen(...some))
        const told = actions.map((one) => (one.kind === 'posture' ? one.because.setting : one.kind))
        const off = some.flatMap(({ setting, found }) => (found === 'off' ? [setting] : []))
        expect(told).toEqual(off.sort())
        expect(planOf(seen(...some.toReversed())).actions).toEqual(actions)
      }),
    )
  })

  it('is done with once: only what nobody here may set is left', () => {
    fc.assert(
      fc.property(findings, (some) => {
        const world = createWorld(wanted, NOW)
        world.postures.set(FAR, seen(...some))
        act(world, plan(wanted, observe(world), NOW))
        const left = plan(wanted, observe(world), NOW)
        const byHand = some.filter(({ found, settable }) => found === 'off' && !settable)
        expect(left.actions.map((one) => one.kind === 'posture' && one.settable)).toEqual(
          byHand.map(() => false),
        )
        expect(wantsExitCode2(left)).toBe(byHand.length > 0)
      }),
    )
  })
})
