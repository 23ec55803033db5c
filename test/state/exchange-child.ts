import { exportFile, importFile } from '../../src/state/exchange-file.ts'
import { MIGRATIONS } from '../../src/state/migrations.ts'
import { openAt } from './open-at.ts'

/** Moves a state from one place to another by way of a file. */
const [from = '', to = '', path = ''] = process.argv.slice(2)
const source = await openAt(from)
await exportFile(source, path, { deployment: 'default', exportedAt: '' })
await source.close()
const place = await openAt(to)
await importFile(place, path, MIGRATIONS.length)
await place.close()
