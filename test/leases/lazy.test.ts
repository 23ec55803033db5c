import { execFile } from 'node:child_process'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const exec = promisify(execFile)

/** Opens shared leases without Redis, and prints which modules were loaded from packages. */
const PROGRAM = `
  import { registerHooks } from 'node:module'
  const loaded = new Set()
  registerHooks({
    load(url, context, next) {
      const [, name] = /node_modules\\/([^/]+)\\//.exec(url) ?? []
      if (name) loaded.add(name)
      return next(url, context)
    },
  })
  const { openSqliteStore } = await import('./src/state/sqlite.ts')
  const { openSharedLeases } = await import('./src/leases/shared.ts')
  const store = await openSqliteStore({ path: process.argv[2] })
  const { Secret } = await import('./src/lib/secret.ts')
  const life = () => ({ id: 'one', name: 'one', labels: [] })
  const redis = process.argv[1] === '' ? null : new Secret(process.argv[1])
  const options = { store, deployment: 'd', life, report() {}, now: Date.now }
  const { leases, slots } = await openSharedLeases({ ...options, redis })
  await leases.close()
  const ours = ['ioredis', 'redlock'].filter((name) => loaded.has(name))
  console.log(JSON.stringify({ ours, slots: slots !== null }))
`

it('an instance without Redis loads none of its drivers, and one with it does', async () => {
  expect(await loadedWith('')).toEqual({ ours: [], slots: false })
  // Nobody listens there: it opens all the same.
  expect(await loadedWith('redis://127.0.0.1:1')).toEqual({
    ours: ['ioredis', 'redlock'],
    slots: true,
  })
})

async function loadedWith(redis: string): Promise<unknown> {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'holdfast-lazy-'))
  const args = ['--input-type=module', '-e', PROGRAM, '--', redis, join(folder.path, 'state')]
  const { stdout } = await exec(process.execPath, args)
  return JSON.parse(stdout)
}
