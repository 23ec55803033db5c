// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the config's own syntax
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { interpolate } from '../../src/config/interpolate.ts'
import { faultsIn, line, loadText, SOURCE } from './support.ts'

describe('a variable', () => {
  const env = { SET: 'value', EMPTY: '', TRICK: '${SET}' }
  const cases: readonly (readonly [string, string])[] = [
    ['${SET}', 'value'],
    ['a ${SET} b ${SET}', 'a value b value'],
    ['${EMPTY}', ''],
    ['${SET:-other}', 'value'],
    ['${EMPTY:-other}', 'other'],
    ['${UNSET:-other}', 'other'],
    ['${UNSET:-}', ''],
    ['${UNSET:-a:-b ?}', 'a:-b ?'],
    ['$${SET}', '${SET}'],
    ['$SET $ {SET}', '$SET $ {SET}'],
    ['${TRICK}', '${SET}'],
  ]

  it.each(cases)('%s becomes %j', (text, expected) => {
    expect(interpolate(text, env)).toMatchObject({ text: expected, complaints: [] })
  })

  const wrong: readonly (readonly [string, string])[] = [
    ['${UNSET}', 'variable UNSET is not set'],
    ['${UNSET:?}', 'variable UNSET is not set'],
    ['${EMPTY:?say where it is}', 'EMPTY: say where it is'],
    ['${1X}', 'a variable is written ${NAME}, ${NAME:-default} or ${NAME:?message}'],
    ['${UNSET', 'a variable is written ${NAME}, ${NAME:-default} or ${NAME:?message}'],
    ['${}', 'a variable is written ${NAME}, ${NAME:-default} or ${NAME:?message}'],
  ]

  it.each(wrong)('%s is refused and stays as written', (text, message) => {
    const { complaints, ...rest } = interpolate(text, env)
    expect(complaints.map((one) => one.message)).toEqual([message])
    expect(rest.text).toBe(text)
  })
})

describe('what a variable holds', () => {
  const value = fc.string({ minLength: 1, maxLength: 60, unit: 'binary' })
  const syntax = fc.constantFrom(
    'x\n  evil: 1',
    '"], targets: [',
    '} , {',
    '&a *a',
    '# comment',
    'a: b',
    '${HOME}',
    '"""',
    "'''",
    '- - -',
    '<<: *x',
    'null',
    '[[jobs]]',
  )

  it('stays one value, whatever it looks like, in YAML and in TOML', async () => {
    const yaml = `jobs:\n  a: { source: ${SOURCE}, name: "\${V}" }`
    const toml = '[jobs.a]\nname = "${V}"\nsource = { type = "directory", path = "/srv/data" }'
    await fc.assert(
      fc.asyncProperty(fc.oneof(value, syntax), async (text) => {
        const [one] = (await loadText(yaml, { V: text })).jobs
        const [two] = (await loadText(toml, { V: text }, 'holdfast.toml')).jobs
        expect(one?.title).toBe(text)
        expect(two?.title).toBe(text)
        expect(one?.sources).toHaveLength(1)
      }),
      { numRuns: 20 },
    )
  })

  it('is the number or the flag that the schema asks for', async () => {
    const text = `limits: { nice: "\${NICE}" }\njobs:\n  a: { source: ${SOURCE}, enabled: "\${ON}", max_delete: "\${SHARE}" }`
    const desired = await loadText(text, { NICE: '7', ON: 'false', SHARE: '0.25' })
    expect(desired.limits.nice).toBe(7)
    expect(desired.jobs[0]).toMatchObject({ enabled: false, maxDelete: 0.25 })
  })

  it('is not quoted by a fault', async () => {
    const text = `jobs:\n  a:\n    source: ${SOURCE}\n    schedule: \${V}\n    timezone: \${V}\n    targets: ["\${V}"]\n    notify: ["\${V}"]\n    first_run: \${V}`
    const faults = await faultsIn(text, { V: 'hunter2' })
    expect(faults).toHaveLength(5)
    expect(faults.map(line).join('\n')).not.toContain('hunter2')
  })

  it('may be left open where the secrets are not', async () => {
    const { loadConfigText } = await import('../../src/config/load.ts')
    const desired = await loadConfigText({
      text: 'notify: { ops: { type: webhook, url_file: /nowhere/hook } }\ndata_dir: /x/${UNSET}',
      path: '/etc/holdfast/holdfast.yml',
      env: {},
      cwd: '/',
      unset: 'leave',
    })
    expect(desired.dataDir).toBe('/x/${UNSET}')
    expect(desired.notices.join('\n')).toContain('variable UNSET is not set')
    expect(desired.notices.join('\n')).toContain('cannot read the secret')
  })
})
