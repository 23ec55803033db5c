import { RestoreFailed } from '../../lib/errors.ts'
import type { RestoreTask } from '../source.ts'
import { asText, listOf } from '../tree/carry.ts'
import { excluder, parsePatterns } from '../tree/excludes.ts'
import { INSIDE } from './place.ts'
import { readOut, type Session } from './session.ts'

/** Each one is looked at by programs in a container, and is a rename in the journal. */
const MAX_CARRIED = 500

/**
 * Topmost paths of the live volume that the backup left out and the restore therefore keeps: by what
 * the archive's manifest says, never by the present config.
 */
export async function carriedInside(
  session: Session,
  { facts }: RestoreTask,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const written = listOf(facts, 'excludes')
  const leftOut = listOf(facts, 'leftOut')
  if (written.length === 0 && leftOut.length === 0) return []
  const patterns = parsePatterns(written)
  if ('fault' in patterns) {
    throw new RestoreFailed(`the manifest's list of excludes ${patterns.fault}`)
  }
  const isExcluded = excluder(patterns, leftOut)
  const carried: string[] = []
  let above = ''
  const look = (path: string) => {
    // Folders are told before what is in them.
    if ((above !== '' && path.startsWith(above)) || path === '' || !isExcluded(path)) return
    above = `${path}/`
    carried.push(asText(path))
    if (carried.length > MAX_CARRIED) throw tooMany()
  }
  let open = ''
  const argv = ['find', INSIDE, '-mindepth', '1', '-printf', '%P\\0']
  const onPiece = (piece: Buffer) => {
    const paths = (open + piece.toString('latin1')).split('\0')
    open = paths.pop() ?? ''
    for (const path of paths) look(path)
  }
  await readOut(session, argv, onPiece, signal)
  // Our own folders stay by themselves.
  return carried.filter((path) => !path.startsWith('.holdfast-'))
}

function tooMany(): RestoreFailed {
  const hint = 'restore to another volume with --to-volume, and move what is needed'
  return new RestoreFailed(`more than ${MAX_CARRIED} excluded paths to carry over`, { hint })
}
