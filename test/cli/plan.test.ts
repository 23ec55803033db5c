import { describe, expect, it } from 'vitest'
import { filesConfig, makeWorkspace } from '../support/holdfast.ts'

describe('plan and apply', () => {
  it('a fresh file is shown, refused without a yes, applied once, and then there is nothing to do', async () => {
    await using work = await makeWorkspace(
      filesConfig('schedule: "0 2 * * *"\nfirst_run: now\nretention: { keep_last: 2 }'),
    )
    await work.write({ 'live/a': 'a' })
    const shown = await work.run(['plan', '--exit-code'])
    expect(shown.code).toBe(2)
    for (const line of ['add target shelf', 'add job files', 'back up live of job files'])
      expect(shown.stdout).toContain(line)
    const asked = await work.run(['apply'])
    expect([asked.code, asked.stderr]).toEqual([1, expect.stringContaining('hint: add --yes')])
    expect(await work.archives('shelf')).toEqual([])
    expect((await work.run(['plan', '--exit-code'])).code).toBe(2)

    await work.write({ 'elsewhere.yml': await work.read('holdfast.yml') })
    await work.ok(['apply', '-f', 'elsewhere.yml', '--yes'])
    expect(await work.archives('shelf')).toHaveLength(1)
    const again = await work.ok(['apply'])
    expect(again.stdout).toContain('nothing to do')
    expect((await work.ok(['plan', '--exit-code', '--json'])).document.actions).toEqual([])
    expect((await work.ok(['backup', 'list', '--json'])).document.backups).toMatchObject([
      { verify: 'ok', keptBecause: ['last-1', 'newest-verified'] },
    ])
  })

  it('apply ends with the worst that happened, and a failed source costs no other its backup', async () => {
    await using work = await makeWorkspace(
      filesConfig(
        'first_run: now',
        '  lost: { first_run: now, sources: [{ type: directory, path: ./lost }] }',
      ),
    )
    await work.write({ 'live/a': 'a' })
    const ran = await work.run(['apply', '--yes', '--json'])
    expect(ran.code).toBe(1)
    expect(ran.document.applied).toHaveLength(3)
    expect(ran.stderr).toContain('lost does not exist')
    expect(await work.archives('shelf')).toHaveLength(1)
  })

  it('fails on what is unprotected, and no less when nobody could look or nobody is asked to', async () => {
    const docker = 'docker: { host: "unix:///nowhere/docker.sock" }'
    await using work = await makeWorkspace(filesConfig('retention: { keep_last: 2 }', docker))
    await work.write({ 'live/a': 'a' })
    expect((await work.run(['plan', '--fail-on-unprotected'])).code).toBe(4)
    const offline = await work.run(['plan', '--offline', '--fail-on-unprotected'])
    expect([offline.code, offline.stderr]).toEqual([1, expect.stringContaining('--offline')])
    await work.write({ 'holdfast.yml': filesConfig() })
    const unasked = await work.run(['plan', '--fail-on-unprotected'])
    expect([unasked.code, unasked.stderr]).toEqual([1, expect.stringContaining('discover: true')])
  })

  it('offline compares two files and looks at nothing', async () => {
    await using work = await makeWorkspace(
      filesConfig(
        'retention: { keep_last: 2 }',
        '  more: { sources: [{ type: directory, path: ./more }] }',
      ),
    )
    await work.write({ 'before.yml': filesConfig('retention: { keep_last: 5 }') })
    const offline = ['plan', '--offline', '--against', 'before.yml']
    const text = await work.run([...offline, '--exit-code'])
    expect(text.code).toBe(2)
    expect(text.stdout).toMatch(/change job files[\s\S]*keeps last 5[\s\S]*keeps last 2/)
    expect(text.stdout).toContain('add job more')
    const markdown = (await work.ok([...offline, '--markdown'])).stdout
    expect(markdown).toMatch(/^#+ /m)
    expect(markdown).toContain('| `+` | add job more |')
    expect((await work.ok(['plan', '--offline'])).stdout).toContain('add target shelf')
    expect(Object.keys(await work.files())).toEqual(['before.yml', 'holdfast.yml'])
  })

  it('plan is read-only while a retention change would delete, and tells why each other copy stays', async () => {
    await using work = await makeWorkspace(filesConfig())
    await work.write({ 'live/a': 'a' })
    for (let time = 0; time < 3; time++) await work.ok(['backup', 'create'])
    await work.write({
      'holdfast.yml': filesConfig('retention: { keep_last: 1, keep_daily: 3 }\nmax_delete: 90%'),
    })
    const keys = (await work.archives('shelf')).toReversed()
    const { stdout, code } = await work.run(['plan', '--exit-code'])
    expect(code).toBe(2)
    expect(stdout).toMatch(new RegExp(`= ${keys[0]}.*kept: last-1, daily-1`))
    for (const key of keys.slice(1)) expect(stdout).toMatch(new RegExp(`- ${key}`))
    const { document } = await work.ok(['plan', '--json'])
    const prune = document.actions.find(({ kind }: { kind: string }) => kind === 'prune')
    expect(prune).toMatchObject({
      target: 'shelf',
      group: 'system/files/live',
      keep: [{ storagePath: keys[0], keptBecause: ['last-1', 'daily-1'] }],
    })
    expect(prune.drop).toHaveLength(2)
    expect(await work.archives('shelf')).toHaveLength(3)
  })
})
