import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { makeFolder, ROOT, succeed } from './support.ts'

it('the config of Rauthy is valid and planned as its page says', async () => {
  await using folder = await makeFolder()
  const page = readFileSync(join(ROOT, 'docs', 'compat-hiqlite.md'), 'utf8')
  const [, text = ''] = /```toml\n(.*?)```/s.exec(page) ?? []
  writeFileSync(join(folder.path, 'config.toml'), text)
  const place = { cwd: folder.path, env: { TZ: 'Europe/Berlin' } }
  const valid = await succeed(['--config', 'config.toml', 'validate'], place)
  expect(valid).toContain('is valid: 1 job, 2 targets')
  expect(valid).toContain('its times are those of Europe/Berlin')
  const plan = await succeed(['--config', 'config.toml', 'plan', '--offline'], place)
  expect(plan).toContain('add job hiqlite')
  expect(plan).toContain('backup_node_1_{unix}.sqlite')
  expect(plan).toContain('pruned after hiqlite-s3')
  expect(plan).not.toMatch(/my_secret|AAECAw/)
})
