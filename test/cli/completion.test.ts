import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { findProgram } from '../../src/platform/program.ts'
import { makeWorkspace } from '../support/holdfast.ts'

const run = promisify(execFile)

describe('completion', () => {
  it('is a script that bash takes, and that completes verbs and options', async () => {
    await using work = await makeWorkspace()
    const { stdout } = await work.run(['completion', 'bash'])
    await writeFile(work.at('holdfast.bash'), stdout)
    const complete = async (...words: readonly string[]) => {
      const script = `. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _holdfast; echo "\${COMPREPLY[@]}"`
      const args = ['-c', script, work.at('holdfast.bash'), 'holdfast', ...words]
      return (await run('bash', args)).stdout.trim().split(' ')
    }
    expect(await complete('')).toEqual(expect.arrayContaining(['plan', 'backup', 'restore']))
    expect(await complete('backup', 'pr')).toEqual(['prune'])
    expect(await complete('backup', 'prune', '--old')).toEqual(['--older-than'])
    expect(await complete('restore', '--t')).toEqual(['--to', '--to-volume', '--to-database'])
    expect(await complete('dril')).toEqual([''])
  })

  it('is a script that zsh and fish take, where they are installed', async () => {
    await using work = await makeWorkspace()
    for (const shell of ['zsh', 'fish']) {
      const { stdout } = await work.ok(['completion', shell])
      expect(stdout).toContain('older-than')
      if ((await findProgram(shell)) === null) continue
      await writeFile(work.at(shell), stdout)
      await run(shell, ['-n', work.at(shell)])
    }
  })
})
