import type { TargetKind } from './target.ts'

/** Every kind of target that the config file may name; loaded when it is used. Adding one is a file and a line. */
export const targetKinds: ReadonlyMap<string, () => Promise<TargetKind>> = new Map([
  ['local', async () => (await import('./local.ts')).local],
  ['s3', async () => (await import('./s3/kinds.ts')).s3],
  ['r2', async () => (await import('./s3/kinds.ts')).r2],
  ['b2', async () => (await import('./s3/kinds.ts')).b2],
  ['ssh', async () => (await import('./ssh/ssh.ts')).ssh],
])
