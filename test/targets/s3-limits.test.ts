import { buffer } from 'node:stream/consumers'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Options } from '../../src/core/model.ts'
import { TargetUnreachable } from '../../src/lib/errors.ts'
import type { Target } from '../../src/targets/target.ts'
import { objectsOf } from '../contract/target.ts'
import { failureOf } from '../support/failures.ts'
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

  it('is never told as kept what a marker hides that it may not remove', async () => {
    const { bucket, target } = await open({ versioned: true, denied: ['DeleteObjectVersion'] })
    const marker = { ...version('a', '2'), body: null }
    bucket.versions.push(version('a', '1'), marker)
    expect((await failureOf(target.remove(['a'], signal))).message).toContain('a is hidden')
    bucket.versions.push(version('a', '3'))
    expect([...(await target.remove(['a'], signal)).keys()]).toEqual(['a'])
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

describe('a put', () => {
  const lock = { object_lock: { mode: 'compliance', days: 2 } }
  const put = (target: Target, during: AbortSignal = signal) =>
    target.put('a', body(), { token: 't' }, during)

  it('by a key that may not look counts by the proof of the server', async () => {
    const { bucket, target } = await open({ versioned: true, denied: ['GetObject'] })
    expect(await put(target)).toEqual({ bytes: 10, readback: 'etag' })
    expect(bucket.visible()).toEqual(['a'])
    await failureOf(put(target))
    expect(bucket.versions.length).toBe(1)
  })

  it.each([true, false])(
    'without any proof leaves nothing there: versions %s',
    async (versioned) => {
      const made: Version[] = []
      const { bucket, target } = await open({
        versioned,
        denied: ['GetObject'],
        instead({ action, key }) {
          if (action !== 'PutObject') return null
          made.push(version(key, 'new'))
          bucket.versions.push(...made)
          const id = versioned ? { 'x-amz-version-id': `${key}new` } : {}
          return { headers: { etag: '"no-hash"', ...id } }
        },
      })
      const failure = await failureOf(put(target))
      expect(failure.hint).toContain('s3:GetObject')
      expect(made.length).toBe(1)
      expect(bucket.versions).toEqual([])
    },
  )

  it('by a key that may not look never replaces where the server knows no conditions', async () => {
    const { bucket, target } = await open({
      denied: ['GetObject'],
      instead: ({ headers }) => (headers['if-none-match'] ? { status: 501 } : null),
    })
    const theirs = version('a', '1')
    bucket.versions.push(theirs)
    for (const _ of ['unknown yet', 'learnt']) {
      expect((await failureOf(put(target))).hint).toContain('s3:GetObject')
    }
    expect(bucket.versions).toEqual([theirs])
  })

  it('that is aborted takes back the version that it made, and no other', async () => {
    const controller = new AbortController()
    const { bucket, target } = await open({
      versioned: true,
      instead({ action }) {
        if (action === 'PutObject') controller.abort(new Error('told to stop'))
        return null
      },
    })
    const before = [version('a', 'old'), { ...version('a', 'gone'), body: null }]
    bucket.versions.push(...before)
    await expect(put(target, controller.signal)).rejects.toThrow('told to stop')
    expect(bucket.asked).toContain('DeleteObjectVersion a')
    expect(bucket.versions).toEqual(before)
  })

  it('that is aborted hides what it may not delete', async () => {
    const controller = new AbortController()
    const { bucket, target } = await open({
      versioned: true,
      denied: ['DeleteObjectVersion'],
      instead({ action }) {
        if (action === 'PutObject') controller.abort(new Error('told to stop'))
        return null
      },
    })
    await expect(put(target, controller.signal)).rejects.toThrow('told to stop')
    expect(bucket.visible()).toEqual([])
  })

  it.each([
    ['PutObjectRetention alone', ['GetObjectRetention']],
    ['neither of them', ['GetObjectRetention', 'PutObjectRetention']],
    ['GetObjectRetention alone', ['PutObjectRetention']],
    ['no right to ask the bucket', ['GetObjectRetention', 'GetBucketObjectLockConfiguration']],
    ['not even the right to look', ['GetObjectRetention', 'PutObjectRetention', 'GetObject']],
  ])('is locked by a key that has %s', async (_, denied) => {
    const { bucket, target } = await open({ versioned: true, lockable: true, denied }, lock)
    expect(await put(target)).toMatchObject({ bytes: 10 })
    expect(bucket.versions.map(({ key, until }) => [key, until !== null])).toEqual([['a', true]])
  })

  it('to be locked is never sent to a bucket that locks nothing', async () => {
    const { bucket, target } = await open({ versioned: true }, lock)
    expect((await failureOf(put(target))).hint).toContain('object lock')
    expect(bucket.asked).not.toContain('PutObject a')
  })

  it('whose lock the server took and dropped leaves nothing there', async () => {
    const { bucket, target } = await open(
      {
        versioned: true,
        lockable: true,
        instead({ action }) {
          for (const one of bucket?.versions ?? []) one.until = null
          return action === 'PutObjectRetention' ? {} : null
        },
      },
      lock,
    )
    expect(await failureOf(put(target))).toBeInstanceOf(TargetUnreachable)
    expect(bucket.asked).toContain('PutObjectRetention a')
    expect(bucket.visible()).toEqual([])
  })
})

async function* body(): AsyncGenerator<Uint8Array> {
  yield Buffer.alloc(10, 1)
}

function version(key: string, id: string, body = 'theirs'): Version {
  return { key, id: `${key}${id}`, body: Buffer.from(body), token: '', until: null }
}
