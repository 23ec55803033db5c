import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { faultsIn, faultsOf, makeFolder } from './support.ts'

const MEGABYTE = 2 ** 20

describe('a config that is meant to hurt', () => {
  it('is refused for aliases that multiply', async () => {
    const letters = [...'abcdefghij']
    const levels = letters.slice(1).map((letter, index) => {
      const inner = Array.from({ length: 10 }, () => `*${letters[index]}`).join(', ')
      return `x-${letter}: &${letter} [${inner}]`
    })
    const faults = await faultsIn(['x-a: &a [x, x, x, x, x, x, x, x, x, x]', ...levels].join('\n'))
    expect(faults).toMatchObject([{ message: 'expands to more than 250,000 values' }])
  })

  it('is refused for ten megabytes of aliases, in little time', async () => {
    const text = `x-a: &a [x]\nx-b: [${'*a, '.repeat(2.4 * MEGABYTE)}]`
    const startedAt = performance.now()
    const faults = await faultsIn(text)
    expect(faults).toMatchObject([
      { message: 'expands to more than 250,000 values', hint: 'a config is a few hundred lines' },
    ])
    expect(performance.now() - startedAt).toBeLessThan(3000)
  })

  it.each([
    ['YAML', 'holdfast.yml', 'x-a: '],
    ['TOML', 'holdfast.toml', 'a = '],
  ])('is refused for a hundred thousand brackets in %s', async (_, name, start) => {
    const faults = await faultsIn(start + '['.repeat(100_000), {}, name)
    expect(faults).toHaveLength(1)
    expect(faults[0]?.message).toMatch(/nested/)
  })

  it('is refused beyond ten megabytes, and when it is no text', async () => {
    await using folder = await makeFolder()
    const large = await folder.write('large.yml', '#'.repeat(10 * MEGABYTE + 1))
    const binary = await folder.write('binary.yml', Uint8Array.of(0xff, 0xfe, 0))
    const messages = await Promise.all(
      [large, binary].map((path) => faultsOf(loadConfig({ path, env: {}, cwd: folder.path }))),
    )
    expect(messages.flat().map(({ at, message }) => `${at} ${message}`)).toEqual([
      'large.yml is larger than 10.0 MiB',
      'binary.yml is not UTF-8 text',
    ])
  })

  it('cannot reach the prototypes of objects', async () => {
    const text = 'x-a: 1\n__proto__: { polluted: 1 }\njobs: { __proto__: {}, constructor: {} }'
    const faults = await faultsIn(text)
    expect(faults.map(({ path }) => path)).toEqual([
      '__proto__',
      'jobs.__proto__',
      'jobs.constructor',
    ])
    expect({}).not.toHaveProperty('polluted')
  })
})
