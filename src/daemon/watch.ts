import { realpath, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { watch } from 'chokidar'

/** Bind-mounted files and swapped symlinks raise no event that can be relied on (docs/decisions/watching.md). */
const POLL_EVERY = 500

/**
 * Calls `changed` soon after any of `files` did, until `signal` aborts: by events where the file
 * system gives them, and by looking twice a second at where each path leads and what lies there.
 */
export function watchFiles(
  files: () => readonly string[],
  changed: () => void,
  signal: AbortSignal,
): void {
  // Told to drain before it came to this: nobody would ever close the watcher.
  if (signal.aborted) return
  const watcher = watch([...new Set(files().map((file) => dirname(file)))], {
    depth: 0,
    ignoreInitial: true,
    followSymlinks: false,
  })
  watcher.on('all', () => changed()).on('error', () => {})
  signal.addEventListener('abort', () => void watcher.close(), { once: true })
  void poll(files, changed, signal)
}

async function poll(
  files: () => readonly string[],
  changed: () => void,
  signal: AbortSignal,
): Promise<void> {
  let before = await marksOf(files())
  while (!signal.aborted) {
    await sleep(POLL_EVERY, undefined, { signal, ref: false }).catch(() => {})
    const now = await marksOf(files())
    if (now !== before && !signal.aborted) changed()
    before = now
  }
}

/** Where each path leads, and what lies there: equal marks mean equal content, for all that can be told without reading. */
async function marksOf(files: readonly string[]): Promise<string> {
  const marks = await Promise.all(
    files.map(async (file) => {
      try {
        const real = await realpath(file)
        const { ino, size, mtimeNs, ctimeNs } = await stat(real, { bigint: true })
        return `${real} ${ino} ${size} ${mtimeNs} ${ctimeNs}`
      } catch {
        return `${file} absent`
      }
    }),
  )
  return marks.join('\n')
}
