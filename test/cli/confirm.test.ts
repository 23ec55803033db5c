import { describe, expect, it } from 'vitest'
import { Interrupted } from '../../src/lib/errors.ts'
import { commandLine } from '../support/command-line.ts'
import { filesConfig, makeWorkspace } from '../support/holdfast.ts'

describe('a dangerous verb on a terminal', () => {
  it('asks once, takes a yes in words only, and does nothing without one', async () => {
    await using work = await makeWorkspace(filesConfig())
    await work.write({ 'live/a': 'old' })
    const cwd = work.root
    expect((await commandLine(['backup', 'create'], { cwd })).code).toBe(0)
    await work.write({ 'live/a': 'new' })
    const questions: string[] = []
    const answering = (answer: string) => async (question: string) => {
      questions.push(question)
      return answer
    }
    for (const answer of ['', 'n', 'yeah', 'ja']) {
      const { code, err } = await commandLine(['restore', 'files'], { cwd, ask: answering(answer) })
      expect([code, err]).toEqual([1, expect.stringContaining('not confirmed: nothing was done')])
    }
    const closed = async () => {
      throw new Error('the input is closed')
    }
    expect((await commandLine(['restore', 'files'], { cwd, ask: closed })).code).toBe(1)
    expect(await work.read('live', 'a')).toBe('new')

    const stop = new AbortController()
    const interrupting = async () => {
      stop.abort(new Interrupted('interrupted by SIGINT'))
      throw stop.signal.reason
    }
    const setting = { cwd, ask: interrupting, interrupted: stop.signal }
    expect((await commandLine(['restore', 'files'], setting)).code).toBe(130)
    expect(await work.read('live', 'a')).toBe('new')

    expect((await commandLine(['restore', 'files'], { cwd, ask: answering(' Yes ') })).code).toBe(0)
    expect(await work.read('live', 'a')).toBe('old')
    expect(questions).toEqual(Array.from({ length: 5 }, () => 'Replace it? [y/N] '))
  })
})
