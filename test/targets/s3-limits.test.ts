import { describe, expect, it, onTestFinished } from 'vitest'
import type { Options } from '../../src/core/model.ts'
import { Failure, TargetUnreachable } from '../../src/lib/errors.ts'
import { type Nature, startFakeBucket, type Version } from '../support/fake-bucket.ts'
import { blockOf, openTarget } from './s3-place.ts'

const signal = new AbortController().signal

async function open(nature: Nature, over: Options = {}) {
  const bucket = await startFakeBucket(nature)
  onTestFinished(() => bucket[Symbol.asyncDispose]())
  return { bucket, target: openTarget(blockOf(bucket, 'bucket', over)) }
}

describe('a key that may not ask whether a bucket keeps versions', () => {
  const keys = ['a', 'b', 'c', 'd']
  const versioned = { versioned: true }
  const unasked = ['GetBucketVersioning', 'GetBucketObjectLockConfiguration']

  it('loses every version of what it removes', async () => {
    const { bucket, target } = await open({ ...versioned, denied: unasked })
    bucket.versions.push(...keys.flatMap((key) => [version(key, '1'), version(key, '2')]))
    expect((await target.remove(['never', 'a', 'b'], signal)).size).toBe(0)
    expect(bucket.versions.map(({ key }) => key)).toEqual(['c', 'c', 'd', 'd'])
  })

  it('hides nothing of what it may neither list nor let go', async () => {
    const denied = [...unasked, 'ListBucketVersions', 'DeleteObjectVersion']
    const { bucket, target } = await open({ ...versioned, denied })
    bucket.versions.push(...keys.map((key) => version(key, '1')))
    const failure = await failureOf(target.remove(keys, signal))
    expect(failure.hint).toContain('s3:ListBucketVersions')
    expect(bucket.visible()).toEqual(keys)
  })

  it('hides nothing of what is told as kept', async () => {
    const { bucket, target } = await open({
      ...versioned,
      denied: [...unasked, 'DeleteObjectVersion'],
    })
    bucket.versions.push(...keys.map((key) => version(key, '1')))
    expect([...(await target.remove(keys, signal)).keys()]).toEqual(keys)
    expect(bucket.visible()).toEqual(keys)
  })

  it('may not look either: hides one object at most, and never tells it as kept', async () => {
    const denied = [...unasked, 'GetObject', 'DeleteObjectVersion']
    const { bucket, target } = await open({ ...versioned, denied })
    bucket.versions.push(...keys.map((key) => version(key, '1')))
    const failure = await failureOf(target.remove(keys, signal))
    expect(failure.message).toContain('a is hidden')
    expect(failure.hint).toContain('s3:DeleteObjectVersion')
    expect(bucket.visible()).toEqual(['b', 'c', 'd'])
    expect(await failureOf(target.remove(['b', 'c', 'd'], signal))).toBeInstanceOf(
      TargetUnreachable,
    )
    expect(bucket.visible()).toEqual(['b', 'c', 'd'])
  })

  it('takes the marker back where it may not list what is under it', async () => {
    const { bucket, target } = await open({
      ...versioned,
      denied: [...unasked, 'GetObject', 'ListBucketVersions'],
    })
    bucket.versions.push(...keys.map((key) => version(key, '1')))
    expect(await failureOf(target.remove(keys, signal))).toBeInstanceOf(TargetUnreachable)
    expect(bucket.visible()).toEqual(keys)
  })

  it('removes all at once where there are no versions', async () => {
    const { bucket, target } = await open({ denied: unasked })
    bucket.versions.push(...keys.map((key) => version(key, '1')))
    expect((await target.remove(keys, signal)).size).toBe(0)
    expect(bucket.versions).toEqual([])
  })
})

function version(key: string, id: string, body = 'theirs'): Version {
  return { key, id: `${key}${id}`, body: Buffer.from(body), token: '', until: null }
}

async function failureOf(work: Promise<unknown>): Promise<Failure> {
  const error = await work.then(
    () => null,
    (cause: unknown) => cause,
  )
  if (!(error instanceof Failure))
    throw new Error(`no failure but ${String(error)}`, { cause: error })
  return error
}
