import type { Attached } from '../../docker/attached.ts'
import { startContainer } from '../../docker/containers.ts'
import { runExec, startExec } from '../../docker/exec.ts'
import { createHelper, removeContainer } from '../../docker/helper-container.ts'
import { RestoreFailed } from '../../lib/errors.ts'
import { asText } from '../tree/carry.ts'
import { TAR_ENV } from '../tree/tools.ts'
import { WRITING } from './inside.ts'
import { INSIDE, ownerOf, type Place } from './place.ts'

/** A container of ours that waits beside the volume to be given programs to run. */
export interface Session extends AsyncDisposable {
  /** Runs a short program; resolves to its exit code and what it printed. */
  run(argv: readonly string[]): Promise<{ readonly code: number | null; readonly stdout: string }>
  /** The same; throws `RestoreFailed` unless it succeeds. */
  must(argv: readonly string[]): Promise<string>
  /** Starts a program that reads from us, or whose output is long. */
  start(argv: readonly string[], input: 'pipe' | null, signal: AbortSignal): Promise<Attached>
}

/** After a death of ours it ends by itself within a week; whoever sweeps removes it before. */
const WAITING = ['sleep', '604800']
/** A flush of a busy file system, or the removal of millions of files, in milliseconds. */
const LONG = 6 * 60 * 60_000

/** Starts a session. Throws when the engine refuses; nothing is left behind then. */
export async function openSession(
  place: Place,
  image: string,
  signal: AbortSignal,
): Promise<Session> {
  const { engine, volume } = place
  const bindings = [{ from: volume.name, target: INSIDE, readOnly: false }]
  const plan = { image, argv: WAITING, bindings, capabilities: WRITING, owner: ownerOf(place) }
  const container = await createHelper(engine, plan, { hasStdin: false, signal })
  const dispose = () => removeContainer(engine, container)
  try {
    await startContainer(engine, container, signal)
  } catch (error) {
    await dispose().catch(() => {})
    throw error
  }
  const run = async (argv: readonly string[]) => {
    const options = { timeLimit: LONG, signal: new AbortController().signal }
    const { exit, stdout } = await runExec(engine, { container, argv, env: TAR_ENV }, options)
    return { code: exit.code, stdout, stderr: exit.stderr }
  }
  return {
    run,
    async must(argv) {
      const { code, stdout, stderr } = await run(argv)
      if (code === 0) return stdout
      const why = stderr.slice(-5).join('; ')
      throw new RestoreFailed(`${argv[0]} in volume ${volume.name} failed: ${why}`, {
        at: volume.name,
      })
    },
    start: (argv, input, during) =>
      startExec(
        engine,
        { container, argv, env: TAR_ENV },
        {
          timeLimit: null,
          signal: during,
          ...(input === null ? {} : { stdin: input }),
        },
      ),
    [Symbol.asyncDispose]: dispose,
  }
}

/** Reads what a program prints, however much it is. Throws `RestoreFailed` unless it succeeds. */
export async function readOut(
  session: Session,
  argv: readonly string[],
  onPiece: (piece: Buffer) => void,
  signal: AbortSignal,
): Promise<void> {
  const far = await session.start(argv, null, signal)
  for await (const piece of far.stdout) onPiece(piece)
  const { code, stderr } = await far.exit
  if (code !== 0) throw new RestoreFailed(`${argv[0]} failed: ${stderr.slice(-3).join('; ')}`)
}

/** Names in a folder, as text. */
export async function namesInside(
  session: Session,
  folder: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const argv = ['find', folder, '-mindepth', '1', '-maxdepth', '1', '-printf', '%f\\0']
  let text = ''
  await readOut(session, argv, (piece) => (text += piece.toString('latin1')), signal)
  return text.split('\0').filter(Boolean).map(asText).sort()
}
