import type { Alias, Node, ParsedNode, YAMLMap } from 'yaml'
import { isAlias, isMap, isScalar, isSeq, Lexer, LineCounter, parseAllDocuments } from 'yaml'
import type { Faults } from './faults.ts'
import type { Entry, Place, Tree } from './tree.ts'
import { joinPath } from './tree.ts'

type Parsed = ReturnType<typeof parseAllDocuments>[number]

const MOST_VALUES = 250_000
const MOST_ALIASES = 10_000
const DEEPEST = 100
/** Characters below which a text cannot do harm. */
const LARGE = 10_000
/** Blanks, a comment, a key, a colon, quotes, an end of line. */
const TOKENS_A_VALUE = 8

/** What a syntax fault is in words. The library's own words may quote the line, and so a secret. */
const WORDS: Readonly<Record<string, string>> = {
  ALIAS_PROPS: 'an alias (*name) takes no tag or anchor of its own',
  BAD_ALIAS: 'a value that begins with * is an alias; write it in quotes',
  BAD_COLLECTION_TYPE: 'the tag does not fit the value',
  BAD_DQ_ESCAPE: 'unknown escape in a double-quoted text',
  BAD_INDENT: 'the indentation does not fit',
  BAD_SCALAR_START: 'a value cannot begin with this character; write it in quotes',
  BLOCK_AS_IMPLICIT_KEY: 'a key and its value cannot stand inside a value on one line',
  BLOCK_IN_FLOW: 'a block cannot stand inside { } or [ ]',
  COMMENT_SPACE: 'a comment needs a space before its #',
  IMPOSSIBLE: 'cannot be understood',
  KEY_OVER_1024_CHARS: 'the key is too long',
  MISSING_CHAR: 'a quote, bracket, brace, comma or colon is missing',
  MULTILINE_IMPLICIT_KEY: 'a key must stand on one line; is a colon missing?',
  MULTIPLE_ANCHORS: 'a value has one anchor at most',
  MULTIPLE_DOCS: 'unexpected second document',
  MULTIPLE_TAGS: 'a value has one tag at most',
  NON_STRING_KEY: 'a key must be text',
  TAB_AS_INDENT: 'tabs are not allowed as indentation; use spaces',
  TAG_RESOLVE_FAILED: 'tags (!name) are not understood here',
  UNEXPECTED_TOKEN: 'cannot be understood here',
}

/**
 * The documents of a YAML text, empty ones left out; null when its syntax is broken. Aliases and
 * `<<` are followed, and counted: they cannot blow up the memory. Faults never quote the text.
 */
export function parseYaml(text: string, file: string, faults: Faults): readonly Tree[] | null {
  const excess = excessOf(text)
  if (excess !== null) {
    faults.add({ file, line: 0, col: 0 }, '', excess, 'a config is a few hundred lines')
    return null
  }
  const lines = new LineCounter()
  const documents = parseAllDocuments(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: false,
  })
  const place = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return { file, line, col }
  }
  const before = faults.count()
  for (const document of documents) addSyntaxFaults(document, text, place, faults)
  if (faults.count() > before) return null
  try {
    const build = treeBuilder(place, faults)
    return documents.filter(({ contents }) => !isEmpty(contents)).map((document) => build(document))
  } catch (error) {
    if (!(error instanceof TooManyValues)) throw error
    faults.add(error.place, '', tooMany(), 'look at its aliases (*name)')
    return null
  }
}

/** Ends the building of a tree that grows without measure. */
class TooManyValues extends Error {
  readonly place: Place

  constructor(place: Place) {
    super('too many values')
    this.place = place
  }
}

function tooMany(): string {
  return `expands to more than ${MOST_VALUES.toLocaleString('en')} values`
}

/** What a large text has too much of, by its tokens: nothing is built of them yet. */
function excessOf(text: string): string | null {
  if (text.length < LARGE) return null
  let aliases = 0
  let tokens = 0
  let depth = 0
  for (const token of new Lexer().lex(text)) {
    tokens += 1
    if (token.startsWith('*')) aliases += 1
    else if (token === '[' || token === '{') depth += 1
    else if (token === ']' || token === '}') depth -= 1
    if (aliases > MOST_ALIASES || tokens > TOKENS_A_VALUE * MOST_VALUES) return tooMany()
    if (depth > DEEPEST) return 'is nested too deep'
  }
  return null
}

function isEmpty(node: ParsedNode | null): boolean {
  return node === null || (isScalar(node) && node.value === null)
}

function addSyntaxFaults(
  document: Parsed,
  text: string,
  place: (offset: number) => Place,
  faults: Faults,
): void {
  let lastLine = 0
  for (const problem of [...document.errors, ...document.warnings]) {
    const at = place(problem.pos[0])
    // One slip makes a row of complaints; the first on a line names it.
    if (at.line === lastLine) continue
    lastLine = at.line
    const line = text.split(/\r?\n/, at.line)[at.line - 1] ?? ''
    faults.add(at, '', WORDS[problem.code] ?? 'is no valid YAML', syntaxHint(line))
  }
}

function syntaxHint(line: string): string | null {
  if (/[[{].*\$\{/.test(line)) {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the config's own syntax
    return 'inside { } and [ ] a variable needs quotes: { key: "${NAME}" }'
  }
  if (/:\s*[*@]/.test(line)) return 'a schedule is written in quotes: "*/5 * * * *", "@daily"'
  return null
}

function treeBuilder(place: (offset: number) => Place, faults: Faults) {
  let values = 0
  let document: Parsed | null = null
  const open = new Set<Node>()

  const build = (node: Node | null, fallback: Place, path: string): Tree => {
    const at = node?.range ? place(node.range[0]) : fallback
    values += 1
    if (values > MOST_VALUES) throw new TooManyValues(at)
    if (isAlias(node)) return follow(node, at, path)
    if (isMap(node)) return map(node, at, path)
    if (isSeq(node)) {
      const items = node.items.map((item, index) =>
        build(item as Node | null, at, joinPath(path, index)),
      )
      return { kind: 'list', items, place: at }
    }
    return { kind: 'scalar', value: scalarValue(node), place: at, hidden: false }
  }

  const follow = (alias: Alias, at: Place, path: string): Tree => {
    const target = document === null ? undefined : alias.resolve(document)
    if (target === undefined) faults.add(at, path, `no anchor &${alias.source} stands above`)
    else if (open.has(target)) faults.add(at, path, `the alias *${alias.source} contains itself`)
    else {
      open.add(target)
      const tree = build(target, at, path)
      open.delete(target)
      return tree
    }
    return { kind: 'scalar', value: null, place: at, hidden: false }
  }

  const map = (node: YAMLMap, at: Place, path: string): Tree => {
    const entries = new Map<string, Entry>()
    const merged: Tree[] = []
    for (const pair of node.items) {
      const keyNode = pair.key as Node | null
      const keyPlace = keyNode?.range ? place(keyNode.range[0]) : at
      const key = keyText(keyNode)
      if (key === null) {
        faults.add(keyPlace, path, 'a key must be text')
        continue
      }
      const inner = joinPath(path, key)
      const value = build(pair.value as Node | null, keyPlace, inner)
      const first = entries.get(key)
      if (key === '<<') merged.push(...(value.kind === 'list' ? value.items : [value]))
      else if (first)
        faults.add(keyPlace, inner, `declared twice, first in line ${first.place.line}`)
      else entries.set(key, { place: keyPlace, value })
    }
    return { kind: 'map', entries: mergeInto(entries, merged, faults), place: at }
  }

  return (parsed: Parsed): Tree => {
    document = parsed
    return build(parsed.contents, place(0), '')
  }
}

/** Keys that are written win over those merged by `<<`, and earlier merges over later ones. */
function mergeInto(
  entries: Map<string, Entry>,
  merged: readonly Tree[],
  faults: Faults,
): ReadonlyMap<string, Entry> {
  for (const tree of merged) {
    if (tree.kind !== 'map') {
      faults.add(tree.place, '<<', 'must name a map, or a list of maps')
      continue
    }
    for (const [key, entry] of tree.entries) if (!entries.has(key)) entries.set(key, entry)
  }
  return entries
}

function keyText(node: Node | null): string | null {
  if (!isScalar(node) || node.value === null) return null
  return typeof node.value === 'string' ? node.value : (node.source ?? String(node.value))
}

function scalarValue(node: Node | null): string | number | boolean | null {
  const value: unknown = isScalar(node) ? node.value : null
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
    return value
  }
  return value === null || value === undefined ? null : String(value)
}
