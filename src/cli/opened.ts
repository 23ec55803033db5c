import { mendNotes } from '../act/notes.ts'
import { loadConfig } from '../config/load.ts'
import type { Event } from '../core/event.ts'
import type { Desired } from '../core/model.ts'
import { type Expanded, expandAndKeep, expandFresh, expandKnown } from '../daemon/expansion.ts'
import { recover } from '../daemon/recover.ts'
import { type Ambient, openSession, type Session } from '../daemon/session.ts'
import type { World } from '../observe/world.ts'
import type { Context, GlobalFlags } from './context.ts'
import { createProgress, type ProgressView } from './progress.ts'

/** A config that was loaded and its opened data_dir, for one verb. */
export interface Opened extends AsyncDisposable {
  readonly desired: Desired
  readonly world: World
}

/** Loads the config that the flags, the environment or the folder name. Throws `ConfigError`. */
export async function load(flags: GlobalFlags, context: Context): Promise<Desired> {
  return await loadConfig({ path: flags.config ?? null, env: context.env, cwd: context.cwd })
}

/**
 * Opens the world for a verb: events become lines on stderr, long work a bar on a terminal. What
 * `check` throws about the config is thrown before anything is made or touched.
 */
export async function open(
  flags: GlobalFlags,
  context: Context,
  check: (desired: Desired) => void = () => {},
  look: Look = 'known',
): Promise<Opened> {
  const declared = await load(flags, context)
  check(declared)
  const progress = createProgress(context, flags)
  await using stack = new AsyncDisposableStack()
  stack.defer(() => progress.end())
  const ambient = ambientOf(context, flags, progress)
  const session: Session = stack.use(await openSession(declared, ambient))
  const plain = session.world(declared)
  const { desired, seen } = await expandFor(declared, plain, look, context.interrupted)
  const opened = stack.move()
  return {
    desired,
    world: session.world(desired, seen),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

/**
 * How a verb learns what declarations stand for: by what was found last, by a look, or by a look that
 * others hear of.
 */
export type Look = 'known' | 'fresh' | 'remembered'

async function expandFor(
  declared: Desired,
  world: World,
  look: Look,
  signal: AbortSignal,
): Promise<Expanded> {
  if (look === 'known') return await expandKnown(declared, world)
  const expanding = look === 'fresh' ? expandFresh : expandAndKeep
  return await expanding(declared, world, { signal })
}

/**
 * The same for a verb that changes things: what a crash cut short is finished first.
 */
export async function openForWork(
  flags: GlobalFlags,
  context: Context,
  check: (desired: Desired) => void = () => {},
  look: Look = 'known',
): Promise<Opened> {
  const opened = await open(flags, context, check, look)
  await recoverAll(opened.world, context.interrupted)
  return opened
}

/** What a crash cut short, and then what it left owed beside: hooks. */
export async function recoverAll(world: World, signal: AbortSignal): Promise<void> {
  await recover(world, signal)
  await mendNotes(world, signal)
}

function ambientOf(context: Context, flags: GlobalFlags, progress: ProgressView): Ambient {
  const { env, cwd, now, version, plugins } = context
  return {
    env,
    cwd,
    now,
    version,
    plugins,
    report: linesOf(context, flags, progress),
    progress: progress.show,
  }
}

/** Events as lines on stderr. Quiet leaves warnings and errors. */
function linesOf(
  context: Context,
  flags: GlobalFlags,
  progress: ProgressView,
): (event: Event) => void {
  return ({ level, message, error }) => {
    if (level === 'debug' || (flags.quiet && level === 'info')) return
    progress.clear()
    context.err(level === 'info' ? message : `${level}: ${message}`)
    if (error?.hint) context.err(`  hint: ${error.hint}`)
  }
}
