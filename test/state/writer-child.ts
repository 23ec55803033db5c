import { writeSync } from 'node:fs'
import type { Backup, Bytes } from '../../src/core/model.ts'
import { backupOf, copyOf, minute, runOf } from '../contract/history-fixtures.ts'
import { openAt } from './open-at.ts'

/** Writes backups for ever, and prints the id of each once its success is durable. */
const [path = '', name = ''] = process.argv.slice(2)
const store = await openAt(path)
writeSync(1, 'ready\n')
for (let n = 0; ; n++) {
  const run = runOf(`${name}-${n}`, name, n)
  const backup = backupOf(run, { id: `${name}-${n}` as Backup['id'] })
  await store.openRun(run)
  await store.openBackup(backup)
  await store.saveCopy(copyOf(backup, 'nas'))
  await store.closeBackup(backup.id, {
    status: 'success',
    finishedAt: minute(n),
    storedBytes: 1 as Bytes,
    contentBytes: null,
    error: null,
    warnings: [],
  })
  writeSync(1, `${backup.id}\n`)
}
