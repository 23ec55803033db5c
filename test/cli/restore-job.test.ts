import { readFile, rm, writeFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { HASTY, startPostgres } from '../services/postgres.ts'
import { makeWorkspace } from '../support/holdfast.ts'

const CONFIG = `
data_dir: ./state
targets: { shelf: { type: local, path: ./shelf } }
jobs:
  shop:
    sources:
      - { name: uploads, type: directory, path: ./uploads }
      - { name: db, type: postgres, url: "\${DATABASE_URL}", databases: all, globals: true }
    targets: [shelf]
`

it('a job comes back on a new server by its name alone, roles before databases, after one question', async () => {
  await using old = await startPostgres(HASTY)
  await using work = await makeWorkspace(CONFIG)
  await work.write({ 'uploads/a': 'held fast' })
  const url = await old.database()
  const name = url.slice(url.lastIndexOf('/') + 1)
  await old.ask(
    url,
    `create role clerk login; create table item (id int primary key); alter table item owner to clerk;
     insert into item values (1), (2)`,
  )
  const to = (address: string) => ({ env: { DATABASE_URL: address.replace(/[^/]*$/, 'postgres') } })
  await work.ok(['backup', 'create', 'shop'], to(url))

  await using fresh = await startPostgres(HASTY)
  const there = (await fresh.database()).replace(/[^/]*$/, name)
  await writeFile(work.at('uploads', 'a'), 'lost')
  const alone = await work.run(['restore', `shop/db.${name}`, '--yes'], to(there))
  expect(alone.code).not.toBe(0)
  expect(alone.stderr).toMatch(/role "clerk" does not exist/)
  expect(alone.stderr).toContain('globals')

  const unasked = await work.run(['restore', 'shop'], to(there))
  expect(unasked.code).not.toBe(0)
  expect(unasked.stderr).toContain('add --yes')
  expect(await readFile(work.at('uploads', 'a'), 'utf8')).toBe('lost')

  const restored = await work.run(['restore', 'shop@latest', '--yes'], to(there))
  expect([restored.code, restored.stderr.match(/^restore \S+/gm)?.length]).toEqual([0, 4])
  expect(restored.stdout).toMatch(/roles: 1 made.*holdfast backup create shop\n$/s)
  expect(await readFile(work.at('uploads', 'a'), 'utf8')).toBe('held fast')
  const owner = 'select count(*), max(tableowner) from item, pg_tables where tablename = $$item$$'
  expect(await fresh.ask(there, owner)).toEqual(['2|clerk'])
})

it('a job that breaks off says what came back, what did not, and what was not begun', async () => {
  const source = (name: string) => `{ name: ${name}, type: directory, path: ./${name} }`
  const config = (names: readonly string[]) =>
    `data_dir: ./state\ntargets: { shelf: { type: local, path: ./shelf } }\njobs: { shop: { sources: [${names.map(source).join()}] } }\n`
  await using work = await makeWorkspace(config(['c', 'b', 'a', 'gone']))
  await work.write({ 'a/x': 'a', 'b/x': 'b', 'c/x': 'c', 'gone/x': 'd' })
  await work.ok(['backup', 'create'])
  await work.write({ 'holdfast.yml': config(['c', 'b', 'a', 'young']), 'young/x': 'y' })
  await work.write({ 'a/x': 'lost', 'b/x': 'lost', 'c/x': 'lost' })
  const [key = ''] = (await work.archives('shelf')).filter((path) => path.includes('/b/'))
  await rm(work.at('shelf', key))
  await writeFile(work.at('shelf', key), 'no archive')
  const broken = await work.run(['restore', 'shop', '--yes'])
  expect(broken.code).not.toBe(0)
  expect(broken.stderr).toContain('shop/gone is not declared any more: it is left as it is')
  expect(broken.stderr).toContain('shop/young has no backup that could be restored: it is left')
  expect(broken.stderr).toMatch(/^restored .*\nwhat was there is kept as \S+\/\.c\./m)
  expect(broken.stderr).toContain('shop/b was not restored; not begun: shop/a')
  const now = await Promise.all(['c', 'b', 'a'].map((name) => readFile(work.at(name, 'x'), 'utf8')))
  expect(now).toEqual(['c', 'lost', 'lost'])

  await work.ok(['backup', 'create', 'shop/c', '--name', 'before'])
  const named = await work.ok(['restore', 'shop@before', '--yes', '--json'])
  const others = ['b', 'a', 'young'].map((name) => `shop/${name} has no such backup`)
  expect(named.document.leftOut).toEqual(expect.arrayContaining(others))
  expect(named.document.restores).toMatchObject([{ to: 'shop/c' }])

  await work.write({ 'holdfast.yml': config(['c']) })
  const only = await work.ok(['restore', 'shop', '--yes', '--json'])
  expect(only.document.restores).toHaveLength(1)
  expect(only.document.leftOut).toContain('shop/a is not declared any more')

  await work.write({ 'holdfast.yml': config(['c', 'b', 'a']) })
  for (const words of [
    ['--to', 'there'],
    ['--force', '--yes'],
  ]) {
    const refused = await work.run(['restore', 'shop', ...words])
    expect(refused.stderr).toContain('shop has more than one source')
  }
})
