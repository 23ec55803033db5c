import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { expect, it } from 'vitest'
import { ObjectExists, TargetUnreachable } from '../../src/lib/errors.ts'
import { LIMITS } from '../../src/targets/ssh/limits.ts'
import { objectsOf, unfinishedOf } from '../contract/target.ts'
import {
  type ForeignSsh,
  LSTAT,
  type Meddling,
  READ,
  REMOVE,
  replacing,
  startForeignSsh,
} from '../services/foreign-ssh.ts'
import { type Direction, startProxy } from '../support/proxy.ts'
import { body, folder, HASTY, type Opening, openSsh } from './ssh-support.ts'

const signal = new AbortController().signal

/** A target on the server, in a folder of the test's own. */
async function place(server: ForeignSsh, over: Partial<Opening> = {}) {
  const path = await folder()
  return { path, target: openSsh(server, { path, dataDir: await folder(), ...over }) }
}

it('never replaces what got the name during an upload, with hard links or without', async () => {
  for (const without of [[], ['hardlink']]) {
    await using server = await startForeignSsh({ without: ['limits', ...without] })
    server.meddle(replacing)
    const { path, target } = await place(server)
    async function* overtaken() {
      yield Buffer.from('ours')
      await writeFile(join(path, 'object'), 'theirs')
    }
    const putting = target.put('object', overtaken(), { token: 't' }, signal)
    await expect(putting).rejects.toBeInstanceOf(ObjectExists)
    expect(await readFile(join(path, 'object'), 'utf8')).toBe('theirs')
    expect(await readdir(path)).toEqual(['object'])
    await target.put('free', body(3), { token: 't' }, signal)
    expect(await readFile(join(path, 'free'), 'utf8')).toBe('xxx')
    expect((await readdir(path)).sort()).toEqual(['free', 'object'])
  }
})

it('knows an object by its second name when the answer to the link was lost', async () => {
  await using server = await startForeignSsh()
  const { path, target } = await place(server)
  server.meddle(losing(server, (request) => request[0] === REMOVE))
  await target.put('object', body(3), { token: 't' }, signal)
  expect(await readFile(join(path, 'object'), 'utf8')).toBe('xxx')
  expect(await readdir(path)).toEqual(['object'])

  // And never takes one of the same size for its own.
  server.meddle(
    losing(server, (request) => {
      if (!request.includes('hardlink@openssh.com')) return false
      writeFileSync(join(path, 'other'), 'yyy')
      return true
    }),
  )
  const putting = target.put('other', body(3), { token: 't' }, signal)
  await expect(putting).rejects.toBeInstanceOf(TargetUnreachable)
  expect(await readFile(join(path, 'other'), 'utf8')).toBe('yyy')
  expect((await readdir(path)).sort()).toEqual(['object', 'other'])
})

it('has the whole object when it dies between the link and the end of the first name', async () => {
  await using server = await startForeignSsh()
  const { path, target } = await place(server)
  server.meddle((request) => (request[0] === REMOVE ? null : request))
  await target.put('object', body(3), { token: 't' }, signal).catch(() => {})
  server.meddle((request) => request)

  const after = openSsh(server, { path, dataDir: await folder() })
  expect(await objectsOf(after, '', signal)).toMatchObject([{ key: 'object', bytes: 3 }])
  const unfinished = await unfinishedOf(after, '', signal)
  expect(unfinished).toMatchObject([{ key: 'object', token: 't' }])
  for (const one of unfinished) await after.abort(one, signal)
  expect(await readdir(path)).toEqual(['object'])
  expect(await readFile(join(path, 'object'), 'utf8')).toBe('xxx')
})

it('never has half an object or a forgotten one, wherever the giving of its name is cut', async () => {
  await using server = await startForeignSsh()
  const ends = new Set<string>()
  for (const direction of ['up', 'down'] as const) {
    const whole = await passing(server, direction)
    for (let back = 1; back < 700; back += 58) {
      await using proxy = await startProxy(server.port)
      const { path, target } = await place(server, { block: { port: proxy.port } })
      proxy.cutAfter(direction, whole - back)
      const end = await target.put('acme/db', body(100), { token: 't' }, signal).then(
        () => 'done',
        () => 'failed',
      )
      ends.add(end)
      const left = (await readdir(path, { recursive: true })).sort()
      expect(left, `${direction} ${back}`).toEqual(end === 'done' ? ['acme', 'acme/db'] : [])
    }
  }
  expect(ends).toEqual(new Set(['done', 'failed']))
})

it('ends what waits when the host says goodbye and the network loses the end', async () => {
  await using server = await startForeignSsh()
  await using proxy = await startEndless(server.port)
  const { target } = await place(server, { block: { port: proxy.port } })
  server.meddle((request) => {
    if (request[0] !== LSTAT) return request
    server.disconnect()
    return null
  })
  const error = await target.stat('object', signal).catch((error: unknown) => error)
  expect(error).toBeInstanceOf(TargetUnreachable)
  expect(error).toMatchObject({
    message: expect.stringContaining('the host closed the connection'),
  })
})

it('ends a reading at once when it is aborted, or destroyed, while the server hangs', async () => {
  await using server = await startForeignSsh()
  const { path, target } = await place(server, { limits: LIMITS })
  await writeFile(join(path, 'object'), 'content')
  for (const way of ['abort', 'destroy'] as const) {
    const stopped = new AbortController()
    const reason = new Error('told to stop')
    const asked = Promise.withResolvers<void>()
    server.meddle((request) => {
      if (request[0] !== READ) return request
      asked.resolve()
      return null
    })
    const stream = await target.get('object', 0, stopped.signal)
    const reading = buffer(stream)
    reading.catch(() => {})
    await asked.promise
    const began = performance.now()
    if (way === 'abort') stopped.abort(reason)
    else stream.destroy(reason)
    await expect(reading, way).rejects.toBe(reason)
    expect(performance.now() - began, way).toBeLessThan(10_000)
  }
})

it('never waits for ever for one request that is forgotten while others are answered', async () => {
  await using server = await startForeignSsh()
  const { path, target } = await place(server, { limits: { ...HASTY, answer: 200 } })
  await writeFile(join(path, 'other'), 'content')
  server.meddle((request) => (request.includes('forgotten') ? null : request))
  const forgotten = Array.from({ length: 4 }, () => target.stat('forgotten', signal))
  let isOver = false
  const ends = Promise.allSettled(forgotten).then((ends) => {
    isOver = true
    return ends
  })
  // Each of them has one of the four connections, on which others go on.
  const goOn = async () => {
    while (!isOver) await target.stat('other', signal).catch(() => {})
  }
  await Promise.all(Array.from({ length: 4 }, goOn))
  for (const end of await ends) {
    expect(end).toMatchObject({ status: 'rejected', reason: expect.any(TargetUnreachable) })
    expect(String(end)).not.toContain('the host has not answered')
  }
})

/** Bytes that a whole put takes that way. */
async function passing(server: ForeignSsh, direction: Direction): Promise<number> {
  await using proxy = await startProxy(server.port)
  const { target } = await place(server, { block: { port: proxy.port } })
  await target.put('acme/db', body(100), { token: 't' }, signal)
  return proxy.passed(direction)
}

/** Loses the connection instead of the first such request. */
function losing(server: ForeignSsh, isIt: (request: Buffer) => boolean): Meddling {
  let isLost = false
  return (request) => {
    if (isLost || !isIt(request)) return request
    isLost = true
    server.disconnect()
    return null
  }
}

/** A way to a server on which no connection ends. */
async function startEndless(port: number) {
  const sockets: Socket[] = []
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const far = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    for (const [from, to] of [
      [client, far],
      [far, client],
    ] as const) {
      from.on('data', (bytes) => to.write(bytes))
      from.on('error', () => {})
      sockets.push(from)
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((closed) => server.close(closed))
    },
  }
}
