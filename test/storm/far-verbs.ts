import type { Ended } from '../support/processes.ts'
import type { FaultyLink } from '../support/proxy.ts'
import type { FarVerb } from './far-phases.ts'
import { LawBroken } from './laws.ts'
import { restoring } from './restoring.ts'
import { nextBackup } from './round.ts'
import { readRows } from './rows.ts'
import { command, type Go, type Scene } from './scene.ts'
import type { Site } from './site.ts'

/** A workspace two of whose targets are on a server, one of them behind a link of ours. */
export interface FarScene extends Scene {
  readonly site: Site
  readonly link: FaultyLink
}

/** The exit code of what met its quorum and lacks a copy. */
export const PARTIAL = 3

const SOURCES = ['files', 'app.db'] as const

/** Brings about what a verb needs, and starts it. */
export const perform: Readonly<Record<FarVerb, (scene: FarScene, go: Go) => Promise<Ended>>> = {
  backup: (_scene, go) => go(['backup', 'create']),
  async prune(scene, go) {
    const { workspace } = scene
    const { keepLast, floor } = workspace.traits()
    const there = readRows(workspace).copies.filter(
      ({ target, status }) => target === 'far' && status === 'complete',
    )
    if (there.length <= floor * SOURCES.length) await nextBackup(scene)
    await workspace.configure({ keepLast: floor })
    const ended = await go(['backup', 'prune', '--yes'])
    await workspace.configure({ keepLast })
    return ended
  },
  async copy(scene, go) {
    const { link, tell } = scene
    link.die()
    const { code, signal, stderr } = await command(scene, ['backup', 'create'])
    tell(`  backup create without far → ${signal ?? code} ${stderr.trim()}`)
    if (code !== PARTIAL)
      throw new LawBroken(`a backup without one of three targets ended with ${code}: ${stderr}`)
    link.heal()
    return await go(['apply', '--yes'])
  },
  verify: ({ dice }, go) => go(['backup', 'verify', `main/${dice.pick(SOURCES)}@latest`]),
  async restore(scene, go) {
    const source = scene.dice.pick(SOURCES)
    return await restoring(scene, source, () => go(['restore', `main/${source}`, '--yes']))
  },
  daemon: (_scene, go) => go(['daemon']),
}
