import { execFile } from 'node:child_process'
import {
  appendFile,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
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

const ROOT = resolve(import.meta.dirname, '../..')
const started = promisify(execFile)

/** Our code with an ajv of its own, which a test may exchange. */
async function installation() {
  const packages = join(folder, 'node_modules')
  await cp(join(ROOT, 'src'), join(folder, 'src'), { recursive: true })
  for (const shared of ['schema', 'package.json'])
    await symlink(join(ROOT, shared), join(folder, shared))
  await mkdir(packages)
  for (const name of await readdir(join(ROOT, 'node_modules'))) {
    const from = join(ROOT, 'node_modules', name)
    if (name === 'ajv') await cp(from, join(packages, name), { recursive: true })
    else if (!name.startsWith('.')) await symlink(from, join(packages, name))
  }
  return { packages, validator: join(folder, 'src/config/validator.ts') }
}

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

  it('is made anew by another version of what makes it', async () => {
    const { validator, packages } = await installation()
    const made = join(packages, '.cache/holdfast/validator.cjs')
    const mark = '// as it was made'
    const start = async () => {
      const program = `const { validatorOf } = await import(${JSON.stringify(validator)})
        await validatorOf(${JSON.stringify(NUMBER)})`
      await started(process.execPath, ['--input-type=module', '-e', program])
    }
    await start()
    await appendFile(made, mark)
    await start()
    expect(await readFile(made, 'utf8')).toContain(mark)
    const about = join(packages, 'ajv/package.json')
    const { version, ...rest } = JSON.parse(await readFile(about, 'utf8'))
    await writeFile(about, JSON.stringify({ ...rest, version: `${version}-next` }))
    await start()
    expect(await readFile(made, 'utf8')).not.toContain(mark)
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
