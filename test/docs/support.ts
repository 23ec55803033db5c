import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** The checkout. */
export const ROOT = join(import.meta.dirname, '..', '..')

const LIMIT = 60_000
const exec = promisify(execFile)

export interface Place {
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
}

/** How a program ended, whatever its exit code. */
export interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** A folder for one test, gone with the handle. */
export async function makeFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'holdfast-docs-'))
  const remove = () => rm(path, { recursive: true, force: true })
  return { path, [Symbol.asyncDispose]: remove }
}

/** Runs `bin/holdfast` as a person would; it sees none of the environment but what is given. */
export async function holdfast(args: readonly string[], { cwd, env }: Place): Promise<Ended> {
  return await outcome(join(ROOT, 'bin', 'holdfast'), args, {
    cwd,
    env: { PATH: process.env.PATH ?? '', HOME: cwd, HOLDFAST_HTTP: 'off', ...env },
  })
}

/** The same; throws with all it said unless it succeeds. */
export async function succeed(args: readonly string[], place: Place): Promise<string> {
  const { code, stdout, stderr } = await holdfast(args, place)
  if (code === 0) return stdout
  throw new Error(`holdfast ${args.join(' ')} ended with ${code}:\n${stdout}${stderr}`)
}

/** Runs lines of a page in bash. */
export async function bash(script: string, cwd: string): Promise<Ended> {
  const env = { PATH: process.env.PATH ?? '', HOME: cwd, LC_ALL: 'C.UTF-8' }
  return await outcome('bash', ['-e', '-c', script], { cwd, env })
}

/** Runs a command at a terminal, and types a line when it asks for a passphrase. */
export async function typeAtTerminal(command: string, line: string, cwd: string): Promise<Ended> {
  const child = spawn('script', ['-qec', command, '/dev/null'], { cwd, timeout: LIMIT })
  let stdout = ''
  child.stdout.on('data', (chunk: Buffer) => {
    const asked = /passphrase[^:]*:/i.test(stdout)
    stdout += chunk
    if (!asked && /passphrase[^:]*:/i.test(stdout)) child.stdin.write(`${line}\n`)
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return { code: code ?? 1, stdout, stderr: '' }
}

async function outcome(
  command: string,
  args: readonly string[],
  place: Required<Place>,
): Promise<Ended> {
  try {
    return { code: 0, ...(await exec(command, args, { ...place, timeout: LIMIT })) }
  } catch (error) {
    if (!isEnd(error)) throw error
    return error
  }
}

function isEnd(error: unknown): error is Error & Ended {
  return error instanceof Error && 'code' in error && typeof error.code === 'number'
}

/** A fenced block of a page: its language, the words after that, its lines. */
export interface Block {
  readonly language: string
  readonly words: readonly string[]
  readonly text: string
}

/** The fenced blocks of a page, in order. */
export async function blocksOf(page: string): Promise<readonly Block[]> {
  const text = await readFile(join(ROOT, page), 'utf8')
  return [...text.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)].map(([, info = '', body = '']) => {
    const [language = '', ...words] = info.split(' ')
    return { language, words, text: body }
  })
}
