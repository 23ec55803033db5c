import { describe, expect, it } from 'vitest'
import { commandLine } from '../support/command-line.ts'
import { makeWorkspace } from '../support/holdfast.ts'

const TEN_MEGABYTES_OF_ALIASES = `x-a: &a [x]\nx-b: [${'*a, '.repeat(2.4 * 2 ** 20)}]`

const FAULTY = `
data_dir: ./state
targets: { shelf: { type: local, path: ./shelf, colour: red } }
jobs:
  never: { schedule: "0 0 31 2 *", sources: [{ type: directory, path: ./live }] }
  absurd: { schedule: "99 * * * *", sources: [{ type: directory, path: ./live }] }
  lost: { schedule: "0 2 * * *", timezone: Europe/Berlon, sources: [{ type: directory, path: ./live }], targets: [shelv] }
`

describe('a config that cannot be used', () => {
  it('ends every verb with 10, all faults with their places and hints, and nothing touched', async () => {
    await using work = await makeWorkspace(FAULTY)
    await work.write({ 'live/a': 'a' })
    const before = await work.files()
    for (const verb of ['backup create', 'daemon', 'restore files']) {
      const { code, stdout, stderr } = await work.run(verb.split(' '))
      expect([verb, code, stdout]).toEqual([verb, 10, ''])
      expect(stderr).toContain('the config has 5 faults')
      expect(stderr).toMatch(/holdfast\.yml:3:\d+ {2}targets\.shelf\.colour: /)
      expect(stderr).toMatch(/holdfast\.yml:5:\d+ {2}jobs\.never\.schedule: /)
      expect(stderr).toMatch(/holdfast\.yml:6:\d+ {2}jobs\.absurd\.schedule: /)
      expect(stderr).toMatch(/jobs\.lost\.timezone: .*\n {6}did you mean Europe\/Berlin\?/)
      expect(stderr).toMatch(/jobs\.lost\.targets.*\n {6}did you mean "shelf"\?/)
    }
    expect(await work.files()).toEqual(before)

    const { code, document } = await work.run(['validate', '--json'])
    expect(code).toBe(10)
    expect(document.error).toMatchObject({ code: 'config_invalid', at: expect.any(String) })
    expect(document.error.faults).toHaveLength(5)
    expect(document.error.faults[0]).toMatchObject({
      at: expect.stringContaining('holdfast.yml:3:'),
      path: 'targets.shelf.colour',
    })
  })

  it.each([
    ['wrong YAML', 'jobs: {{{ nope', /holdfast\.yml:1:/],
    ['ten megabytes of aliases', TEN_MEGABYTES_OF_ALIASES, /expands to more than 250,000 values/],
    ['an empty file', '', /holdfast\.yml/],
    ['an unset variable', `data_dir: "\${NOT_SET_ANYWHERE}"`, /NOT_SET_ANYWHERE/],
    ['a list', '- a\n- b\n', /holdfast\.yml/],
  ])('is told apart: %s', async (_, text, said) => {
    await using work = await makeWorkspace(text)
    const { code, stderr } = await work.run(['backup', 'create'])
    expect(stderr).toMatch(said)
    expect(code).toBe(10)
    expect(Object.keys(await work.files())).toEqual(['holdfast.yml'])
  })

  it('is told when there is none, or when two could be meant', async () => {
    await using work = await makeWorkspace()
    const none = await work.run(['plan'])
    expect([none.code, none.stderr]).toEqual([10, expect.stringContaining('holdfast config init')])
    await work.write({ 'holdfast.yml': '{}', 'vardo.yml': '{}' })
    const two = await work.run(['plan'])
    expect(two.code).toBe(10)
    expect(two.stderr).toContain('vardo.yml')
    const named = await work.run(['plan', '--config', 'nowhere.yml'])
    expect([named.code, named.stderr]).toEqual([10, expect.stringContaining('nowhere.yml')])
  })
})

describe('what this version does not build', () => {
  it('is shown by plan and refused by name at apply, daemon and backup, with nothing made', async () => {
    await using work = await makeWorkspace(`
data_dir: ./state
api_tokens: { ci: { token: hush-hush } }
targets:
  shelf: { type: local, path: ./shelf }
  far: { type: local, path: ./far }
jobs:
  files:
    sources: [{ type: directory, path: ./live }, { type: bucket, name: all, from: far }]
    targets: [shelf, far]
`)
    await work.write({ 'live/a': 'a' })
    for (const verb of ['apply --yes', 'daemon', 'backup create']) {
      const { code, stdout, stderr } = await work.run(verb.split(' '))
      expect([verb, code, stdout]).toEqual([verb, 10, ''])
      for (const what of ['api tokens', 'source type bucket'])
        expect(stderr).toContain(`${what}: not available in this version`)
      expect(stderr).toContain('take the block out')
    }
    expect(Object.keys(await work.files())).toEqual(['holdfast.yml', 'live/a'])
    const { document } = await work.ok(['plan', '--json'])
    const rules = document.warnings.filter(({ rule }: { rule: string }) => rule === 'not-available')
    expect(rules.map(({ subject }: { subject: string }) => subject)).toEqual([
      'api_tokens',
      'jobs.files.sources[1]',
    ])
    expect((await work.ok(['validate'])).stdout).toContain('not available in this version')
    const shown = await Promise.all(
      ['plan', 'plan --markdown', 'plan --json', 'config show', 'validate', 'status'].map((verb) =>
        commandLine(verb.split(' '), { cwd: work.root }),
      ),
    )
    for (const { out, err } of shown) expect(out + err).not.toMatch(/hush-hush/)
  })

  it('is refused by name as a verb, never as a typing error', async () => {
    await using work = await makeWorkspace('{}')
    for (const verb of ['drill files', 'system verify']) {
      const words = [...verb.split(' '), '--json']
      const { code, document } = await commandLine(words, { cwd: work.root })
      expect([verb, code]).toEqual([verb, 1])
      expect(document().error).toMatchObject({
        code: 'not_available',
        message: expect.stringMatching(/^holdfast [a-z ]+: not available in this version$/),
        hint: expect.stringContaining('holdfast --help'),
      })
    }
  })
})

describe('ALLOW_LOCAL_BACKUPS=false', () => {
  it('refuses every local target by name, with nothing made', async () => {
    await using work = await makeWorkspace(`
data_dir: ./state
targets: { shelf: { type: local, path: ./shelf } }
jobs: { files: { sources: [{ type: directory, path: ./live }] } }
`)
    await work.write({ 'live/a': 'a' })
    const env = { ALLOW_LOCAL_BACKUPS: 'false' }
    for (const verb of ['backup create', 'apply --yes', 'daemon']) {
      const { code, stderr } = await work.run(verb.split(' '), { env })
      expect([verb, code]).toEqual([verb, 10])
      expect(stderr).toContain('targets.shelf: local targets are forbidden by ALLOW_LOCAL_BACKUPS')
    }
    expect(Object.keys(await work.files())).toEqual(['holdfast.yml', 'live/a'])
    await work.ok(['backup', 'create'], { env: { ALLOW_LOCAL_BACKUPS: 'true' } })
  })
})
