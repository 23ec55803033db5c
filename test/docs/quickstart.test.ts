import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bash, holdfast, makeFolder, type Place, ROOT, succeed } from './support.ts'

/** The quickstart runs in a copy, so that nothing is written into the checkout. */
const folder = await makeFolder()
const at = (...parts: readonly string[]) => join(folder.path, ...parts)
const quickstart = at('examples', 'quickstart')
const place: Place = {
  cwd: folder.path,
  env: { HOLDFAST_CONFIG: join(quickstart, 'holdfast.yml') },
}

interface Line {
  readonly event: string
  readonly level: string
  readonly time: string
  readonly source?: string
}

let started: Started

interface Started {
  readonly child: ChildProcess
  /** What it said before its log. */
  readonly words: string[]
  readonly log: Line[]
  /** Resolves with the first line of the log that fits, also one that was there before. */
  heard(fits: (line: Line) => boolean): Promise<Line>
}

beforeAll(async () => {
  await mkdir(at('examples'))
  const filter = (from: string) => from !== join(ROOT, 'examples', 'quickstart', 'run')
  cpSync(join(ROOT, 'examples', 'quickstart'), quickstart, { recursive: true, filter })
  symlinkSync(join(ROOT, 'bin'), at('bin'))
  started = start()
})

afterAll(async () => {
  if (started.child.exitCode === null) started.child.kill('SIGTERM')
  await folder[Symbol.asyncDispose]()
})

/** The last line of scripts/start.sh. */
function start(): Started {
  const script = readFileSync(join(ROOT, 'scripts', 'start.sh'), 'utf8')
  const [, file = ''] = /^exec \S+node (\S+)$/m.exec(script) ?? []
  const child = spawn(process.execPath, [file], {
    cwd: folder.path,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const words: string[] = []
  const log: Line[] = []
  const wanted: { fits: (line: Line) => boolean; resolve: (line: Line) => void }[] = []
  createInterface({ input: child.stdout }).on('line', (text) => {
    if (!text.startsWith('{')) return words.push(text)
    const line = JSON.parse(text) as Line
    log.push(line)
    for (const { fits, resolve } of wanted) if (fits(line)) resolve(line)
  })
  const heard = (fits: (line: Line) => boolean) => {
    const known = log.find(fits)
    if (known) return Promise.resolve(known)
    return new Promise<Line>((resolve) => wanted.push({ fits, resolve }))
  }
  return { child, words, log, heard }
}

function secondsBetween(one: Line, other: Line): number {
  return (Date.parse(other.time) - Date.parse(one.time)) / 1000
}

describe('the quickstart', () => {
  it('has backed up both sources within 10 s of its start', async () => {
    const begin = await started.heard(({ event }) => event === 'daemon.started')
    for (const name of ['notes.db', 'attachments']) {
      const done = await started.heard(
        ({ event, source }) => event === 'backup.done' && source === name,
      )
      expect(secondsBetween(begin, done)).toBeLessThanOrEqual(10)
    }
  })

  it('says which commands to try in a second terminal, and they work', async () => {
    const commands = started.words.filter((line) => /^ {2}(?:cd|export|bin\/)/.test(line))
    expect(commands.filter((line) => line.startsWith('  bin/holdfast ')).length).toBe(4)
    const to = at('attachments')
    const script = commands.join('\n').replace('/tmp/attachments', to)
    const { code, stdout, stderr } = await bash(script, '/')
    expect({ code, stderr }).toMatchObject({ code: 0 })
    expect(stdout).toMatch(/notes\/notes\.db +shelf +success/)
    expect(stdout).toMatch(/copies are sound/)
    expect(readdirSync(join(to, 'letters')).length).toBe(20)
  })

  it('takes a backup that is asked for while the daemon runs, and lists it as JSON', async () => {
    await succeed(['backup', 'create', '--name', 'by-hand'], place)
    const { backups } = JSON.parse(await succeed(['backup', 'list', '--json'], place)) as {
      readonly backups: readonly { readonly name: string | null; readonly status: string }[]
    }
    const mine = backups.filter(({ name }) => name === 'by-hand')
    expect(mine.map(({ status }) => status)).toEqual(['success', 'success'])
  })

  it('puts the directory back while the daemon runs, and says that the database is in use', async () => {
    const letters = join(quickstart, 'run', 'attachments', 'letters')
    rmSync(join(letters, 'page-7.txt'))
    await succeed(['restore', 'notes/attachments@by-hand', '--yes'], place)
    expect(readFileSync(join(letters, 'page-7.txt'), 'utf8')).toContain('Page 7.')
    const { code, stderr } = await holdfast(['restore', 'notes/notes.db', '--yes'], place)
    expect(code).toBe(1)
    expect(stderr).toContain('in use')
    using notes = new DatabaseSync(join(quickstart, 'run', 'notes.db'), { readOnly: true })
    expect(notes.prepare('pragma integrity_check').get()).toEqual({ integrity_check: 'ok' })
  })

  it('restores a database elsewhere that holds what was noted until then', async () => {
    const to = at('notes.db')
    await succeed(['restore', 'notes/notes.db@by-hand', '--to', to], place)
    using notes = new DatabaseSync(to, { readOnly: true })
    const count = notes.prepare('select count(*) as count from notes').get()?.count
    expect(Number(count)).toBeGreaterThan(0)
  })

  it('drains at Ctrl-C and leaves no error in its log', async () => {
    started.child.kill('SIGINT')
    const [code] = await once(started.child, 'exit')
    expect(code).toBe(0)
    const events = started.log.map(({ event }) => event)
    expect(events.slice(events.indexOf('daemon.draining'))).toContain('daemon.stopped')
    expect(started.log.filter(({ level }) => level === 'error')).toEqual([])
  })
})
