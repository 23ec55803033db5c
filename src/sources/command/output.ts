import { rm } from 'node:fs/promises'
import type { Bytes } from '../../core/model.ts'
import { SourceFailed } from '../../lib/errors.ts'
import { formatBytes } from '../../lib/size.ts'
import { faultOf, type Supervised, supervised } from '../../platform/account.ts'
import type { Exit } from '../../platform/program.ts'
import type { Dump, SourceContext, SourceReport } from '../source.ts'
import { requireProgram } from './installed.ts'
import { type CommandSettings, masked, nameOf, programOf } from './settings.ts'

const BY_HAND = 'run it by hand as the same user, with the same environment'

/** The program's standard output, counted. It starts when the content is read. */
export async function dumpOutput(
  settings: CommandSettings,
  context: SourceContext,
  signal: AbortSignal,
): Promise<Dump> {
  signal.throwIfAborted()
  await requireProgram(settings.backup, settings)
  const run = supervised(programOf(settings.backup, settings), 'output', context)
  return {
    content: { kind: 'program', program: run.program },
    finish: (exit) => judge(settings, run, exit),
    async [Symbol.asyncDispose]() {
      for (const path of run.files) await rm(path, { force: true })
    },
  }
}

async function judge(
  settings: CommandSettings,
  run: Supervised,
  exit: Exit | null,
): Promise<SourceReport> {
  const name = nameOf(settings.backup)
  const account = await run.account()
  const fault = faultOf(account, exit)
  if (fault !== null) {
    throw new SourceFailed(`${name} ${masked(fault, settings.env)}`, { hint: BY_HAND })
  }
  const contentBytes = (account?.counted ?? 0) as Bytes
  requireSize(`${name} wrote`, contentBytes, settings)
  return {
    facts: { program: name, extension: settings.extension, collect: false },
    warnings: [],
    contentBytes,
  }
}

/** Throws `SourceFailed` for less content than declared. */
export function requireSize(what: string, bytes: Bytes, { minSize }: CommandSettings): void {
  if (bytes >= minSize) return
  const said = bytes === 0 ? 'nothing' : formatBytes(bytes)
  throw new SourceFailed(`${what} ${said}, less than min_size, ${formatBytes(minSize)}`, {
    hint: 'look at what it writes; when that is right, lower min_size (0 allows nothing at all)',
  })
}
