import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { holdfast, ROOT } from './support.ts'

const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')
const pages = ['README.md', 'CHANGELOG.md', ...globSync('docs/**/*.md', { cwd: ROOT })]
const sources = globSync('src/**/*.ts', { cwd: ROOT })

/** Target of every link, and the line that it is in. */
function linksOf(page: string): readonly string[] {
  const prose = read(page).replaceAll(/^```[\s\S]*?^```$/gm, '')
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link)
}

/** Anchors that GitHub makes of a page's headings. */
function anchorsOf(page: string): readonly string[] {
  return [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

describe('every page', () => {
  it.each(pages)('%s links to what is there', (page) => {
    const missing = linksOf(page).filter((link) => {
      if (/^https?:/.test(link)) return false
      const [path = '', anchor] = link.split('#')
      const file = path === '' ? page : join(dirname(page), path)
      if (!existsSync(join(ROOT, file))) return true
      return anchor !== undefined && !anchorsOf(file).includes(anchor)
    })
    expect(missing).toEqual([])
  })

  it.each(pages)('%s names no file of the checkout that is not there', (page) => {
    const named = [
      ...read(page).matchAll(/`((?:src|test|docs|examples|scripts|schema)\/[^`*{ ]+)`/g),
    ]
    const missing = named.filter(([, path = '']) => !existsSync(join(ROOT, path)))
    expect(missing.map(([text]) => text)).toEqual([])
  })
})

/** A verb as its own help describes it. */
interface Verb {
  readonly flags: ReadonlyMap<string, 'alone' | 'with-value'>
  /** How many words it takes. */
  readonly most: number
}

const verbs = new Map<string, Verb>()

async function learn(words: readonly string[]): Promise<void> {
  const { stdout } = await holdfast([...words, '--help'], { cwd: ROOT })
  const inner = stdout.split('\nCommands:\n')[1]
  for (const [, name = ''] of inner?.matchAll(/^ {2}([a-z]+)/gm) ?? []) {
    if (name !== 'help') await learn([...words, name])
  }
  const [, usage = ''] = /^Usage: holdfast (.*)$/m.exec(stdout) ?? []
  const places = usage.match(/[[<][^\]>]*[\]>]/g)?.filter((one) => one !== '[options]') ?? []
  const most = places.some((one) => one.includes('…') || one.includes('...'))
    ? Number.POSITIVE_INFINITY
    : places.length
  const flags = new Map<string, 'alone' | 'with-value'>()
  for (const [, names = '', value] of stdout.matchAll(
    /^ {2}(-[^<\s][^<\n]*?)(?: (<.*?>))?(?: {2}|$)/gm,
  )) {
    for (const name of names.split(', ')) flags.set(name.trim(), value ? 'with-value' : 'alone')
  }
  if (inner === undefined || words.length === 0) verbs.set(words.join(' '), { flags, most })
}

beforeAll(() => learn([]))

/** Every command of ours that a text tells its reader to run, as words. */
function commandsIn(text: string): readonly (readonly string[])[] {
  const joined = text.replaceAll(/\\\n\s*/g, ' ')
  const known = [...verbs.keys()].map((name) => name.split(' ')[0]).filter(Boolean)
  const begin = new RegExp(
    `holdfast ((?:--config \\S+ )?(?:${known.join('|')})\\b[^\\n\`'#;,)&|>]*)`,
    'g',
  )
  return [...joined.matchAll(begin)].map(([, command = '']) =>
    command
      .replaceAll(/\$\{[^}]*\}?/g, 'X')
      .trim()
      .split(/\s+/)
      .filter((word) => word !== '…'),
  )
}

/** What is wrong with a command, or null. */
function fault(words: readonly string[]): string | null {
  const global = verbs.get('')?.flags ?? new Map()
  const name = [3, 2, 1].map((most) => words.slice(0, most).join(' ')).find((one) => verbs.has(one))
  const verb = name === undefined ? undefined : verbs.get(name)
  if (name === undefined || verb === undefined) return `no verb ${words.slice(0, 2).join(' ')}`
  const rest = words.slice(name.split(' ').length)
  let places = 0
  for (let index = 0; index < rest.length && rest[index] !== '--'; index++) {
    const word = rest[index] ?? ''
    if (!word.startsWith('-')) places++
    else {
      const kind = verb.flags.get(word) ?? global.get(word)
      if (kind === undefined) return `${name} has no ${word}`
      if (kind === 'with-value' && rest[++index] === undefined) return `${word} needs a value`
    }
  }
  return places > verb.most ? `${name} takes ${verb.most} words, not ${places}` : null
}

describe('every command that a reader is told to run', () => {
  it('is understood by the reader of commands here, and refused when it is wrong', () => {
    const text = 'Run `holdfast backup prune shop --older-than 60d`, then holdfast backup lists.'
    expect(commandsIn(text).map(fault)).toEqual([null, 'no verb backup lists.'])
    expect(fault(['plan', '--markdown', '--online'])).toBe('plan has no --online')
    expect(fault(['backup', 'show', 'a', 'b'])).toBe('backup show takes 1 words, not 2')
    expect(fault(['restore', 'a', '--to'])).toBe('--to needs a value')
  })

  it.each([...pages, ...globSync('examples/**/*.{yml,toml,ts}', { cwd: ROOT })])(
    'is one of ours in %s',
    (page) => {
      const faults = commandsIn(read(page)).flatMap((words) => fault(words) ?? [])
      expect(faults).toEqual([])
    },
  )

  it('is one of ours in every hint of the program', () => {
    const hints = sources.flatMap((file) =>
      commandsIn(read(file)).map((words) => ({ file, words, fault: fault(words) })),
    )
    expect(hints.length).toBeGreaterThan(10)
    expect(hints.filter((hint) => hint.fault !== null)).toEqual([])
  })
})
