import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { commandLine } from '../support/command-line.ts'
import { makeWorkspace } from '../support/holdfast.ts'

const SECRETS = [
  'pass-phrase-7f3a',
  'sign-key-7f3a-of-some-length',
  'url-token-7f3a',
  'hook-secret-7f3a',
  'env-value-7f3a',
  'vardo-secret-7f3a',
]

const CONFIG = `
data_dir: ./state
encryption: { passphrase_file: ./phrase }
signing: { type: hmac, key_file: ./sign }
targets: { shelf: { type: local, path: ./shelf } }
notify:
  hook: { type: webhook, url: "http://user:url-token-7f3a@127.0.0.1:9/url-token-7f3a", secret: hook-secret-7f3a, on: [failure, success] }
  hidden: { type: webhook, url: "http://127.0.0.1:9/", secret: "\${SECRET_OF_ENV}", on: [failure] }
jobs:
  files:
    sources:
      - { type: directory, path: ./live }
      - { type: command, name: chatty, backup: [sh, ./chatty], env: { TOKEN: env-value-7f3a } }
    notify: [hook, hidden]
`

/** Waits for `go`, and says its secret as it fails. */
const CHATTY =
  'touch running\nwhile [ ! -e go ]; do sleep 0.05; done\necho "cannot: $TOKEN" >&2\nexit 7\n'

/** Command lines of all processes of this machine, but for those that end meanwhile. */
async function commandLines(): Promise<string> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const lines = pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''))
  return (await Promise.all(lines)).join('\n')
}

describe('secrets', () => {
  it('stand in no command line, log, error, plan, manifest, state or output', async () => {
    await using work = await makeWorkspace(CONFIG)
    await work.write({
      'live/a': 'a',
      chatty: CHATTY,
      phrase: 'pass-phrase-7f3a\n',
      sign: 'sign-key-7f3a-of-some-length\n',
      'vardo.secrets.yml': 'email: { password: vardo-secret-7f3a }\n',
    })
    const env = { SECRET_OF_ENV: 'hook-secret-7f3a' }
    const backup = work.start(['backup', 'create', '--json'], { env })
    await backup.until(() => existsSync(work.at('running')))
    const processes = await commandLines()
    expect(processes).toContain('./chatty')
    await work.write({ go: '' })
    const failed = await backup.ended
    expect(failed.code).toBe(1)
    expect(failed.document.backups).toMatchObject([
      { source: 'live', status: 'success' },
      { source: 'chatty', status: 'failed', error: expect.stringContaining('***') },
    ])
    expect(failed.stderr).toContain('could not tell hook')

    const verbs = [
      ['config', 'show'],
      ['config', 'show', '--json'],
      ['plan'],
      ['plan', '--json'],
      ['plan', '--markdown'],
      ['plan', '--offline', '--json'],
      ['status', '--json'],
      ['backup', 'list', '--all', '--json'],
      ['backup', 'show', 'files/live', '--json'],
      ['job', 'list', '--json'],
      ['target', 'list', '--json'],
      ['validate', '--json'],
    ]
    const ran = await Promise.all(
      verbs.map(async (verb) => {
        const { code, out, err } = await commandLine(verb, { cwd: work.root, env })
        return { code, stdout: out, stderr: err }
      }),
    )
    expect(ran.map(({ code }) => code)).toEqual(verbs.map(() => 0))
    expect(ran[0]?.stdout).toContain('***')
    await work.write({ 'wrong.yml': CONFIG.replace('secret: hook-', 'sekret: hook-') })
    const wrong = await work.run(['plan', '-c', 'wrong.yml', '--json'], { env })
    expect(wrong.code).toBe(10)
    const listed = CONFIG.replace('secret: hook-secret-7f3a', 'secret: [hook-secret-7f3a]')
    await work.write({ 'list.yml': listed.replace('./phrase', './phrase-7f3a') })
    const list = await work.run(['plan', '-c', 'list.yml', '--json'], { env })
    expect(list.code).toBe(10)

    const written = JSON.stringify([await work.files('state'), await work.files('shelf')])
    const said = [failed, wrong, list, ...ran].map(({ stdout, stderr }) => stdout + stderr)
    for (const secret of SECRETS) {
      expect(processes).not.toContain(secret)
      expect(said.filter((text) => text.includes(secret))).toEqual([])
      expect(written).not.toContain(secret)
    }
  })
})
