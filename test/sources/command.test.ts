import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Options } from '../../src/core/model.ts'
import { section } from '../../src/core/section.ts'
import { ConfigError, Interrupted, RestoreFailed, SourceFailed } from '../../src/lib/errors.ts'
import { Secret } from '../../src/lib/secret.ts'
import { startChain } from '../../src/platform/program.ts'
import { command } from '../../src/sources/command.ts'
import type { SourceContext } from '../../src/sources/source.ts'
import {
  archiveTo,
  fill,
  restoreFrom,
  runProgram,
  sourceContract,
  taskOf,
} from '../contract/source.ts'

const NEVER = new AbortController().signal

/** A program of the tests: JavaScript, run as argv, with no shell between. */
const js = (code: string, ...args: string[]) => [process.execPath, '-e', code, ...args]

/** A folder that nobody changes while the tests run. */
const UNCHANGED = join(import.meta.dirname, '../../node_modules/yaml')

const sourceOf = (options: Options) => command.configure(section('source', options))

let folder = ''
let archive = ''
let context: SourceContext

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-command-'))
  await mkdir(join(folder, 'scratch'))
  archive = join(folder, 'archive')
  context = { scratch: join(folder, 'scratch'), leaveOut: [], token: 'token' }
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const dump = (options: Options) => archiveTo(archive, sourceOf(options), context)

async function failure(options: Options): Promise<SourceFailed> {
  const error = await dump(options).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(SourceFailed)
  expect(await readdir(context.scratch)).toEqual([])
  return error as SourceFailed
}

for (const collect of [null, 'out']) {
  sourceContract(`command ${collect ? 'that leaves files' : 'that writes'}`, async () => {
    const root = await mkdtemp(join(tmpdir(), 'holdfast-command-'))
    const path = join(root, 'live')
    await writeFile(path, 'content '.repeat(100_000))
    const ways = collect
      ? {
          backup: js(
            'fs.cpSync(process.argv[1], process.env.HOLDFAST_COLLECT_DIR + "/copy")',
            path,
          ),
          restore: js(
            'fs.cpSync(process.env.HOLDFAST_COLLECT_DIR + "/copy", process.argv[1])',
            path,
          ),
        }
      : { backup: ['cat', path], restore: ['tee', path] }
    const rest = collect ? { collect } : {}
    return {
      source: sourceOf({ ...ways, ...rest }),
      broken: sourceOf({ ...ways, ...rest, backup: ['false'] }),
      contents: (at) => readFile(at ?? path, 'utf8'),
      change: () => writeFile(path, 'changed'),
      // Elsewhere goes the content as it is, which for files is a tar: a law of its own below.
      elsewhere: collect ? null : join(root, 'other', 'file'),
      dispose: () => rm(root, { recursive: true, force: true }),
    }
  })
}

describe('command: its output', () => {
  it('is counted, and told with the name of the program only', async () => {
    const report = await dump({ backup: ['printf', 'password=hunter2'], extension: '.txt' })
    expect(await readFile(archive, 'utf8')).toBe('password=hunter2')
    expect(report).toEqual({
      facts: { program: 'printf', extension: '.txt', collect: false },
      warnings: [],
      contentBytes: 16,
    })
  })

  it('passes whole, however much it is', async () => {
    const bytes = 64 * 2 ** 20
    const report = await dump({ backup: ['head', '-c', String(bytes), '/dev/zero'] })
    expect(report.contentBytes).toBe(bytes)
    expect((await stat(archive)).size).toBe(bytes)
  })

  it('may be opened by the program as /dev/stdout', async () => {
    await dump({ backup: ['cp', '/proc/self/status', '/dev/stdout'] })
    expect(await readFile(archive, 'utf8')).toMatch(/^Name:\tcp/)
  })

  it('fails the run when the program fails, with the end of what it said', async () => {
    const code = 'console.log("half"); console.error("no such table"); process.exitCode = 3'
    const { message } = await failure({ backup: js(code) })
    expect(message).toBe('node ended with exit code 3: no such table')
  })

  it('fails the run when the program is killed after it has written', async () => {
    const code = 'process.stdout.write("half", () => process.kill(process.pid, "SIGKILL"))'
    expect((await failure({ backup: js(code) })).message).toMatch(/^node was killed by SIGKILL/)
  })

  it('fails the run when there is none, or less than declared', async () => {
    expect((await failure({ backup: ['true'] })).message).toBe(
      'true wrote nothing, less than min_size, 1 B',
    )
    expect((await failure({ backup: ['printf', 'short'], min_size: '1KiB' })).message).toMatch(
      /wrote 5 B, less than min_size, 1\.0 KiB/,
    )
    expect((await dump({ backup: ['true'], min_size: 0 })).contentBytes).toBe(0)
  })

  it('fails before it starts when there is no such program', async () => {
    const { message, hint } = await failure({ backup: ['no-such-program', 'secret-argument'] })
    expect(message).toMatch(/no-such-program was not found/)
    expect(message).not.toContain('secret')
    expect(hint).toMatch(/absolute path/)
    const file = join(folder, 'plain')
    await writeFile(file, '')
    await chmod(file, 0o644)
    expect((await failure({ backup: [file] })).message).toMatch(/may not be run/)
  })
})

describe('command: the environment', () => {
  const env = { DATABASE_PASSWORD: new Secret('hunter2-hunter2') }

  it('reaches the program, and no command line of any process', async () => {
    const source = sourceOf({
      backup: js('console.log(process.env.DATABASE_PASSWORD); setInterval(() => {}, 1000)'),
      env,
    })
    await using dumped = await source.dump(context, NEVER)
    if (dumped.content.kind !== 'program') throw new Error('a command dump is a program')
    const chain = await startChain([dumped.content.program], { stdin: null, signal: NEVER })
    const [said] = await once(chain.stdout ?? process.stdin, 'data')
    expect(String(said)).toBe('hunter2-hunter2\n')
    expect(await groupOf(chain.pids[0] ?? 0)).toHaveLength(3)
    for (const pid of await groupOf(chain.pids[0] ?? 0)) {
      expect(await readFile(`/proc/${pid}/cmdline`, 'utf8')).not.toContain('hunter2')
    }
    await chain.stop()
  })

  it('is masked in what the program says of it', async () => {
    const code = 'console.error("bad password " + process.env.DATABASE_PASSWORD); process.exit(1)'
    expect((await failure({ backup: js(code), env })).message).toBe(
      'node ended with exit code 1: bad password ***',
    )
    expect((await failure({ backup: js(code), env, collect: 'out' })).message).toMatch(
      /bad password \*\*\*$/,
    )
  })

  it('of the program does not meddle with ours', async () => {
    const report = await dump({
      backup: js('console.log("fine")'),
      env: { NODE_OPTIONS: '--max-http-header-size=20000', LC_ALL: 'C.UTF-8' },
    })
    expect(report.contentBytes).toBe(5)
  })
})

/** Process ids of a process group. */
async function groupOf(leader: number): Promise<readonly string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const groups = await Promise.all(
    pids.map(async (pid) => {
      const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
      return text.slice(text.lastIndexOf(')') + 2).split(' ')[2]
    }),
  )
  return pids.filter((_, index) => groups[index] === String(leader))
}

describe('command: told to stop', () => {
  it('ends the program, its counter and what it started, and its dump fails', async () => {
    const code = `
      require('node:child_process').spawn('sleep', ['1000'], { stdio: 'ignore' })
      console.log('started'); setInterval(() => {}, 1000)`
    await using dumped = await sourceOf({ backup: js(code) }).dump(context, NEVER)
    if (dumped.content.kind !== 'program') throw new Error('a command dump is a program')
    const stop = new AbortController()
    const chain = await startChain([dumped.content.program], { stdin: null, signal: stop.signal })
    chain.stdout?.on('error', () => {})
    await once(chain.stdout ?? process.stdin, 'data')
    const leader = chain.pids[0] ?? 0
    expect((await groupOf(leader)).length).toBeGreaterThanOrEqual(4)
    stop.abort(new Interrupted('shutdown'))
    const [exit] = await chain.exits
    await gone(leader)
    await expect(dumped.finish(exit ?? null)).rejects.toThrow(/was killed by SIGTERM/)
  })

  it('ends a program that leaves files', async () => {
    const stop = new AbortController()
    const mark = join(folder, 'mark')
    const code =
      'fs.writeFileSync(process.argv[1], String(process.pid)); setInterval(() => {}, 1000)'
    const source = sourceOf({ backup: js(code, mark), collect: 'out' })
    const dumped = source.dump(context, stop.signal)
    dumped.catch(() => {})
    let pid = ''
    while (pid === '') pid = await readFile(mark, 'utf8').catch(() => '')
    stop.abort(new Interrupted('shutdown'))
    await expect(dumped).rejects.toBe(stop.signal.reason)
    await gone(Number(pid))
    expect(await readdir(context.scratch)).toEqual([])
  })

  it('ends the program when its reader is dead', async () => {
    await using dumped = await sourceOf({
      backup: js(
        'console.log("started"); process.on("SIGPIPE", () => {}); setInterval(() => {}, 1000); setInterval(() => process.stdout.write("x"), 10); process.stdout.on("error", () => {})',
      ),
    }).dump(context, NEVER)
    if (dumped.content.kind !== 'program') throw new Error('a command dump is a program')
    const { command: node, args, env } = dumped.content.program
    const child = spawn(node, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const ended = once(child, 'exit')
    await once(child.stdout, 'data')
    child.stdout.destroy()
    const [code] = await ended
    expect(code).not.toBe(0)
  })
})

/** Resolves once nobody is left in the group; fails after ten seconds. */
async function gone(leader: number): Promise<void> {
  const deadline = Date.now() + 10_000
  while ((await groupOf(leader)).length > 0) {
    if (Date.now() > deadline) throw new Error(`process group ${leader} lives on`)
  }
}

describe('command: a restore', () => {
  it('hands every byte to the program, which may open it as /dev/stdin', async () => {
    const out = join(folder, 'out')
    const source = sourceOf({
      backup: ['head', '-c', '3000000', '/dev/urandom'],
      restore: ['cp', '/dev/stdin', out],
    })
    await archiveTo(archive, source, context)
    const staged = await restoreFrom(archive, source, taskOf({}), context)
    expect(await readFile(out)).toEqual(await readFile(archive))
    expect(staged).toMatchObject({ moves: [], previous: null })
    expect(staged.summary).toBe('cp took 2.9 MiB')
  })

  it('fails when the program fails, and when it stops reading', async () => {
    await writeFile(archive, 'x'.repeat(3_000_000))
    for (const [restore, why] of [
      [
        js('console.error("relation exists"); process.exit(4)'),
        /node ended with exit code 4: relation/,
      ],
      [['true'], /true ended with exit code 0, but not all of its bytes passed/],
    ] as const) {
      const source = sourceOf({ backup: ['true'], restore })
      const staging = await source.stage(taskOf({}), context, NEVER)
      expect(staging.immediate).toBe(true)
      const exit = await fill(staging, archive)
      const error: unknown = await staging.finish(exit, NEVER).catch((thrown: unknown) => thrown)
      await staging.discard()
      expect(error).toBeInstanceOf(RestoreFailed)
      expect(String(error)).toMatch(why)
    }
  })

  it('without a program is refused, with the way out', async () => {
    const source = sourceOf({ backup: ['true'] })
    for (const asked of [
      source.stage(taskOf({}), context, NEVER),
      source.describe(taskOf({}), NEVER),
    ]) {
      const error: unknown = await asked.catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(RestoreFailed)
      expect((error as RestoreFailed).hint).toContain('--to FILE')
    }
    await expect(source.stage(taskOf({ only: 'a' }), context, NEVER)).rejects.toThrow(/whole/)
  })

  it('to a file never overwrites one', async () => {
    const to = join(folder, 'there')
    await writeFile(to, 'precious')
    const source = sourceOf({ backup: ['true'] })
    await expect(source.stage(taskOf({ to }), context, NEVER)).rejects.toThrow(/exists already/)
    expect(await readFile(to, 'utf8')).toBe('precious')
  })
})

describe('command: collected files', () => {
  const leave = (code: string) => js(`const dir = process.env.HOLDFAST_COLLECT_DIR; ${code}`)

  it('are a plain tar of a fresh, empty folder', async () => {
    const code =
      'if (fs.readdirSync(dir).length) process.exit(9); fs.writeFileSync(dir + "/a b", "1"); fs.mkdirSync(dir + "/d"); fs.writeFileSync(dir + "/d/c", "22"); console.log("talk")'
    const options = { backup: leave(code), collect: 'deep/out' }
    expect(sourceOf(options)).toMatchObject({ layer: 'tar', extension: '.tar' })
    for (let round = 0; round < 2; round++) {
      const report = await dump(options)
      expect(report).toMatchObject({ contentBytes: 3, facts: { collect: true, files: 2 } })
    }
    const listed = await runProgram(
      { command: 'tar', args: ['--list', '--file', archive, '--index-file', join(folder, 'list')] },
      ['ignore', 'ignore', 'pipe'],
    )
    expect(listed.code).toBe(0)
    expect((await readFile(join(folder, 'list'), 'utf8')).split('\n').sort()).toEqual([
      '',
      './',
      './a b',
      './d/',
      './d/c',
    ])
    expect(await readdir(context.scratch)).toEqual([])
  })

  it('fail the run when there are none, too few, or only old ones', async () => {
    expect((await failure({ backup: leave(''), collect: 'out' })).message).toMatch(/left no file/)
    const small = {
      backup: leave('fs.writeFileSync(dir + "/a", "1")'),
      collect: 'out',
      min_size: 2,
    }
    expect((await failure(small)).message).toMatch(/left 1 B, less than min_size, 2 B/)
    expect((await failure({ backup: ['false'], collect: 'out' })).message).toMatch(/exit code 1/)

    const out = join(folder, 'out')
    await mkdir(out)
    await writeFile(join(out, 'dump'), 'of yesterday')
    const old = { backup: leave(''), collect: UNCHANGED }
    expect((await failure(old)).message).toMatch(
      /changed nothing in .*: what lies there is from before/,
    )
    const fresh = { backup: leave('fs.writeFileSync(dir + "/new", "1")'), collect: out }
    expect((await dump(fresh)).facts).toMatchObject({ files: 2 })
    expect(await readdir(out)).toEqual(['dump', 'new'])
  })

  it('may not lead out of their folder, nor bring devices to a program', async () => {
    expect((await failure({ backup: ['true'], collect: '../out' })).message).toMatch(/leads out/)

    const mark = join(folder, 'mark')
    for (const code of [
      'fs.symlinkSync("../../etc", dir + "/link")',
      'child_process.execFileSync("mknod", [dir + "/null", "c", "1", "3"])',
    ]) {
      const source = sourceOf({
        backup: leave(`fs.writeFileSync(dir + "/a", "1"); ${code}`),
        restore: ['touch', mark],
        collect: 'out',
      })
      await archiveTo(archive, source, context)
      await expect(restoreFrom(archive, source, taskOf({}), context)).rejects.toThrow(
        /archive holds/,
      )
      await expect(stat(mark)).rejects.toThrow(/ENOENT/)
      await rm(join(context.scratch, 'collect-token'), { recursive: true, force: true })
    }
  })

  it('fail the restore when the program does', async () => {
    const source = sourceOf({
      backup: leave('fs.writeFileSync(dir + "/a", "1")'),
      restore: js('console.error("not empty"); process.exit(5)'),
      collect: 'out',
    })
    await archiveTo(archive, source, context)
    await expect(restoreFrom(archive, source, taskOf({}), context)).rejects.toThrow(
      /ended with exit code 5: not empty/,
    )
  })
})

describe('command: its block of the config', () => {
  it('names the key at fault', () => {
    const fault = (options: Options) => {
      try {
        sourceOf(options)
      } catch (error) {
        if (error instanceof ConfigError) return error.faults[0]?.path
      }
      return null
    }
    expect(fault({})).toBe('source.backup')
    expect(fault({ backup: [''] })).toBe('source.backup')
    expect(fault({ backup: ['a'], restore: [''] })).toBe('source.restore')
    expect(fault({ backup: ['a'], extension: '../x' })).toBe('source.extension')
    expect(fault({ backup: ['a'], extension: '.sql', collect: 'out' })).toBe('source.extension')
    expect(fault({ backup: ['a'], cwd: 'here' })).toBe('source.cwd')
    expect(fault({ backup: ['a'], min_size: 'much' })).toBe('source.min_size')
    expect(fault({ backup: ['a'], env: { A: 1 } })).toBe('source.env')
  })
})
