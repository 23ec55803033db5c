import { MIGRATIONS } from '../../src/state/migrations.ts'
import { backupOf, runOf } from '../contract/history-fixtures.ts'
import { SECOND } from './later-migrations.ts'
import { openAt } from './open-at.ts'

/** The program of one version, at work: 50 runs. */
const [path = '', version = ''] = process.argv.slice(2)
const migrations = version === '1' ? MIGRATIONS : [...MIGRATIONS, SECOND]
const store = await openAt(path, migrations)
for (let n = 0; n < 50; n++) {
  const run = runOf(`v${version}-${n}`, `job-${version}`, n)
  await store.openRun(run)
  await store.openBackup(backupOf(run))
  await store.history({ depth: 'recent', jobs: null })
}
await store.close()
process.disconnect()
