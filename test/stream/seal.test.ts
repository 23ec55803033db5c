import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { section } from '../../src/core/section.ts'
import {
  ArchiveDamaged,
  CannotDecrypt,
  Interrupted,
  ProgramFailed,
  SourceFailed,
} from '../../src/lib/errors.ts'
import { findProgram, mustSucceed, run } from '../../src/platform/program.ts'
import type { Origin } from '../../src/stream/ends.ts'
import { type Recipe, seal } from '../../src/stream/seal.ts'
import { throttle } from '../../src/stream/throttle.ts'
import { hashThrough, readThrough, unseal } from '../../src/stream/unseal.ts'
import { local } from '../../src/targets/local.ts'
import { surroundings } from '../support/surroundings.ts'
import {
  children,
  collect,
  folder,
  inChunks,
  lives,
  mixed,
  never,
  pair,
  plain,
  sh,
  sha256,
} from './support.ts'

const at = folder()
const agree = async () => {}
const zstd = { kind: 'zstd', level: 3 } as const
const gzip = { kind: 'gzip', level: 6 } as const
/** Runs nothing that is on PATH: what is done without programs. */
const bare = '/nowhere'

const sealed = async (content: Origin, recipe: Recipe) => {
  const sealing = seal(content, recipe, agree, never)
  const body = await collect(sealing.body)
  return { body, layers: sealing.layers, outcome: await sealing.outcome }
}

/** An endless source whose pid can be had. */
const endless = (name: string): Origin => ({
  kind: 'program',
  program: sh('echo $$ > "$1"; exec cat /dev/zero', at(name)),
})

describe('seal', () => {
  it('stores what stock tools read, however it is compressed', async () => {
    const bytes = mixed(1_000_000)
    await writeFile(at('content'), bytes)
    const contents: Origin[] = [
      { kind: 'file', path: at('content') },
      { kind: 'program', program: { command: 'cat', args: [at('content')] } },
    ]
    for (const content of contents) {
      for (const compression of [zstd, gzip, { kind: 'none' } as const]) {
        for (const searchPath of [process.env.PATH ?? '', bare]) {
          const { body, layers, outcome } = await sealed(content, {
            ...plain,
            compression,
            searchPath,
          })
          expect(outcome.stored).toEqual({ bytes: body.length, sha256: sha256(body) })
          expect(outcome.exit?.code ?? null).toBe(content.kind === 'program' ? 0 : null)
          expect(layers).toEqual(compression.kind === 'none' ? ['raw'] : ['raw', compression.kind])
          if (compression.kind !== 'none') {
            const path = at(`stored.${compression.kind === 'zstd' ? 'zst' : 'gz'}`)
            await writeFile(path, body)
            const test = { command: compression.kind, args: ['-t', path] }
            mustSucceed((await run(test, { timeLimit: 10_000, signal: never })).exit)
          }
          const opening = { layers, keys: [], searchPath }
          const read = await readThrough(inChunks(body, 70_000), opening, never)
          expect(read.content).toEqual({ bytes: bytes.length, sha256: sha256(bytes) })
          expect(read.stored).toEqual(outcome.stored)
        }
      }
    }
  })

  it('tells the stored bytes as they go', async () => {
    const told: number[] = []
    const recipe = { ...plain, onBytes: (bytes: number) => told.push(bytes) }
    const source = { kind: 'program', program: sh('head -c 3000000 /dev/zero') } as const
    const { outcome } = await sealed(source, recipe)
    expect(told.at(-1)).toBe(outcome.stored.bytes)
    expect(told).toEqual([...told].sort((a, b) => a - b))
  })

  it('moves no faster than its throttle, and stops waiting on an abort', async () => {
    const controller = new AbortController()
    const recipe = { ...plain, throttle: throttle(1000) }
    const body = seal(endless('throttled'), recipe, agree, controller.signal).body
    const reason = new Interrupted('told to stop')
    const got: number[] = []
    const work = (async () => {
      for await (const chunk of body) {
        got.push(chunk.length)
        controller.abort(reason)
      }
    })()
    await expect(work).rejects.toBe(reason)
    expect(got).toHaveLength(1)
  })

  it('starts nothing before it is read, and says so when it never is', async () => {
    const sealing = seal(endless('unread'), plain, agree, never)
    await sealing.body[Symbol.asyncIterator]().return?.()
    await expect(sealing.outcome).rejects.toThrow('nobody reads the archive any more')
    await expect(stat(at('unread'))).rejects.toThrow(/ENOENT/)
  })

  it('fails with the name of what cannot be read or run', async () => {
    const missing = { kind: 'file', path: at('missing') } as const
    for (const compression of [zstd, { kind: 'none' } as const]) {
      await expect(sealed(missing, { ...plain, compression })).rejects.toBeInstanceOf(SourceFailed)
    }
    const program = { command: 'holdfast-none', args: [] }
    await expect(sealed({ kind: 'program', program }, plain)).rejects.toThrow(/is not installed/)
  })
})

describe('a body', () => {
  const target = async (name: string) => {
    await mkdir(at(name))
    return local.configure(section('targets.t', { path: at(name) }), surroundings())
  }
  const stored = async (name: string) =>
    (await readdir(at(name), { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map(({ name: file }) => file)

  it('is stored by a target when the judge agrees, and only after it did', async () => {
    const place = await target('agreed')
    let before: readonly string[] | null = null
    const content = {
      kind: 'program',
      program: sh('echo content; echo warned >&2; exit 1'),
    } as const
    const judge = async (exit: { readonly code: number | null } | null) => {
      expect(exit).toMatchObject({ code: 1, stderr: ['warned'] })
      before = await stored('agreed')
    }
    const sealing = seal(content, { ...plain, compression: zstd }, judge, never)
    await place.put('a/b.zst', sealing.body, { token: 'token' }, never)
    expect((before ?? []).filter((name: string) => name === 'b.zst')).toEqual([])
    expect(await stored('agreed')).toEqual(['b.zst'])
    expect((await sealing.outcome).exit?.code).toBe(1)
  })

  it('is stored by no target when the judge throws, though the source exited 0', async () => {
    const place = await target('refused')
    const content = { kind: 'program', program: sh('head -c 5000000 /dev/urandom') } as const
    const verdict = new SourceFailed('integrity check failed')
    for (const encryption of [null, (await pair()).sealing]) {
      const recipe = { ...plain, compression: zstd, encryption }
      const sealing = seal(content, recipe, () => Promise.reject(verdict), never)
      await expect(place.put('a/b', sealing.body, { token: 'token' }, never)).rejects.toBe(verdict)
      await expect(sealing.outcome).rejects.toBe(verdict)
      expect(await place.stat('a/b', never)).toBeNull()
    }
  })

  it('is stored by no target when any program is killed, and names that one', async () => {
    const place = await target('killed')
    const recipe = { ...plain, compression: zstd, encryption: (await pair()).sealing }
    for (const victim of ['cat', 'zstd']) {
      const judge = () => Promise.reject(new Error('must not be asked'))
      const slow = { kind: 'program', program: { command: 'cat', args: ['/dev/urandom'] } } as const
      const sealing = seal(slow, recipe, judge, never)
      let seen = 0
      async function* watched() {
        for await (const chunk of sealing.body) {
          seen += chunk.length
          if (seen > 3_000_000) for (const pid of children(victim)) process.kill(pid, 'SIGKILL')
          yield chunk
        }
      }
      const error = await place
        .put('a/b', watched(), { token: 'token' }, never)
        .catch((cause) => cause)
      expect(error).toBeInstanceOf(ProgramFailed)
      expect(error.message).toMatch(new RegExp(`${victim} was killed by SIGKILL`))
      expect(await place.stat('a/b', never)).toBeNull()
      expect([...children('cat'), ...children('zstd')]).toEqual([])
    }
  })

  it('fails when the compressor fails, in this process too', async () => {
    await mkdir(at('bin'))
    await writeFile(at('bin/zstd'), '#!/bin/sh\nhead -c 10; echo broken >&2; exit 7\n', {
      mode: 0o755,
    })
    const recipe = { ...plain, compression: zstd, searchPath: at('bin') }
    const error = await sealed(endless('compressor'), recipe).catch((cause) => cause)
    expect(error.message).toMatch(/bin\/zstd ended with exit code 7: broken$/)
    const killed = { kind: 'program', program: sh('echo x; kill -9 $$') } as const
    for (const searchPath of [process.env.PATH ?? '', bare]) {
      const work = sealed(killed, { ...plain, compression: gzip, searchPath })
      await expect(work).rejects.toThrow('sh was killed by SIGKILL')
    }
  })

  it('throws the reason of an abort and leaves no child behind', async () => {
    const reason = new Interrupted('told to stop')
    for (const [name, searchPath] of [
      ['abort', process.env.PATH ?? ''],
      ['abort-bare', bare],
    ] as const) {
      const controller = new AbortController()
      const recipe = { ...plain, compression: zstd, searchPath }
      const sealing = seal(endless(name), recipe, agree, controller.signal)
      const reading = (async () => {
        for await (const _ of sealing.body) controller.abort(reason)
      })()
      const abort = expect.poll(() =>
        stat(at(name)).then(
          () => 'up',
          () => 'not yet',
        ),
      )
      await abort.toBe('up')
      setImmediate(() => controller.abort(reason))
      await expect(reading).rejects.toBe(reason)
      await expect(sealing.outcome).rejects.toBe(reason)
      expect(lives(Number(await readFile(at(name), 'utf8')))).toBe(false)
      expect(children('zstd')).toEqual([])
    }
  })

  it('ends its programs when its reader leaves, even while the source is silent', async () => {
    const silent = {
      kind: 'program',
      program: sh('echo $$ > "$1"; exec sleep 60', at('silent')),
    } as const
    const sealing = seal(silent, { ...plain, compression: zstd }, agree, never)
    const iterator = sealing.body[Symbol.asyncIterator]()
    const pending = iterator.next()
    pending.catch(() => {})
    await expect.poll(() => readFile(at('silent'), 'utf8').catch(() => '')).toMatch(/\n/)
    await iterator.return?.()
    await expect(pending).rejects.toBeInstanceOf(Interrupted)
    expect(lives(Number(await readFile(at('silent'), 'utf8')))).toBe(false)
  })
})

describe('unseal', () => {
  it('gives back equal bytes through every layer to every sink', async () => {
    const { sealing, identity } = await pair()
    let round = 0
    const sizes = fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 4 })
    const compressions = fc.constantFrom(zstd, gzip, { kind: 'none' } as const)
    const paths = fc.constantFrom(process.env.PATH ?? '', bare)
    const cases = fc.record({
      size: fc.integer({ min: 0, max: 400_000 }),
      cuts: sizes,
      compression: compressions,
      encrypted: fc.boolean(),
      searchPath: paths,
    })
    const law = fc.asyncProperty(
      cases,
      async ({ size, cuts: wanted, compression, encrypted, searchPath }) => {
        const bytes = mixed(size)
        // Single bytes of a small body only: half a million of them is a matter of minutes.
        const cuts = wanted.map((cut) => Math.max(cut, Math.ceil(size / 1000)))
        await writeFile(at('content'), bytes)
        const recipe = { ...plain, compression, encryption: encrypted ? sealing : null, searchPath }
        const { body, layers, outcome } = await sealed(
          { kind: 'file', path: at('content') },
          recipe,
        )
        const opening = { layers, keys: [identity], searchPath }
        const path = at(`file-${round++}`)
        const file = await unseal(inChunks(body, ...cuts), opening, { kind: 'file', path }, never)
        expect(file).toEqual({ stored: outcome.stored, exit: null })
        expect((await readFile(path)).equals(bytes)).toBe(true)
        const program = sh('cat > "$1"; exit 3', at('sunk'))
        const sunk = await unseal(
          inChunks(body, ...cuts),
          opening,
          { kind: 'program', program },
          never,
        )
        expect(sunk.exit?.code).toBe(3)
        expect(sunk.stored).toEqual(outcome.stored)
        expect((await readFile(at('sunk'))).equals(bytes)).toBe(true)
        const read = await readThrough(inChunks(body, ...cuts), opening, never)
        expect(read.content.sha256).toBe(sha256(bytes))
      },
    )
    await fc.assert(law, { numRuns: 25 })
  })

  it('writes new files only', async () => {
    await writeFile(at('there'), 'precious')
    const work = unseal(
      inChunks(Buffer.from('x')),
      { layers: ['raw'], keys: [] },
      { kind: 'file', path: at('there') },
      never,
    )
    await expect(work).rejects.toThrow(/cannot create .*EEXIST/)
    expect(await readFile(at('there'), 'utf8')).toBe('precious')
  })

  it('tells a failing sink as what it is, not as a damaged archive', async () => {
    const bytes = mixed(5_000_000)
    await writeFile(at('content'), bytes)
    for (const compression of [zstd, gzip, { kind: 'none' } as const]) {
      for (const searchPath of [process.env.PATH ?? '', bare]) {
        const recipe = { ...plain, compression, searchPath }
        const { body, layers } = await sealed({ kind: 'file', path: at('content') }, recipe)
        const sink = {
          kind: 'program',
          program: sh('head -c 9 >/dev/null; echo full >&2; exit 9'),
        } as const
        const work = unseal(inChunks(body, 65536), { layers, keys: [], searchPath }, sink, never)
        const error = await work.catch((cause) => cause)
        expect(error).toBeInstanceOf(ProgramFailed)
        expect(error.message).toBe('sh ended with exit code 9: full')
        // A full disk is no damage either.
        if (searchPath === bare) continue
        const full = { kind: 'program', program: sh('cat > /dev/full') } as const
        await expect(
          unseal(inChunks(body, 65536), { layers, keys: [] }, full, never),
        ).rejects.toThrow(/No space left/)
      }
    }
  })

  it('reads on for the hash when a sink has had enough', async () => {
    const { body, layers, outcome } = await sealed(
      { kind: 'program', program: sh('head -c 5000000 /dev/urandom') },
      { ...plain, compression: zstd },
    )
    const sink = { kind: 'program', program: sh('head -c 9 >/dev/null') } as const
    const read = await unseal(inChunks(body, 65536), { layers, keys: [] }, sink, never)
    expect(read).toMatchObject({ stored: outcome.stored, exit: { code: 0 } })
  })

  it('lets no sink take the part of a torn archive for the whole', async () => {
    const { sealing, identity } = await pair()
    const recipe = { ...plain, encryption: sealing }
    const { body, layers } = await sealed(
      { kind: 'program', program: sh('head -c 900000 /dev/urandom') },
      recipe,
    )
    const sink = {
      kind: 'program',
      program: sh('cat >/dev/null; echo whole > "$1"', at('verdict')),
    } as const
    const torn = inChunks(body.subarray(0, 700_000), 65536)
    await expect(unseal(torn, { layers, keys: [identity] }, sink, never)).rejects.toBeInstanceOf(
      ArchiveDamaged,
    )
    await expect(stat(at('verdict'))).rejects.toThrow(/ENOENT/)
  })

  it('passes on the failure of the target, and the reason of an abort', async () => {
    const { body, layers } = await sealed(
      { kind: 'program', program: sh('head -c 900000 /dev/urandom') },
      { ...plain, compression: zstd },
    )
    const torn = new Error('connection lost')
    async function* failing() {
      yield body.subarray(0, 100_000)
      throw torn
    }
    const sink = { kind: 'program', program: sh('cat >/dev/null') } as const
    const opening = { layers, keys: [] }
    await expect(unseal(failing(), opening, sink, never)).rejects.toBe(torn)
    await expect(readThrough(failing(), opening, never)).rejects.toBe(torn)
    const reason = new Interrupted('told to stop')
    for (const work of [
      (signal: AbortSignal) =>
        unseal(createReadStream('/dev/zero'), { layers: ['raw'], keys: [] }, sink, signal),
      (signal: AbortSignal) =>
        readThrough(createReadStream('/dev/zero'), { layers: ['raw'], keys: [] }, signal),
      (signal: AbortSignal) => hashThrough(createReadStream('/dev/zero'), {}, signal),
    ]) {
      const controller = new AbortController()
      setTimeout(() => controller.abort(reason), 100)
      await expect(work(controller.signal)).rejects.toBe(reason)
    }
    expect(children('cat')).toEqual([])
  })
})

describe('reading through', () => {
  const tarOf = async (recipe: Partial<Recipe> = {}) => {
    await mkdir(at('tree/sub'), { recursive: true })
    await writeFile(at('tree/a\nb'), 'name with a line break')
    await writeFile(at('tree/sub/c'), randomBytes(300_000))
    const program = { command: 'tar', args: ['-C', at('tree'), '-cf', '-', '.'] }
    return await sealed({ kind: 'program', program }, { ...plain, layer: 'tar', ...recipe })
  }

  it('counts the members of a tar', async () => {
    for (const compression of [zstd, gzip, { kind: 'none' } as const]) {
      const { body, layers } = await tarOf({ compression })
      const read = await readThrough(inChunks(body, 30_000), { layers, keys: [] }, never)
      expect(read.entries).toBe(4)
    }
  })

  it('finds a tar that was cut off inside an intact frame, between members too', async () => {
    const { body } = await tarOf()
    const listed = body.indexOf('./sub/c\0')
    for (const size of [listed, listed + 512 + 1000, body.length - 10_000, 512]) {
      await writeFile(at('cut'), body.subarray(0, size))
      const { body: packed } = await sealed(
        { kind: 'file', path: at('cut') },
        { ...plain, compression: zstd },
      )
      const work = readThrough(
        inChunks(packed, 30_000),
        { layers: ['tar', 'zstd'], keys: [] },
        never,
      )
      await expect(work, `${size}`).rejects.toBeInstanceOf(ArchiveDamaged)
    }
    const work = readThrough(inChunks(body, 9_000), { layers: ['sqlite'], keys: [] }, never)
    expect((await work).entries).toBeNull()
  })

  it('finds every way to damage an archive, with programs and without', async () => {
    const { sealing, identity } = await pair()
    for (const compression of [zstd, gzip]) {
      for (const encryption of [null, sealing]) {
        for (const searchPath of [process.env.PATH ?? '', bare]) {
          const { body, layers } = await tarOf({ compression, encryption })
          const flipped = Buffer.from(body)
          flipped[150_000] = (flipped[150_000] ?? 0) ^ 4
          const bad = {
            empty: body.subarray(0, 0),
            short: body.subarray(0, 1000),
            half: body.subarray(0, 150_000),
            'without end': body.subarray(0, -1),
            'with more': Buffer.concat([body, Buffer.from('garbage')]),
            flipped,
          }
          for (const [name, bytes] of Object.entries(bad)) {
            const opening = { layers, keys: [identity], searchPath }
            const work = readThrough(inChunks(bytes, 65536), opening, never)
            await expect(work, `${layers} ${name} ${searchPath}`).rejects.toBeInstanceOf(
              ArchiveDamaged,
            )
          }
        }
      }
    }
  })

  it('says which layer this version cannot undo, and which key is missing', async () => {
    const read = (layers: readonly string[]) =>
      readThrough(inChunks(Buffer.from('x')), { layers, keys: [] }, never)
    await expect(read(['sqlite', 'brotli'])).rejects.toThrow(
      /layer brotli: not available in this version/,
    )
    await expect(read(['tar', 'zstd', 'age', 'age'])).rejects.toThrow(/not available/)
    const { body, layers } = await tarOf({ encryption: (await pair()).sealing })
    const work = readThrough(inChunks(body, 9000), { layers, keys: [] }, never)
    await expect(work).rejects.toBeInstanceOf(CannotDecrypt)
    const stored = await hashThrough(inChunks(body, 9000), {}, never)
    expect(stored).toEqual({ bytes: body.length, sha256: sha256(body) })
  })
})

describe('memory', () => {
  it('does not grow with the data: 200 MB out and in give equal hashes', async () => {
    const node = process.execPath
    const script = new URL('./large.ts', import.meta.url).pathname
    const { identity, recipient } = await pair()
    const question = JSON.stringify({
      recipient,
      identity: identity.secret.reveal(),
      file: at('large'),
    })
    const { stdout, exit } = await run(
      { command: node, args: [script] },
      { input: question, timeLimit: 50_000, signal: never },
    )
    expect(exit.stderr).toEqual([])
    const { before, after, equal } = JSON.parse(stdout)
    expect(equal).toBe(true)
    expect(after - before).toBeLessThan(120)
    expect(await findProgram('zstd')).not.toBeNull()
  })
})
