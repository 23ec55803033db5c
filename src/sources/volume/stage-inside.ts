import type { RestoreTask, SourceContext, Staging } from '../source.ts'
import type { Place } from './place.ts'
import type { Toolbox } from './toolbox.ts'
export async function stageInside(
  _at: { place: Place; box: Toolbox; empty: boolean },
  _task: RestoreTask,
  _context: SourceContext,
  _signal: AbortSignal,
): Promise<Staging> {
  throw new Error('not yet')
}
export async function isEmptyInside(
  _place: Place,
  _box: Toolbox,
  _signal: AbortSignal,
): Promise<boolean> {
  return false
}
export async function sweepInside(_place: Place, _box: Toolbox, _token: string): Promise<void> {}
