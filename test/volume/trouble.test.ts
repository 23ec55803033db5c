import { randomBytes } from 'node:crypto'
import { appendFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { section } from '../../src/core/section.ts'
import type { Source, SourceContext, SourceReport } from '../../src/sources/source.ts'
import { wakeVolume } from '../../src/sources/volume/mend.ts'
import { volume } from '../../src/sources/volume.ts'
import { type DockerEngine, startDocker } from '../services/docker.ts'
import { makeBench } from '../support/directories.ts'
import { makeWorkspace } from '../support/holdfast.ts'
import { configOf, makeVolume, runUser, stateOf } from './support.ts'

const never = new AbortController().signal

let docker: DockerEngine

beforeAll(async () => {
  docker = await startDocker(['debian', 'busybox'])
}, 120_000)
afterAll(() => docker[Symbol.asyncDispose]())

/** Reads to the end, and meddles once the first bytes are there; what is larger than a pipe is then in the middle. */
async function dumpWhile(
  source: Source,
  context: SourceContext,
  meddle: () => Promise<void>,
): Promise<SourceReport> {
  await using dump = await source.dump(context, never)
  if (dump.content.kind !== 'stream') throw new Error('no stream')
  const far = await dump.content.open(never)
  let meddled = false
  for await (const _ of far.stdout) {
    if (!meddled) await meddle()
    meddled = true
  }
  return await dump.finish(await far.exit)
}

describe('a backup of a volume', () => {
  it('never ends well when the engine dies in the middle of it, and what it left goes with the next', async () => {
    const at = await makeVolume(docker, 'dies')
    await writeFile(at('large'), randomBytes(30_000_000))
    await using bench = await makeBench()
    const options = { volume: 'dies', docker: docker.host, via: 'helper' }
    const source = volume.configure(section('jobs.test.sources[0]', options))
    await using dump = await source.dump(bench.context, never)
    if (dump.content.kind !== 'stream') throw new Error('no stream')
    const far = await dump.content.open(never)
    const reading = (async () => {
      let isDead = false
      for await (const _ of far.stdout) {
        if (!isDead) await docker.kill()
        isDead = true
      }
    })()
    await expect(reading).rejects.toThrow(/connection|engine/)
    await expect(far.exit).rejects.toThrow()
    await docker.start()
    await bench.archive(source)
    expect(await docker.docker('ps', '--all', '--quiet')).toBe('')
  })

  it('tells as an error who stands still when the engine dies, and lets it go on later', async () => {
    await makeVolume(docker, 'away')
    await runUser(docker, 'away-up', 'away')
    await using bench = await makeBench()
    const options = { volume: 'away', docker: docker.host, stop: true }
    const source = volume.configure(section('jobs.test.sources[0]', options))
    const told: string[] = []
    const notes: (string | null)[] = []
    const context: SourceContext = {
      ...bench.context,
      keep: async (note) => void notes.push(note),
      tell: (event, message, _, level = 'info') => told.push(`${level} ${event} ${message}`),
    }
    {
      await using _dump = await source.dump(context, never)
      await docker.kill()
    }
    expect(told).toEqual([
      'info source.halted stopped away-up for volume away',
      expect.stringMatching(/^error source\.resumed not all .* away-up: /),
    ])
    await docker.start()
    expect(await stateOf(docker, 'away-up')).toBe('exited')
    const owing = { ...bench.context, keep: async (note: string | null) => void notes.push(note) }
    const done = await wakeVolume(notes.at(-1) ?? '', owing, never)
    expect(done).toBe('let go on away-up, which a backup or a restore had left standing still')
    expect(await stateOf(docker, 'away-up')).toBe('running')
    expect(notes.at(-1)).toBe(null)
  })

  it('lets go on who is left when one is removed while it stands still, and owes it nothing', async () => {
    await makeVolume(docker, 'removed')
    await runUser(docker, 'removed-one', 'removed')
    await runUser(docker, 'removed-other', 'removed')
    await using bench = await makeBench()
    const options = { volume: 'removed', docker: docker.host, via: 'helper', stop: true }
    const source = volume.configure(section('jobs.test.sources[0]', options))
    const notes: (string | null)[] = []
    const context = { ...bench.context, keep: async (note: string | null) => void notes.push(note) }
    let note = ''
    const meddle = async () => {
      note = notes.at(-1) ?? ''
      await docker.docker('rm', 'removed-one')
    }
    const { warnings, facts } = await dumpWhile(source, context, meddle)
    expect(warnings).toEqual(['removed-one was removed while it stood still'])
    expect(facts.stopped).toEqual(['removed-one', 'removed-other'])
    expect(await stateOf(docker, 'removed-other')).toBe('running')
    expect(notes.at(-1)).toBe(null)
    // A death of ours leaves no debt for ever, either.
    expect(await wakeVolume(note, context, never)).toContain('removed-one was removed')
    expect(notes.at(-1)).toBe(null)
  })

  it('by a container of ours fails when too many files change under it, and names them', async () => {
    const at = await makeVolume(docker, 'changing')
    await writeFile(at('a-large'), Buffer.alloc(40_000_000, 'x'))
    for (const name of ['b', 'c', 'd']) await writeFile(at(name), name)
    await using bench = await makeBench()
    const options = { volume: 'changing', docker: docker.host, via: 'helper', changed_limit: 0.1 }
    const source = volume.configure(section('jobs.test.sources[0]', options))
    const grown = dumpWhile(source, bench.context, () => appendFile(at('a-large'), 'more'))
    const much = '1 of 5 entries of volume changing changed while being read'
    const named = '1 files changed while being read: ./a-large'
    await expect(grown).rejects.toThrow(`${much}, more than changed_limit 0.1 allows: ${named}`)
  })

  it('fails and says why when the engine is down, and when it was never deployed', async () => {
    await using workspace = await makeWorkspace(configOf(docker, 'volume: nothing-like-it'))
    const missing = await workspace.run(['backup', 'create', 'shop'])
    expect(missing.code).not.toBe(0)
    expect(missing.stderr).toContain('volume nothing-like-it does not exist')
    expect(missing.stderr).toContain('never deployed')
    const { document } = await workspace.ok(['backup', 'list', '--json'])
    expect(document.backups).toMatchObject([
      { status: 'failed', error: expect.stringContaining('never deployed') },
    ])
    const away = configOf({ ...docker, host: `unix://${workspace.at('no.sock')}` }, 'volume: x')
    await workspace.write({ 'holdfast.yml': away })
    const down = await workspace.run(['backup', 'create', 'shop'])
    expect(down.code).not.toBe(0)
    expect(down.stderr).toContain('there is no such socket')
  })

  it('stops every app that has it, and lets each go on', async () => {
    const at = await makeVolume(docker, 'shared')
    await writeFile(at('a'), 'held fast')
    await runUser(docker, 'one-app', 'shared')
    await runUser(docker, 'other-app', 'shared')
    await using workspace = await makeWorkspace(configOf(docker, 'volume: shared, stop: true'))
    const { stderr } = await workspace.ok(['backup', 'create', 'shop'], {})
    expect(stderr).toContain('stopped one-app, other-app')
    expect(await stateOf(docker, 'one-app')).toBe('running')
    expect(await stateOf(docker, 'other-app')).toBe('running')
  })

  it('is made by the engine where neither path nor image will do, and says what that leaves out', async () => {
    const folder = join(docker.root, 'lesser')
    await mkdir(folder)
    await writeFile(join(folder, 'a'), 'held fast')
    await writeFile(join(folder, 'cache'), 'not this')
    const elsewhere = ['--opt=type=none', '--opt=o=bind', `--opt=device=${folder}`]
    await docker.docker('volume', 'create', ...elsewhere, 'lesser')
    const lesser = (via: string) =>
      configOf(docker, `volume: lesser, via: ${via}, image: "busybox:1", exclude: [cache]`)
    await using workspace = await makeWorkspace(lesser('helper'))
    const refused = await workspace.run(['backup', 'create', 'shop'])
    expect(refused.code).not.toBe(0)
    expect(refused.stderr).toContain('tar of busybox:1 cannot leave anything out')
    await workspace.write({ 'holdfast.yml': lesser('auto') })
    const { stderr } = await workspace.ok(['backup', 'create', 'shop'], {})
    expect(stderr).toContain('the engine leaves nothing out')
    const [key = ''] = (await workspace.archives('shelf')).slice(-1)
    const manifest = JSON.parse(await workspace.read('shelf', `${key}.manifest.json`))
    const wayBecause =
      'not by its path, because it is mounted only where it is used; not by a container of ours, because no image has a tar that runs: tar of busybox:1 cannot leave anything out'
    expect(manifest.source.facts).toMatchObject({ way: 'engine', wayBecause, excludes: [] })
    expect(manifest.source.facts.losses).toContain('whole seconds')
    expect(manifest.source.facts.losses).toContain('files that change while they are read')
    await workspace.ok(['restore', 'shop/lesser@latest', '--to', workspace.at('out')], {})
    expect((await readdir(workspace.at('out'))).toSorted()).toEqual(['a', 'cache'])
  })
})

describe('a container of ours', () => {
  it('is of the image that the daemon itself runs in, before any other', async () => {
    await makeVolume(docker, 'by-own')
    await runUser(docker, 'by-own-up', 'by-own')
    await docker.docker('commit', 'by-own-up', 'holdfast:own')
    const id = await docker.run('holdfast:own')
    await using workspace = await makeWorkspace(configOf(docker, 'volume: by-own, via: helper'))
    // As an engine mounts it in each container.
    const names = [join(docker.root, 'containers', id, 'hostname'), workspace.at('hostname')]
    await workspace.write({ hostname: '' })
    const script = 'mount --bind "$1" "$2"; shift 2; exec "$@"'
    const through = ['unshare', '--mount', 'sh', '-ec', script, 'sh', ...names]
    await workspace.ok(['backup', 'create', 'shop'], { through })
    const [key = ''] = await workspace.archives('shelf')
    const manifest = JSON.parse(await workspace.read('shelf', `${key}.manifest.json`))
    const image = await docker.docker('inspect', '--format', '{{.Image}}', id)
    expect(manifest.source.facts).toMatchObject({ way: 'helper', image })
  })
})

describe('a volume with nothing in it', () => {
  it.each(['path', 'helper', 'engine'])(
    'is refused where that is not allowed, read by its %s',
    async (via) => {
      const at = await makeVolume(docker, `empty-${via}`)
      await using bench = await makeBench()
      const options = { volume: `empty-${via}`, docker: docker.host, via, allow_empty: false }
      const strict = volume.configure(section('jobs.test.sources[0]', options))
      await mkdir(at('.holdfast-previous-1'))
      await writeFile(at('.holdfast-previous-1', 'a'), 'what a restore replaced')
      await expect(bench.archive(strict)).rejects.toThrow('nothing in it to back up')
      await writeFile(at('a'), '')
      expect(await bench.archive(strict)).toMatchObject({ entries: 2 })
    },
  )
})

describe('a restore of a volume', () => {
  it('that is full leaves the data alone', async () => {
    const small = ['--opt', 'type=tmpfs', '--opt', 'device=tmpfs', '--opt', 'o=size=3m']
    await docker.docker('volume', 'create', ...small, 'full')
    await runUser(docker, 'full-up', 'full')
    await docker.exec(
      'full-up',
      'sh',
      '-c',
      'head -c 2000000 /dev/urandom >/data/a; echo x >/data/b',
    )
    const before = await docker.exec('full-up', 'sha256sum', '/data/a', '/data/b')
    await using workspace = await makeWorkspace(configOf(docker, 'volume: full'))
    await workspace.ok(['backup', 'create', 'shop'], {})
    const full = await workspace.run(['restore', 'shop/full@latest', '--yes', '--force'])
    expect(full.code).not.toBe(0)
    expect(full.stderr).toContain('No space left')
    expect(await docker.exec('full-up', 'sha256sum', '/data/a', '/data/b')).toBe(before)
    expect(await docker.exec('full-up', 'ls', '-A', '/data')).toBe('a\nb')
  })

  it('keeps what the backup left out, wherever it lies, also by a container of ours', async () => {
    const at = await makeVolume(docker, 'kept')
    const words = ['--rm', '--volume', 'kept:/data', 'debian:12', 'mkdir', '-p', '/data/app/cache']
    await docker.docker('run', ...words)
    await writeFile(at('app/data'), 'held fast')
    await writeFile(at('app/cache/x'), 'cached')
    await writeFile(at('top.log'), 'log')
    const source = 'volume: kept, via: helper, exclude: [cache, "*.log"]'
    await using workspace = await makeWorkspace(configOf(docker, source))
    await workspace.ok(['backup', 'create', 'shop'], {})
    await writeFile(at('app/data'), 'lost')
    await writeFile(at('top.log'), 'more log')
    await workspace.ok(['restore', 'shop/kept@latest', '--yes'], {})
    expect(await readFile(at('app/data'), 'utf8')).toBe('held fast')
    expect(await readFile(at('app/cache/x'), 'utf8')).toBe('cached')
    expect(await readFile(at('top.log'), 'utf8')).toBe('more log')
    await writeFile(at('app/data'), 'lost')
    await workspace.ok(['restore', 'shop/kept@latest', '--yes', '--only', 'app/data'], {})
    expect(await readFile(at('app/data'), 'utf8')).toBe('held fast')
    expect(await docker.docker('ps', '--all', '--quiet', '--filter', 'label=holdfast.helper')).toBe(
      '',
    )
  })
})
