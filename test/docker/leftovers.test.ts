import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync, readFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'

/** A test's process that starts an engine with a container in it, and says where. */
const PROGRAM = `
  const { startDocker } = await import(${JSON.stringify(join(import.meta.dirname, '../services/docker.ts'))})
  const docker = await startDocker(['busybox'])
  await docker.run('-v', 'data:/data', 'busybox:1', 'sleep', '4716')
  console.log(docker.root)
  setInterval(() => {}, 1000)
`

/** What of an engine in `folder` is left: its files, its processes, its mounts and cgroups. */
async function leftovers(folder: string): Promise<readonly string[]> {
  const files = await stat(folder).then(
    () => [folder],
    () => [],
  )
  const processes = globSync('/proc/[0-9]*/cmdline').filter((path) => {
    try {
      const said = readFileSync(path, 'latin1')
      return said.includes(folder) || said === 'sleep\0' + '4716\0'
    } catch {
      return false
    }
  })
  const mounts = readFileSync('/proc/self/mounts', 'utf8').includes(folder) ? ['a mount'] : []
  const cgroups = globSync(`/sys/fs/cgroup/{*/,}${basename(folder)}`)
  return [...files, ...processes, ...mounts, ...cgroups]
}

it('an engine of a test that is killed leaves nothing behind', async () => {
  const test = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [root] = (await once(createInterface({ input: test.stdout }), 'line')) as [string]
  const folder = dirname(root)
  // The folder, the engine and its containerd, a shim and the program, and at least one cgroup.
  expect((await leftovers(folder)).length).toBeGreaterThan(5)
  test.kill('SIGKILL')
  await once(test, 'exit')
  while ((await leftovers(folder)).length > 0) await sleep(50)
})
