import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { poll } from '../support/daemon.ts'

/** A named pipe: whoever reads it waits until the test lets it pass. */
export interface Gate extends AsyncDisposable {
  readonly path: string
  /** Gives whoever waits `content` and its end; waits until somebody reads. */
  pass(content: string): Promise<void>
}

export async function openGate(): Promise<Gate> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-gate-'))
  const path = join(folder, 'gate')
  await promisify(execFile)('mkfifo', [path])
  return {
    path,
    async pass(content) {
      // Opened without waiting, so that a reader that never comes is a failed test and no hang.
      await poll(() => tryToPass(path, content), 'a reader at the gate')
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  }
}

async function tryToPass(path: string, content: string): Promise<boolean> {
  const { O_WRONLY, O_NONBLOCK } = constants
  const pipe = await open(path, O_WRONLY | O_NONBLOCK).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENXIO') return null
    throw error
  })
  if (!pipe) return false
  await pipe.write(content)
  await pipe.close()
  return true
}
