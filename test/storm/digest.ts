import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import { examine } from '../support/sqlite.ts'
import type { Workspace } from '../support/workspace.ts'
import { fileOf } from './objects.ts'
import type { CopyRow } from './rows.ts'

const exec = promisify(execFile)

/** Everything of a tree but its own root and what is excluded: names, owners, times, attributes, bytes. */
export async function digestTree(path: string): Promise<string> {
  if (!existsSync(path)) return 'missing'
  const names = (await readdir(path)).filter((name) => name !== 'cache').sort()
  const tar = spawn(
    'tar',
    [
      ...['--create', '--file=-', '--format=posix', '--sort=name', '--numeric-owner'],
      ...['--acls', '--xattrs', '--xattrs-include=*'],
      ...['--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime'],
      `--directory=${path}`,
      ...names,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const hash = createHash('sha256')
  tar.stdout.on('data', (chunk: Buffer) => hash.update(chunk))
  const [code] = await once(tar, 'close')
  if (code !== 0) throw new Error(`tar of ${path} ended with ${code}`)
  return hash.digest('hex')
}

/** Every row of a database; a torn one throws. */
export function digestDatabase(path: string): string {
  if (!existsSync(path)) return 'missing'
  const { unpaired, integrity } = examine(path)
  if (unpaired !== 0 || integrity !== 'ok') {
    throw new Error(`the database ${path} is torn: ${unpaired} unpaired, ${integrity}`)
  }
  using database = new DatabaseSync(path, { readOnly: true })
  const hash = createHash('sha256')
  for (const row of database.prepare('select id, a, b, hex(filler) from pair').iterate()) {
    hash.update(JSON.stringify(row))
  }
  return hash.digest('hex')
}

/** Size and sha256 of a file. */
export async function digestFile(path: string): Promise<{ bytes: number; sha256: string }> {
  const content = await readFile(path)
  return { bytes: content.length, sha256: createHash('sha256').update(content).digest('hex') }
}

/** Restores an archive by stock programs alone and digests what came out. */
export async function digestArchive(
  workspace: Workspace,
  { target, key }: Pick<CopyRow, 'target' | 'key'>,
): Promise<string> {
  const path = await fileOf(workspace, `${target}/${key}`)
  const out = workspace.at('stock')
  await rm(out, { recursive: true, force: true })
  await mkdir(out)
  const opened = key.endsWith('.age') ? `age -d -i '${workspace.at('key')}'` : 'cat'
  const plain = `${opened} < '${path}' | zstd -dqc`
  if (key.includes('.tar.zst')) {
    await bash(
      `${plain} | tar --xattrs '--xattrs-include=*' --acls --numeric-owner -xp -C '${out}'`,
    )
    return await digestTree(out)
  }
  const file = `${out}/content`
  await bash(`${plain} > '${file}'`)
  return key.includes('.sqlite.zst') ? digestDatabase(file) : (await readFile(file, 'utf8')).trim()
}

async function bash(script: string): Promise<void> {
  // tar may leave the padding behind the end of an archive unread, at which zstd dies of SIGPIPE.
  const judged = `${script}; for code in "\${PIPESTATUS[@]}"; do [ $code = 0 ] || [ $code = 141 ] || exit $code; done`
  await exec('bash', ['-c', judged]).catch((error) => {
    const { code, signal, stderr } = error
    throw new Error(`${script} ended with ${signal ?? code}: ${stderr}`, { cause: error })
  })
}

/** The live data of a source of job `main`. */
export async function digestLive(
  workspace: Workspace,
  source: 'files' | 'app.db',
): Promise<string> {
  const path = workspace.at('live', source)
  return source === 'files' ? await digestTree(path) : digestDatabase(path)
}
