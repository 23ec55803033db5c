import childProcess, { type ChildProcess } from 'node:child_process'
import fs from 'node:fs'
import fsp, { type FileHandle } from 'node:fs/promises'
import type { ClientRequest, RequestOptions } from 'node:http'
import { createRequire, syncBuiltinESMExports } from 'node:module'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'

/*
 * Preloaded into a process of Holdfast (`node --import`): kills it with SIGKILL just before or just
 * after the n-th call that its order names. The product knows nothing of it.
 *
 * A hit is written to `order.log` before the blow, so that a phase that was never reached is told
 * from one that was.
 */

/** Where to strike. */
export interface KillOrder {
  readonly phase: string
  /**
   * The function; `commit` is the end of a writing transaction of SQLite, `spawn` the start of a
   * program. `request` is one by HTTP, from its begin to the head of its answer; `sftp` one of an
   * SFTP client.
   */
  readonly on:
    | 'open'
    | 'write'
    | 'sync'
    | 'link'
    | 'unlink'
    | 'rename'
    | 'rm'
    | 'mkdir'
    | 'commit'
    | 'spawn'
    | 'request'
    | 'sftp'
  /**
   * Regular expression: on the path, for a commit on its statements, for a program on its command
   * line, for a request on `PUT /path?query`, for SFTP on `unlink /path`.
   */
  readonly match: string
  readonly when: 'before' | 'after'
  /** From 1. */
  readonly nth: number
  /** `child`: only the program that was started dies, after `delay` milliseconds. */
  readonly victim: 'self' | 'child'
  readonly delay: number
  readonly log: string
}

async function arm(order: KillOrder): Promise<void> {
  const match = new RegExp(order.match)
  let left = order.nth
  const { writeSync, openSync } = fs
  const die = () => {
    writeSync(openSync(order.log, 'a'), `${order.phase}\n`)
    process.kill(process.pid, 'SIGKILL')
  }
  const aims = (on: KillOrder['on'], at: string) =>
    order.on === on && match.test(at) && --left === 0
  /** Runs a call that may be the one. */
  const around = <T>(on: KillOrder['on'], at: string, call: () => T): T => {
    if (!aims(on, at)) return call()
    if (order.when === 'before') die()
    const result = call()
    if (!(result instanceof Promise)) die()
    return result instanceof Promise ? (result.then(die) as T) : result
  }
  wrapFiles(around)
  await wrapHandles(around)
  wrapDatabase(around)
  wrapSpawn(order, aims, die)
  if (order.on === 'request') wrapRequests(order, aims, die)
  if (order.on === 'sftp') wrapSftp(order, aims, die)
  syncBuiltinESMExports()
}

type Around = <T>(on: KillOrder['on'], at: string, call: () => T) => T

const paths = new WeakMap<object, string>()

function wrapFiles(around: Around): void {
  const { open, link, unlink, rename, rm, mkdir } = fsp
  fsp.open = ((path, ...rest) =>
    around('open', String(path), async () => {
      const handle = await open(path, ...rest)
      paths.set(handle, String(path))
      return handle
    })) as typeof open
  // By the new name: it is what the call brings about.
  fsp.link = (from, to) => around('link', String(to), () => link(from, to))
  fsp.rename = (from, to) => around('rename', `${from} -> ${to}`, () => rename(from, to))
  fsp.unlink = (path) => around('unlink', String(path), () => unlink(path))
  fsp.rm = (path, options) => around('rm', String(path), () => rm(path, options))
  fsp.mkdir = ((path: fs.PathLike, options: fs.MakeDirectoryOptions) =>
    around('mkdir', String(path), () => mkdir(path, options))) as typeof mkdir
}

async function wrapHandles(around: Around): Promise<void> {
  const probe = await fsp.open('/dev/null', 'r')
  const handles = Object.getPrototypeOf(probe) as FileHandle
  await probe.close()
  const { write, sync } = handles
  handles.write = function (this: FileHandle, ...args: Parameters<typeof write>) {
    return around('write', paths.get(this) ?? '', () => write.apply(this, args))
  } as typeof write
  handles.sync = function (this: FileHandle) {
    return around('sync', paths.get(this) ?? '', () => sync.apply(this))
  }
}

/** Statements since the transaction began, in a line each. */
const transactions = new WeakMap<DatabaseSync, string[]>()

function wrapDatabase(around: Around): void {
  const { prepare } = DatabaseSync.prototype
  DatabaseSync.prototype.prepare = function (this: DatabaseSync, sql: string) {
    const statement = prepare.call(this, sql)
    if (/^(?:insert|update|delete)/i.test(sql)) remember(this, statement, sql)
    else if (/^commit/i.test(sql)) {
      const said = (transactions.get(this) ?? []).join('\n')
      const run = statement.run.bind(statement) as () => ReturnType<StatementSync['run']>
      statement.run = () => around('commit', said, run)
      transactions.delete(this)
    }
    return statement
  }
}

function remember(database: DatabaseSync, statement: StatementSync, sql: string): void {
  const told = <T>(call: (...values: SQLInputValue[]) => T) =>
    ((...values: SQLInputValue[]) => {
      const said = `${sql} ${JSON.stringify(values)}`
      transactions.set(database, [...(transactions.get(database) ?? []), said])
      return call(...values)
    }) as never
  const { run, all } = statement
  statement.run = told(run.bind(statement) as (...values: SQLInputValue[]) => unknown)
  // What says what it wrote is read as a question is.
  statement.all = told(all.bind(statement) as (...values: SQLInputValue[]) => unknown)
}

function wrapSpawn(order: KillOrder, aims: Aims, die: () => void): void {
  const { spawn } = childProcess
  const { appendFileSync } = fs
  const strike = (child: ChildProcess) => {
    child.once('exit', (_code, signal) => {
      if (signal === 'SIGKILL') appendFileSync(order.log, `${order.phase}\n`)
    })
    if (order.delay === 0) child.kill('SIGKILL')
    else setTimeout(() => child.kill('SIGKILL'), order.delay).unref()
  }
  childProcess.spawn = ((command: string, args: readonly string[], options: object) => {
    const child = spawn(command, args, options)
    if (aims('spawn', [command, ...args].join(' '))) {
      if (order.victim === 'self') die()
      else strike(child)
    }
    return child
  }) as typeof spawn
}

type Aims = (on: KillOrder['on'], at: string) => boolean

function wrapRequests({ when }: KillOrder, aims: Aims, die: () => void): void {
  // To import it costs as much as many a command: only who is struck at a request may have it loaded.
  const http = process.getBuiltinModule('node:http')
  const { request } = http
  http.request = ((options: RequestOptions, ...rest: []): ClientRequest => {
    const isAim = aims('request', `${options.method} ${options.path}`)
    if (isAim && when === 'before') die()
    const begun = request(options, ...rest)
    return isAim ? begun.prependOnceListener('response', die) : begun
  }) as typeof request
}

type SftpCall = (...args: unknown[]) => unknown

function wrapSftp({ when }: KillOrder, aims: Aims, die: () => void): void {
  const { SFTP } = createRequire(import.meta.url)('ssh2/lib/protocol/SFTP.js')
  for (const name of ['open', 'rename', 'unlink']) {
    const call = SFTP.prototype[name] as SftpCall
    SFTP.prototype[name] = function (this: unknown, ...args: unknown[]) {
      const paths = args.filter((one) => typeof one === 'string').join(' ')
      const isAim = aims('sftp', `${name} ${paths}`)
      if (isAim && when === 'before') die()
      if (!isAim) return call.apply(this, args)
      // What comes last is called with the server's answer.
      return call.apply(this, [...args.slice(0, -1), die])
    }
  }
}

const written = process.env.KILL_AT
// Children of Holdfast that are Node themselves must live.
delete process.env.KILL_AT
delete process.env.NODE_OPTIONS
if (written !== undefined) await arm(JSON.parse(written) as KillOrder)
