import { describe, expect, it } from 'vitest'
import {
  ArchiveDamaged,
  CannotDecrypt,
  ConfigError,
  exitCodeOf,
  Interrupted,
  LeaseBusy,
  messageOf,
  RestoreFailed,
  reportOf,
  TargetUnreachable,
} from '../../src/lib/errors.ts'

const fault = (at: string, path: string) => ({ at, path, message: 'is wrong', hint: 'mend it' })

describe('a failure', () => {
  it('tells a script its exit code', () => {
    expect(exitCodeOf(new ConfigError([]))).toBe(10)
    expect(exitCodeOf(new LeaseBusy('job shop', 'here'))).toBe(11)
    expect(exitCodeOf(new CannotDecrypt('no identity'))).toBe(12)
    expect(exitCodeOf(new TargetUnreachable('nas is down'))).toBe(13)
    expect(exitCodeOf(new ArchiveDamaged('cut short'))).toBe(14)
    expect(exitCodeOf(new Interrupted('stopped'))).toBe(130)
    expect(exitCodeOf(new RestoreFailed('no room'))).toBe(1)
    expect(exitCodeOf(new Error('a bug'))).toBe(1)
    expect(exitCodeOf('thrown text')).toBe(1)
  })
  it('is reported with code, message, hint and place, never a stack', () => {
    const cause = new Error('EACCES')
    expect(
      reportOf(new RestoreFailed('no room', { hint: 'make some', at: '/srv', cause })),
    ).toEqual({
      code: 'restore_failed',
      message: 'no room',
      hint: 'make some',
      at: '/srv',
    })
    const unexpected = { code: 'unexpected', hint: null, at: null }
    expect(reportOf(new Error('a bug'))).toEqual({ ...unexpected, message: 'a bug' })
    expect(reportOf(undefined)).toEqual({ ...unexpected, message: 'undefined' })
    expect(messageOf(cause)).toBe('EACCES')
  })
  it('keeps its cause, and bears the name of its class', () => {
    const cause = new Error('EACCES')
    const failure = new TargetUnreachable('nas is down', { cause })
    expect(failure.cause).toBe(cause)
    expect(failure.name).toBe('TargetUnreachable')
  })
  it('of a config tells the first fault, counts the others and carries all', () => {
    const error = new ConfigError([fault('a.yml:1:2', 'jobs.x'), fault('a.yml:9:1', '')])
    expect(error.message).toBe('a.yml:1:2: jobs.x: is wrong (and 1 more)')
    expect(error.at).toBe('a.yml:1:2')
    expect(error.hint).toBe('mend it')
    expect(error.faults).toHaveLength(2)
  })
})
