import { type FileHandle, open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { messageOf, Refused } from '../lib/errors.ts'
import { codeOf, syncFolder } from '../platform/files.ts'
import {
  type Counts,
  checkCounts,
  cut,
  EXCHANGED,
  FORMAT,
  type Head,
  parseHead,
  parseLine,
  type StateRow,
} from './exchange.ts'
import type { Store } from './store.ts'

/** What an export is told besides its rows. */
export type Told = Pick<Head, 'deployment' | 'exportedAt'>

/**
 * Writes the state into a new file that its owner alone reads; durable when it resolves, with the
 * number of rows of each table. Nothing is left of it when it throws, nor written over what is there.
 */
export async function exportFile(store: Store, path: string, told: Told): Promise<Counts> {
  const file = await create(path)
  try {
    const counts = tally()
    await store.exportTo({
      head: async (schema) => {
        const head: Head = { holdfast: 'state', format: FORMAT, schema, ...told }
        await file.appendFile(`${JSON.stringify(head)}\n`)
      },
      rows: async (rows) => {
        for (const row of rows) counts.add(row)
        await file.appendFile(rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
      },
    })
    await file.appendFile(`${JSON.stringify({ end: counts.all() })}\n`)
    await file.sync()
    await syncFolder(dirname(path))
    return counts.all()
  } catch (error) {
    await rm(path, { force: true })
    throw error
  } finally {
    await file.close()
  }
}

/**
 * Reads such a file into a state that is new, all or nothing. Throws `StateRefused` for one that is
 * not whole, no export, or of a newer schema than `schema`, this program's.
 */
export async function importFile(store: Store, path: string, schema: number): Promise<Counts> {
  await using file = await open(path, 'r').catch((cause: unknown) => {
    throw new Refused(`cannot read ${path}: ${messageOf(cause)}`, { cause, at: path })
  })
  const counts = tally()
  await store.importFrom(rowsOf(file, schema, counts))
  return counts.all()
}

async function* rowsOf(
  file: FileHandle,
  schema: number,
  counts: ReturnType<typeof tally>,
): AsyncGenerator<StateRow> {
  let number = 0
  let isOver = false
  for await (const line of linesOf(file)) {
    number++
    if (isOver) throw cut(`line ${number} comes after its end`)
    if (number === 1) {
      checkSchema(parseHead(line), schema)
      continue
    }
    const parsed = parseLine(line, number)
    if ('end' in parsed) {
      checkCounts(parsed.end, counts.all())
      isOver = true
      continue
    }
    counts.add(parsed)
    yield parsed
  }
  if (!isOver) throw cut('its last line is missing')
}

/** Not by `readLines`, to which U+2028 within a text ends a line. */
async function* linesOf(file: FileHandle): AsyncGenerator<string> {
  let rest = ''
  for await (const text of file.createReadStream({ encoding: 'utf8', autoClose: false })) {
    const lines = `${rest}${text}`.split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
  if (rest !== '') yield rest
}

function checkSchema(head: Head, schema: number): void {
  if (head.schema <= schema) return
  throw new Refused(
    `the file is of schema version ${head.schema}, this program works with ${schema}`,
    { hint: 'import it with the version of Holdfast that wrote it' },
  )
}

function tally() {
  const counts = new Map(EXCHANGED.map((table) => [table, 0]))
  return {
    add: ({ table }: StateRow) => {
      counts.set(table, (counts.get(table) ?? 0) + 1)
    },
    all: (): Counts => Object.fromEntries(counts),
  }
}

async function create(path: string): Promise<FileHandle> {
  return await open(path, 'wx', 0o600).catch((cause: unknown) => {
    const isThere = codeOf(cause) === 'EEXIST'
    const why = isThere ? `${path} is there already` : `cannot write ${path}: ${messageOf(cause)}`
    throw new Refused(why, { cause, at: path, hint: 'name another file' })
  })
}
