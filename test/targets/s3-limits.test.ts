import { buffer } from 'node:stream/consumers'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Options } from '../../src/core/model.ts'
import { Failure, TargetUnreachable } from '../../src/lib/errors.ts'
import type { Target } from '../../src/targets/target.ts'
import { objectsOf } from '../contract/target.ts'
import { type Answer, type Nature, startFakeBucket, type Version } from '../support/fake-bucket.ts'
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

describe('a read', () => {
  const text = '0123456789'
  const read = async (target: Target, start: number) =>
    (await buffer(await target.get('a', start, signal))).toString()
  const answer = (from: number, over: Readonly<Record<string, string>> = {}): Answer => ({
    status: from > 0 ? 206 : 200,
    headers: {
      etag: '"one"',
      ...(from > 0 ? { 'content-range': `bytes ${from}-9/10` } : {}),
      ...over,
    },
    body: text.slice(from),
  })
  /** Cut after four bytes; then comes this. */
  const cut = (then: Answer): Nature => {
    let gets = 0
    return { instead: () => (gets++ === 0 ? { ...answer(0), cutAt: 4 } : then) }
  }

  it('never takes an object from its beginning for one from an offset on', async () => {
    const { target } = await open({ instead: () => ({ ...answer(0), status: 200 }) })
    const failure = await failureOf(read(target, 5))
    expect(failure.message).toContain('other bytes came than those from 5 on')
  })

  it.each<readonly [string, Answer]>([
    ['the whole object again', answer(0)],
    ['other bytes', answer(5)],
    ['another object', answer(4, { etag: '"other"' })],
    ['a larger object', answer(4, { 'content-range': 'bytes 4-9/11' })],
    ['the end', { status: 416, body: '<Error><Code>InvalidRange</Code></Error>' }],
  ])('that was cut never goes on with %s', async (_, then) => {
    const { target } = await open(cut(then))
    expect(await failureOf(read(target, 0))).toBeInstanceOf(TargetUnreachable)
  })

  it('that was cut goes on with the rest', async () => {
    const { target } = await open(cut(answer(4)))
    expect(await read(target, 0)).toBe(text)
  })

  it('goes on where an answer brings less than it was asked for', async () => {
    const { target } = await open({
      instead: ({ headers }) => {
        const from = Number(/\d+/.exec(String(headers.range))?.[0])
        const range = { 'content-range': `bytes ${from}-${from}/10` }
        return { ...answer(from, range), body: text.slice(from, from + 1) }
      },
    })
    expect(await read(target, 7)).toBe('789')
  })
})

describe('a listing that breaks off', () => {
  const truncated = '<IsTruncated>true</IsTruncated>'
  it.each<readonly [action: string, body: string]>([
    ['ListBucket', `<ListBucketResult><Name>b</Name>${truncated}@</ListBucketResult>`],
    [
      'ListBucketMultipartUploads',
      `<ListMultipartUploadsResult>${truncated}@</ListMultipartUploadsResult>`,
    ],
  ])('is never taken for a whole one: %s', async (told, body) => {
    const token = '<NextContinuationToken>same</NextContinuationToken>'
    const marker = '<NextKeyMarker>same</NextKeyMarker><NextUploadIdMarker>1</NextUploadIdMarker>'
    for (const next of ['', token + marker]) {
      const { target } = await open({
        instead({ action }) {
          if (action === told) return { body: body.replace('@', next) }
          return { body: '<ListBucketResult><Name>b</Name></ListBucketResult>' }
        },
      })
      const failure = await failureOf(objectsOf(target, '', signal))
      expect(failure).toBeInstanceOf(TargetUnreachable)
      expect(failure.message).toContain('tells of more to list')
    }
  })

  it('of versions removes nothing', async () => {
    const { bucket, target } = await open({
      versioned: true,
      instead({ action }) {
        if (action !== 'ListBucketVersions') return null
        return { body: `<ListVersionsResult>${truncated}</ListVersionsResult>` }
      },
    })
    bucket.versions.push(version('a', '1'))
    expect(await failureOf(target.remove(['a'], signal))).toBeInstanceOf(TargetUnreachable)
    expect(bucket.visible()).toEqual(['a'])
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
