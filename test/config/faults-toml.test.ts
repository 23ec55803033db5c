import { describe, expect, it } from 'vitest'
import { faultsIn, line } from './support.ts'

const toml = (text: string) => faultsIn(text, {}, 'holdfast.toml')

describe('a fault of a TOML config names its place, its path and the next step', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    [
      'a value',
      'drain_timeout = "soon"',
      'holdfast.toml:1:17 drain_timeout: must be a duration such as 30s, 5m, 2h, 7d, 2w, 12mo or 1y',
    ],
    [
      'a key of a table',
      '# c\n[limits]\nnice = 1\nconcurency = 2',
      'holdfast.toml:4:1 limits.concurency: unknown key "concurency" (did you mean "concurrency"?)',
    ],
    [
      'a quoted key',
      "[targets.disk]\ntype = 'local'\npath = '/b'\n'colour x' = 1",
      'holdfast.toml:4:1 targets.disk.colour x: unknown key "colour x" (known here: type, default, retention, concurrency, path, require_mount)',
    ],
    [
      'a table that lacks a key',
      '[targets.disk]\ntype = "local"',
      'holdfast.toml:1:10 targets.disk: key "path" is missing',
    ],
    [
      'a value of an inline table in a list over several lines',
      '[jobs.a]\nsources = [\n  { type = "sqlite", path = "/x.db" }, # one\n  { type = "sqlit", path = "/y.db" },\n]',
      'holdfast.toml:4:12 jobs.a.sources[1].type: must be one of "directory", "sqlite", "hiqlite", "command", "volume", "postgres", "mysql", "mariadb", "mongo", "bucket" (did you mean "sqlite"?)',
    ],
    [
      'the second of a list of tables',
      '[[jobs.a.sources]]\ntype = "sqlite"\npath = "/x.db"\n[[jobs.a.sources]]\ntype = "sqlite"\n',
      'holdfast.toml:4:1 jobs.a.sources[1]: key "path" is missing',
    ],
    [
      'a table inside the last of a list of tables',
      '[[jobs.a.sources]]\ntype = "sqlite"\npath = "/x.db"\n[jobs.a.sources.extra]\ny = 1',
      'holdfast.toml:4:17 jobs.a.sources[0].extra: unknown key "extra" (known here: type, name, path, allow_empty)',
    ],
    [
      'a dotted key behind texts that look like syntax',
      'data_dir = """\n/x # = [y]\n"""\n[jobs]\na.source.type = "sqlite"\na.source.path = \'/x".db\'\na.retry.attempts = 0',
      'holdfast.toml:7:20 jobs.a.retry.attempts: must be at least 1',
    ],
    [
      'a reference',
      '[jobs.a]\ntargets = ["nowhere"]\nsource = { type = "sqlite", path = "/x.db" }',
      'holdfast.toml:2:12 jobs.a.targets[0]: unknown target "nowhere" (declare it under "targets")',
    ],
    [
      'a key declared twice',
      'data_dir = "/a"\ndata_dir = "/b"',
      'holdfast.toml:2:1 : trying to redefine an already defined table or value',
    ],
    ['nothing', '\n# c\n', 'holdfast.toml : is empty (make one with: holdfast config init)'],
  ]

  it.each(cases)('%s', async (_, text, expected) => {
    expect((await toml(text)).map(line)).toEqual([expected])
  })
})
