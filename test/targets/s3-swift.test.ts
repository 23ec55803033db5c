import { afterAll, describe, expect, it } from 'vitest'
import { objectsOf, targetContract } from '../contract/target.ts'
import { makeBucket } from '../services/s3-server.ts'
import { PAGE, startSwift } from '../services/swift.ts'
import { startProxy } from '../support/proxy.ts'
import { blockOf, openPlace, openTarget } from './s3-place.ts'

const starting = startSwift()
afterAll(async () => await (await starting)[Symbol.asyncDispose]())

targetContract('s3 on Swift', async () => {
  return { ...(await openPlace(await starting)), page: PAGE }
})

describe('a server of another dialect', () => {
  it('is asked once for what it does not know, and deletes many objects at a time', async () => {
    const swift = await starting
    await using proxy = await startProxy(swift.port)
    const bucket = await makeBucket(swift)
    const target = openTarget(blockOf(swift, bucket, { endpoint: proxy.endpoint }))
    const signal = new AbortController().signal
    const keys = Array.from({ length: 12 }, (_, number) => `a & <b>/${number}`)
    const puts = []
    for (const key of keys) {
      proxy.forget()
      await target.put(key, one(), { token: 't' }, signal)
      puts.push(proxy.requests.filter((line) => line.startsWith('PUT')).length)
    }
    // The first was refused for its condition, and sent again without.
    expect(puts).toEqual([2, ...Array.from({ length: 11 }, () => 1)])

    proxy.forget()
    await target.remove(keys.slice(1), signal)
    expect(proxy.requests.filter((line) => line.startsWith('POST')).length).toBe(1)
    expect(proxy.requests.filter((line) => line.startsWith('DELETE'))).toEqual([])
    for await (const { objects } of target.list('', signal)) {
      for (const { key } of objects) expect(key).toBe(keys[0])
    }
    expect((await objectsOf(target, '', signal)).length).toBe(1)
  })
})

async function* one(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('x')
}
