import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '..', '..')

/** The steps of the program that comes after this one. */
const MIGRATIONS = `
import { MIGRATIONS as PRESENT } from './present-migrations.ts'
import { SECOND } from './later-migrations.ts'

export const MIGRATIONS = [...PRESENT, SECOND]
`

/** An installation of the next schema version, with the packages of this one: its program. */
export async function installNextVersion(folder: string): Promise<string> {
  await mkdir(folder)
  for (const name of ['bin', 'schema', 'src', 'package.json', 'package-lock.json']) {
    await cp(join(ROOT, name), join(folder, name), { recursive: true })
  }
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  const state = join(folder, 'src', 'state')
  const steps = await readFile(join(ROOT, 'test', 'state', 'later-migrations.ts'), 'utf8')
  const present = steps.replaceAll('../../src/state/migrations', './present-migrations')
  await writeFile(join(state, 'later-migrations.ts'), present.replaceAll('../../src/state/', './'))
  await cp(join(state, 'migrations.ts'), join(state, 'present-migrations.ts'))
  await writeFile(join(state, 'migrations.ts'), MIGRATIONS)
  return join(folder, 'bin', 'holdfast')
}
