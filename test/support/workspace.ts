import { type ChildProcess, execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  appendFile,
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import type { Dice } from './dice.ts'
import type { Shelf } from './shelf.ts'
import { elsewhere, end, makeDatabase } from './sqlite.ts'

const exec = promisify(execFile)

/** What differs from one workspace to the next, and may change in its life. */
export interface Traits {
  /** Targets that must hold a backup. */
  readonly require: 1 | 2
  /** Targets that held each success, whatever became of config and state since. */
  readonly quorum: 1 | 2
  readonly encrypted: boolean
  /** Leaves `cache` out of the backup, so that a restore carries it over. */
  readonly excludes: boolean
  readonly journalMode: 'wal' | 'delete'
  readonly keepLast: number
  /** The fewest that any config in its life keeps. */
  readonly floor: number
  /** Bytes of a file that no compressor makes smaller. */
  readonly blob: number
  /** With a program's export as a third source, and a job beside that runs each minute. */
  readonly busy: boolean
}

/** A folder with live data, a config for it, and places for its backups. */
export interface Workspace extends AsyncDisposable {
  readonly root: string
  readonly shelves: readonly Shelf[]
  traits(): Traits
  at(...parts: readonly string[]): string
  /** Writes the config anew. */
  configure(traits: Partial<Traits>): Promise<void>
  /** Changes directory and database, as their users do. */
  mutate(): Promise<void>
  /** Has another process write to the database until it is stopped. */
  startWriter(): Promise<void>
  stopWriter(): Promise<void>
  isWriting(): boolean
}

export async function makeWorkspace(
  traits: Traits,
  dice: Dice,
  shelvesIn: (root: string) => readonly Shelf[],
): Promise<Workspace> {
  const root = await mkdtemp(join(tmpdir(), 'holdfast-storm-'))
  const at = (...parts: readonly string[]) => join(root, ...parts)
  const shelves = shelvesIn(root)
  let now = traits
  let generation = 0
  let writer: ChildProcess | null = null

  const stopWriter = async () => {
    if (writer) await end(writer)
    writer = null
  }
  const workspace: Workspace = {
    root,
    shelves,
    traits: () => now,
    at,
    async configure(changes) {
      now = { ...now, ...changes }
      await writeFile(at('holdfast.yml'), configOf(now, workspace, await recipient(root)))
    },
    async mutate() {
      generation++
      await mutateTree(at('live', 'files'), generation)
      if (writer === null) mutateDatabase(at('live', 'app.db'), generation)
      await appendFile(at('live', 'files', 'cache', 'kept'), `${generation}\n`)
    },
    async startWriter() {
      writer ??= await elsewhere(at('live', 'app.db'), SLOW_WRITER)
    },
    stopWriter,
    isWriting: () => writer !== null,
    async [Symbol.asyncDispose]() {
      await stopWriter()
      await rm(root, { recursive: true, force: true, maxRetries: 5 })
    },
  }
  await populate(workspace, dice)
  await workspace.configure({})
  return workspace
}

/** Commits a change of every row now and then, as `WRITER` of test/support/sqlite.ts, but leaves the processor to others. */
const SLOW_WRITER = `
  let amount = 1000000
  const move = database.prepare('update pair set a = ?, b = ?')
  const tick = () => {
    amount++
    database.exec('begin immediate')
    move.run(amount, -amount)
    database.exec('commit')
  }
  tick()
  process.stdout.write('ready')
  setInterval(tick, 20)`

async function populate({ at, traits }: Workspace, dice: Dice): Promise<void> {
  const files = at('live', 'files')
  await mkdir(join(files, 'sub', 'deep'), { recursive: true })
  await mkdir(join(files, 'cache'))
  await mkdir(at('live', 'ticks'))
  await writeFile(at('live', 'ticks', 'tick'), 'tick\n')
  await writeFile(join(files, 'sub', 'owned'), 'somebody else’s\n')
  await chown(join(files, 'sub', 'owned'), 1234, 4321)
  await chmod(join(files, 'sub', 'owned'), 0o640)
  await symlink('owned', join(files, 'sub', 'link'))
  await writeFile(join(files, 'sub', 'deep', 'blob'), noise(traits().blob, dice))
  await exec('setfattr', ['-n', 'user.storm', '-v', 'kept', join(files, 'sub', 'owned')])
  await exec('setfacl', ['-m', 'u:1234:rw', join(files, 'sub', 'deep')])
  makeDatabase(at('live', 'app.db'), traits().journalMode, 40)
  await writeFile(at('export.sh'), exportScript(at('live', 'ran')))
  if (traits().encrypted) await exec('age-keygen', ['-o', at('key')])
}

/** A run of it is proven by its line, and the line is on the disk before the first byte of output. */
function exportScript(ran: string): string {
  return `id=$(cat /proc/sys/kernel/random/uuid)\necho "$id" >> '${ran}'\nsync '${ran}'\necho "$id"\n`
}

/** Bytes that no compressor makes smaller. */
function noise(bytes: number, dice: Dice): Buffer {
  const blocks: Buffer[] = []
  const seed = String(dice.between(0, 2 ** 31))
  for (let count = 0; count * 64 < bytes; count++) {
    blocks.push(createHash('sha512').update(`${seed} ${count}`).digest())
  }
  return Buffer.concat(blocks).subarray(0, bytes)
}

async function mutateTree(files: string, generation: number): Promise<void> {
  await writeFile(join(files, 'generation'), `${generation}\n`)
  await writeFile(join(files, 'sub', `added-${generation}`), 'x'.repeat(generation))
  await rm(join(files, 'sub', `added-${generation - 3}`), { force: true })
  await chown(join(files, 'generation'), generation, 1000 + generation)
}

function mutateDatabase(path: string, generation: number): void {
  using database = new DatabaseSync(path)
  database.exec(`update pair set a = ${generation}, b = -${generation}`)
}

async function recipient(root: string): Promise<string | null> {
  const keys = await readdir(root)
  if (!keys.includes('key')) return null
  return (await exec('age-keygen', ['-y', join(root, 'key')])).stdout.trim()
}

function configOf(traits: Traits, { root, shelves }: Workspace, key: string | null): string {
  const names = shelves.map(({ name }) => name)
  const encryption = { recipients: [key], identity_file: './key' }
  const files = { type: 'directory', path: './live/files' }
  const config = {
    data_dir: './data',
    ...(key === null ? {} : { encryption }),
    targets: Object.fromEntries(shelves.map(({ name, block }) => [name, block])),
    jobs: {
      main: {
        schedule: '0 3 1 1 *',
        sources: [
          traits.excludes ? { ...files, exclude: ['cache'] } : files,
          { type: 'sqlite', path: './live/app.db' },
          ...(traits.busy ? [exportOf(root)] : []),
        ],
        targets: names,
        require: Math.min(traits.require, names.length),
        retention: { keep_last: traits.keepLast },
      },
      ...(traits.busy ? { ticks: TICKS } : {}),
    },
  }
  return JSON.stringify(config, null, 2)
}

const TICKS = {
  schedule: '* * * * *',
  source: { type: 'directory', path: './live/ticks' },
  targets: ['one'],
  retention: { keep_last: 3 },
}

function exportOf(root: string) {
  return {
    type: 'command',
    name: 'export',
    backup: ['sh', join(root, 'export.sh')],
    restore: ['cp', '/dev/stdin', join(root, 'live', 'taken')],
    extension: '.txt',
  }
}
