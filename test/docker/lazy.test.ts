import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const exec = promisify(execFile)

/** Loads the modules that speak with engines, opens one when told, and prints whether its library came. */
const PROGRAM = `
  import { registerHooks } from 'node:module'
  let loaded = false
  registerHooks({
    load(url, context, next) {
      loaded ||= url.includes('/node_modules/dockerode/')
      return next(url, context)
    },
  })
  for (const name of ['archive', 'containers', 'exec', 'helper', 'images', 'services', 'volumes']) {
    await import('./src/docker/' + name + '.ts')
  }
  const { openEngine } = await import('./src/docker/engine.ts')
  if (process.argv[1] === 'open') await openEngine({ kind: 'tcp', host: '127.0.0.1', port: 1 })
  console.log(loaded)
`

it('the library of an engine is loaded only when one is opened', async () => {
  const loaded = async (word: string) => {
    const args = ['--input-type=module', '-e', PROGRAM, '--', word]
    return (await exec(process.execPath, args)).stdout.trim()
  }
  expect(await loaded('')).toBe('false')
  expect(await loaded('open')).toBe('true')
})
