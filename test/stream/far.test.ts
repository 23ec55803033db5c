import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { PassThrough, type Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { SourceFailed } from '../../src/lib/errors.ts'
import type { Exit } from '../../src/platform/program.ts'
import type { FarProgram, Origin } from '../../src/stream/ends.ts'
import { type Recipe, seal } from '../../src/stream/seal.ts'
import { unseal } from '../../src/stream/unseal.ts'
import { makeBench } from '../support/directories.ts'

const never = new AbortController().signal
const plain: Recipe = {
  layer: 'raw',
  compression: { kind: 'zstd', level: 3 },
  encryption: null,
  threads: 1,
  nice: 0,
  throttle: null,
}

/** A shell script of this machine, reached by pipes of ours as one of another machine would be. */
function far(script: string): FarProgram & { readonly killed: () => boolean } {
  const child = spawn('sh', ['-c', script], { stdio: ['pipe', 'pipe', 'ignore'] })
  child.stdin.on('error', () => {})
  const exit = once(child, 'close').then(
    ([code, signal]): Exit => ({ command: 'sh', code, signal, stderr: [], stderrTotal: 0 }),
  )
  return {
    stdin: child.stdin,
    stdout: child.stdout as Readable,
    exit,
    async stop() {
      child.kill('SIGKILL')
      await exit
    },
    killed: () => child.signalCode === 'SIGKILL',
  }
}

const from = (program: FarProgram): Origin => ({ kind: 'stream', open: async () => program })

async function stored(origin: Origin, recipe: Recipe = plain): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  const { body } = seal(origin, recipe, async () => {}, never)
  for await (const piece of body) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}

async function* inOne(bytes: Uint8Array) {
  yield Buffer.from(bytes)
}

describe('a program that runs elsewhere', () => {
  it('is stored and brought back whole, however it is compressed', async () => {
    await using folder = await makeBench()
    for (const kind of ['zstd', 'none'] as const) {
      const compression = kind === 'none' ? { kind } : plain.compression
      const body = await stored(from(far('seq 200000')), { ...plain, compression })
      const layers = kind === 'none' ? ['raw'] : ['raw', kind]
      const out = folder.at(kind)
      const sink = far(`cat > ${out}`)
      const { exit } = await unseal(inOne(body), { layers, keys: [] }, from(sink), never)
      expect(exit?.code).toBe(0)
      expect((await readFile(out, 'utf8')).trimEnd().split('\n')).toHaveLength(200_000)
    }
  })

  it('hands its exit to the judge, whatever it is', async () => {
    const codes: (number | null | undefined)[] = []
    const judge = async (exit: Exit | null) => void codes.push(exit?.code)
    const { body } = seal(from(far('echo x; exit 3')), plain, judge, never)
    for await (const _ of body);
    expect(codes).toEqual([3])
  })

  it('fails the archive when its stream does, and the body never ends', async () => {
    const stdout = new PassThrough().on('error', () => {})
    const program = { ...far('exec sleep 60'), stdout }
    const reading = stored(from(program))
    stdout.write('half of it')
    stdout.destroy(new SourceFailed('the engine is gone'))
    await expect(reading).rejects.toThrow('the engine is gone')
    expect(program.killed()).toBe(true)
  })

  it('never sees an end of input that is not the end of the archive', async () => {
    await using folder = await makeBench()
    const body = await stored(from(far('seq 200000')))
    const mark = folder.at('ended')
    const sink = far(`cat > /dev/null; touch ${mark}`)
    const cut = body.subarray(0, body.length / 2)
    const opening = { layers: ['raw', 'zstd'], keys: [] }
    await expect(unseal(inOne(cut), opening, from(sink), never)).rejects.toThrow()
    expect(sink.killed()).toBe(true)
    await expect(readFile(mark)).rejects.toThrow('ENOENT')
  })

  it('may be content with less than all of it, but not fail at it', async () => {
    await using folder = await makeBench()
    const path = folder.at('content')
    await writeFile(path, Buffer.alloc(4_000_000, 'x'))
    const body = await stored({ kind: 'file', path }, { ...plain, compression: { kind: 'none' } })
    const opening = { layers: ['raw'], keys: [] }
    const content = await unseal(inOne(body), opening, from(far('head -c 10')), never)
    expect(content.exit?.code).toBe(0)
    const failing = unseal(inOne(body), opening, from(far('exit 4')), never)
    await expect(failing).rejects.toThrow('exit code 4')
  })
})
