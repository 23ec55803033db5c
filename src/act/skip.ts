import type { SkipAction } from '../core/action.ts'
import { livingSources } from '../core/members.ts'
import type { Backup, Run } from '../core/model.ts'
import { iso } from '../lib/time.ts'
import { declaredJob, type World } from '../observe/world.ts'
import { announceRun } from './announce.ts'
import { newBackup, newRun } from './rows.ts'

/** Records a slot that cannot or must not run, once for each source: never a silent gap. */
export async function skip(action: SkipAction, world: World): Promise<void> {
  const { slot, because } = action
  const job = declaredJob(world.desired, action.subject)
  const why = whyOf(because)
  const started = newRun(job, { name: null, slot, trigger: 'schedule' }, world)
  const run: Run = { ...started, status: 'skipped', finishedAt: started.startedAt }
  await world.store.openRun(run)
  const backups: Backup[] = []
  for (const source of livingSources(job)) {
    const opened = newBackup({ job, source, run, attempt: 1, fence: 0 }, world)
    const row: Backup = { ...opened, status: 'skipped', finishedAt: opened.startedAt, error: why }
    await world.store.openBackup(row)
    backups.push(row)
  }
  await announceRun({ run, backups, copies: [], skip: because }, world)
  world.report({
    event: 'backup.skipped',
    level: 'warn',
    message: `skipped the slot ${iso(slot)} of ${job.id}: ${why}`,
    job: job.id,
    run: run.id,
    detail: { slot: iso(slot), rule: because.rule },
  })
}

function whyOf(because: SkipAction['because']): string {
  switch (because.rule) {
    case 'still-running':
      return 'the run before it was still going on'
    case 'no-target':
      return because.why
    case 'taken-by-vardo':
      return 'a Vardo on the same Redis has fired it'
  }
}
