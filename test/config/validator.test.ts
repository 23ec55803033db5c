import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readSchema } from '../../src/config/schema.ts'
import { validatorOf } from '../../src/config/validator.ts'

let folder: string
let file: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'validator-'))
  file = join(folder, 'cache', 'validator.cjs')
})
afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

const NUMBER = { type: 'number', 'x-message': 'how many' } as const
const TEXT = { type: 'string' } as const

describe('the validator of an installation', () => {
  it('says the same when it comes from the file as when it was made', async () => {
    const made = await validatorOf(readSchema(), file)
    const read = await validatorOf(readSchema(), file)
    expect(read).not.toBe(made)
    const value = { jobs: { a: { scedule: 1 } }, targets: { t: { type: 'local' } }, data_dir: '' }
    expect([made(value), read(value)]).toEqual([false, false])
    expect(read.errors).toEqual(made.errors)
    expect(read.errors?.length).toBeGreaterThan(2)
  })

  it('is never one of another schema', async () => {
    const number = await validatorOf(NUMBER, file)
    const text = await validatorOf(TEXT, file)
    expect([number('a'), number(1)]).toEqual([false, true])
    expect([text('a'), text(1)]).toEqual([true, false])
    expect(await readdir(dirname(file)), 'nothing is left beside it').toEqual(['validator.cjs'])
  })

  it.each([
    ['is empty', ''],
    ['is cut off', 'module.exports = function validate('],
    ['throws', 'throw new Error("no")'],
  ])('is made anew where the file %s', async (_, text) => {
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, text)
    const validate = await validatorOf(NUMBER, file)
    expect([validate('a'), validate(1)]).toEqual([false, true])
    expect(await readFile(file, 'utf8')).toContain('module.exports.label')
  })

  it('works where no file can be written', async () => {
    await writeFile(dirname(file), 'a file where the folder should be')
    const validate = await validatorOf(NUMBER, file)
    expect([validate('a'), validate(1)]).toEqual([false, true])
  })
})
