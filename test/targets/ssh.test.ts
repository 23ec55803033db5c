import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { section } from '../../src/core/section.ts'
import { Secret } from '../../src/lib/secret.ts'
import { ssh } from '../../src/targets/ssh/ssh.ts'
import { type TargetUnderTest, targetContract } from '../contract/target.ts'
import { startForeignSsh } from '../services/foreign-ssh.ts'
import { startSshd } from '../services/sshd.ts'
import { surroundings } from '../support/surroundings.ts'
import type { Server } from './ssh-support.ts'

const CHILD = join(import.meta.dirname, 'ssh-child.ts')

targetContract('ssh', async () => onServer(await startSshd()))
targetContract('ssh on a server other than OpenSSH', async () => onServer(await startForeignSsh()))

async function onServer(sshd: Server & AsyncDisposable): Promise<TargetUnderTest> {
  const root = await mkdtemp(join(tmpdir(), 'holdfast-ssh-'))
  const block = {
    host: '127.0.0.1',
    port: sshd.port,
    username: sshd.username,
    path: join(root, 'objects'),
  }
  const child = JSON.stringify({ ...block, private_key: sshd.keys.plain })
  const options = { ...block, private_key: new Secret(sshd.keys.plain) }
  return {
    target: ssh.configure(section('targets.nas', options), surroundings({ dataDir: root })),
    async killMidPut(key, token) {
      const putting = spawn(process.execPath, [CHILD, child, root, 'hang', key, token], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      await once(putting.stdout, 'data')
      putting.kill('SIGKILL')
      await once(putting, 'exit')
    },
    async [Symbol.asyncDispose]() {
      await sshd[Symbol.asyncDispose]()
      await rm(root, { recursive: true })
    },
  }
}
