import { execFile } from 'node:child_process'
import { globSync, readdirSync, readFileSync } from 'node:fs'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '..', '..')
const BIOME = join(ROOT, 'node_modules', '@biomejs', `cli-linux-${process.arch}`, 'biome')

const BASE = ['lib', 'core', 'platform'] as const
const PLUGINS = ['sources/source.ts', 'targets/target.ts'] as const
const WORLD = [...BASE, 'stream', 'docker', 'state', 'leases', 'notify', ...PLUGINS] as const

/** What each layer may import besides itself, as STYLE has it. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  platform: ['lib'],
  core: ['lib'],
  view: ['core', 'lib'],
  config: [...BASE],
  stream: [...BASE],
  docker: [...BASE],
  state: [...BASE],
  leases: [...BASE],
  notify: [...BASE, 'state'],
  sources: [...BASE, 'stream', 'docker', 'sources/source.ts'],
  targets: [...BASE, 'stream', 'targets/target.ts'],
  observe: [...BASE, 'stream', 'docker', 'state', 'leases', ...PLUGINS],
  act: [...WORLD, 'observe'],
  daemon: [...WORLD, 'observe', 'act', 'config'],
  http: [...WORLD, 'observe', 'act', 'config', 'daemon', 'view'],
  cli: [...WORLD, 'observe', 'act', 'config', 'daemon', 'view', 'http'],
}

/** These decide or tell, and so do no I/O. */
const PURE = ['lib', 'core', 'view']

/** Something to import from each layer. */
const EVERYTHING = [
  ...Object.keys(LAYERS).map((layer) => `${layer}/something.ts`),
  ...PLUGINS,
  'sources/index.ts',
  'targets/index.ts',
  'main.ts',
]

const folder = await mkdtemp(join(tmpdir(), 'holdfast-gates-'))
afterAll(() => rm(folder, { recursive: true, force: true }))

function mayImport(layer: string, path: string): boolean {
  const [first = ''] = path.split('/')
  if (first === layer) return true
  return (LAYERS[layer] ?? []).some((one) => one === first || one === path)
}

interface Told {
  readonly path: string
  readonly line: number
  readonly message: string
}

/** What the linter, with our rules, says of files in a checkout of their own. */
async function lint(files: Readonly<Record<string, readonly string[]>>): Promise<readonly Told[]> {
  const checkout = await mkdtemp(join(folder, 'checkout-'))
  await cp(join(ROOT, 'biome.json'), join(checkout, 'biome.json'))
  for (const [path, lines] of Object.entries(files)) {
    await mkdir(dirname(join(checkout, path)), { recursive: true })
    await writeFile(join(checkout, path), `${lines.join('\n')}\n`)
  }
  const args = [
    'lint',
    '--reporter=json',
    '--only=style/noRestrictedImports',
    '--max-diagnostics=none',
  ]
  const output = await new Promise<string>((resolve) => {
    execFile(BIOME, args, { cwd: checkout, maxBuffer: 2 ** 26 }, (_error, stdout) =>
      resolve(stdout),
    )
  })
  const { diagnostics } = JSON.parse(output) as {
    readonly diagnostics: readonly {
      readonly message: string
      readonly location: { readonly path: string; readonly start: { readonly line: number } }
    }[]
  }
  return diagnostics.map(({ message, location }) => ({
    path: location.path,
    line: location.start.line,
    message,
  }))
}

const FORMS = [
  (path: string) => `import { a } from '${path}'`,
  (path: string) => `import type { b } from '${path}'`,
  (path: string) => `export * from '${path}'`,
  (path: string) => `export const c = import('${path}')`,
]

describe('the layer rules', () => {
  it('name every folder of the sources', () => {
    const folders = readdirSync(join(ROOT, 'src'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
    expect(folders.sort()).toEqual(Object.keys(LAYERS).sort())
  })

  it('refuse every way of importing what a layer must not know, at every depth, and say why', async () => {
    const files: Record<string, string[]> = {}
    for (const layer of Object.keys(LAYERS)) {
      for (const [below, up] of [
        ['', '../'],
        ['deep/', '../../'],
        ['deep/er/', '../../../'],
      ]) {
        const wrong = EVERYTHING.filter((path) => !mayImport(layer, path)).map((path) => up + path)
        if (PURE.includes(layer)) wrong.push('node:fs')
        const lines = wrong.flatMap((path) => FORMS.map((form) => form(path)))
        files[`src/${layer}/${below}probe.ts`] = lines
      }
    }
    const told = await lint(files)
    for (const [path, lines] of Object.entries(files)) {
      const own = told.filter((one) => one.path === path)
      const passed = lines.filter((_, index) => !own.some(({ line }) => line === index + 1))
      expect(passed, `imports that nobody refuses in ${path}`).toEqual([])
    }
    expect(told.filter(({ message }) => !/^[a-z].*[:;,] .*\.$/.test(message))).toEqual([])
  })

  it('allow what a layer needs', async () => {
    const files: Record<string, string[]> = {}
    for (const layer of Object.keys(LAYERS)) {
      const right = EVERYTHING.filter(
        (path) => mayImport(layer, path) && path.split('/')[0] !== layer,
      )
      files[`src/${layer}/probe.ts`] = [...right.map((path) => `../${path}`), './other.ts'].map(
        (path) => `import '${path}'`,
      )
    }
    files['src/sources/sqlite/probe.ts'] = ["import '../source.ts'", "import './dump.ts'"]
    files['src/main.ts'] = EVERYTHING.map((path) => `import './${path}'`)
    expect(await lint(files)).toEqual([])
  })

  it('keep a source from knowing another one', async () => {
    const kinds = ['command', 'directory', 'hiqlite', 'sqlite']
    const others = (own: string) => kinds.filter((kind) => kind !== own)
    const files = Object.fromEntries(
      kinds.map((kind) => [
        `src/sources/${kind}/probe.ts`,
        others(kind).flatMap((other) => [
          `import '../${other}.ts'`,
          `import '../${other}/settings.ts'`,
          `import '../../sources/${other}/settings.ts'`,
        ]),
      ]),
    )
    const told = await lint(files)
    expect(told.length).toBe(4 * 3 * 3)
    expect(new Set(told.map(({ message }) => message))).toEqual(
      new Set([
        'a source never knows another one: what two of them share belongs to stream, platform or lib.',
      ]),
    )
  })
})

/** Modules that each module of `src` imports, both from the checkout on; types are not loaded. */
function imports(): ReadonlyMap<string, readonly string[]> {
  const statement =
    /^(?:import|export)(?! type\b)[^'"]*? from '(\.[^']+)'|\bimport\('(\.[^']+)'\)/gm
  return new Map(
    globSync('src/**/*.ts', { cwd: ROOT }).map((file) => {
      const found = readFileSync(join(ROOT, file), 'utf8').matchAll(statement)
      return [file, [...found].map(([, still, lazy]) => join(dirname(file), still ?? lazy ?? ''))]
    }),
  )
}

describe('the sources', () => {
  it('have no cycle of modules that load each other', () => {
    const graph = imports()
    const done = new Set<string>()
    const cycles: string[] = []
    const visit = (file: string, way: readonly string[]) => {
      if (way.includes(file)) cycles.push([...way.slice(way.indexOf(file)), file].join(' → '))
      if (done.has(file) || way.includes(file)) return
      for (const next of graph.get(file) ?? []) visit(next, [...way, file])
      done.add(file)
    }
    for (const file of graph.keys()) visit(file, [])
    expect(graph.size).toBeGreaterThan(200)
    expect(cycles).toEqual([])
  })

  it('have plug-ins that load nothing of each other', () => {
    const pluginOf = (file: string) =>
      /^src\/(?:sources|targets)\/([a-z0-9]+)(?:[-/].*)?\.ts$/.exec(file)?.[1] ?? null
    const shared = [null, 'source', 'target', 'keys', 'index']
    const strange = [...imports()].flatMap(([file, modules]) =>
      modules
        .filter((module) => !shared.includes(pluginOf(file)) && !shared.includes(pluginOf(module)))
        .filter((module) => pluginOf(module) !== pluginOf(file))
        .map((module) => `${file} loads ${module}`),
    )
    expect(strange).toEqual([])
  })

  it('read no clock and no chance where they decide or tell', () => {
    const ambient = /\b(?:Date\.now|new Date\(\)|Math\.random|performance\.|process\.)/
    const found = globSync('src/{core,view}/**/*.ts', { cwd: ROOT }).filter((file) =>
      ambient.test(readFileSync(join(ROOT, file), 'utf8')),
    )
    expect(found).toEqual([])
  })
})

describe('npm run check', () => {
  it('passes on the tree as it is', async () => {
    const said = await new Promise<string>((resolve) => {
      execFile('sh', [join(ROOT, 'scripts', 'check.sh')], (error, stdout, stderr) =>
        resolve(error ? stdout + stderr : ''),
      )
    })
    expect(said).toBe('')
  })
})
