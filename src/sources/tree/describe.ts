import { opendir } from 'node:fs/promises'
import type { Replacement, RestoreTask } from '../source.ts'
import { carriedOver } from './carry.ts'
import { isOwnFolder } from './excludes.ts'
import { findGoal, type Goal } from './goal.ts'
import { naming } from './names.ts'
import type { DirectorySettings } from './settings.ts'

/** What a restore would find in its way, and what it would do with it. Changes nothing. */
export async function describeDirectory(
  settings: DirectorySettings,
  task: RestoreTask,
  signal: AbortSignal,
): Promise<Replacement> {
  const goal = await findGoal(settings, task, [])
  const carried = goal.obstacles.length > 0 ? [] : await carriedOver(goal, task.facts, signal)
  return {
    to: goal.path,
    now: await nowThere(goal),
    remarks: [
      ...goal.obstacles.map((why) => `it will be refused: ${why}`),
      ...(goal.way === 'entries' ? [BY_ENTRIES] : []),
      ...(carried.length > 0
        ? [naming('paths that the backup left out stay as they are', carried)]
        : []),
      ...(goal.inPlace && goal.now !== 'nothing' ? inUse(task) : []),
    ],
  }
}

const BY_ENTRIES =
  'it cannot be renamed as a whole, so that its entries are swapped one by one, and its own mode and owner stay'

function inUse({ facts }: RestoreTask): readonly string[] {
  return [
    'programs that have files open there go on with the old ones until they are restarted',
    ...('excludes' in facts
      ? []
      : [
          'the archive has no manifest: what the backup left out is not known, and not carried over',
        ]),
  ]
}

async function nowThere({ path, now }: Goal): Promise<string> {
  switch (now) {
    case 'nothing':
      return 'nothing'
    case 'something else':
      return 'a file'
    case 'folder': {
      let entries = 0
      for await (const { name } of await opendir(path)) if (!isOwnFolder(name)) entries++
      return entries === 1 ? 'directory with 1 entry' : `directory with ${entries} entries`
    }
  }
}
