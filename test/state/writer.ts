import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** A process that writes backups to a state, and says each that it was told is durable. */
export function writer(place: string, name: string) {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'writer-child.ts'), place, name])
  const lines = createInterface(child.stdout)
  const said: string[] = []
  lines.on('line', (line) => said.push(line))
  const ended = once(child, 'close')
  return {
    /** Resolves once it said so many lines; the first one is `ready`. */
    async says(count: number): Promise<void> {
      while (said.length < count) await once(lines, 'line')
    },
    /** What it acknowledged until it was killed, or ended by itself. */
    async kill(): Promise<readonly string[]> {
      child.kill('SIGKILL')
      await ended
      return said.slice(1)
    },
    said: () => said.length,
  }
}
