import type { SourceKind } from './source.ts'

/** Every kind of source that the config may name, loaded when it is used. One is a file and a line. */
export const sourceKinds: ReadonlyMap<string, () => Promise<SourceKind>> = new Map([
  ['directory', async () => (await import('./directory.ts')).directory],
  ['sqlite', async () => (await import('./sqlite.ts')).sqlite],
  ['hiqlite', async () => (await import('./hiqlite.ts')).hiqlite],
  ['volume', async () => (await import('./volume.ts')).volume],
  ['command', async () => (await import('./command.ts')).command],
  ['mysql', async () => (await import('./by-container.ts')).mysql],
  ['mariadb', async () => (await import('./by-container.ts')).mariadb],
  ['mongo', async () => (await import('./by-container.ts')).mongo],
  ['postgres', async () => (await import('./postgres.ts')).postgres],
])
