import { tmpdir } from 'node:os'
import type { BegunUpload, TargetSurroundings } from '../../src/targets/target.ts'

/** What a target is configured with where no world is at hand; its uploads are remembered in here. */
export function surroundings(over: Partial<TargetSurroundings> = {}): TargetSurroundings {
  const open = new Map<string, BegunUpload>()
  return {
    allowLocal: true,
    dataDir: tmpdir(),
    uploads: {
      began: async (upload) => void open.set(upload.id, upload),
      over: async (id) => void open.delete(id),
      open: async () => [...open.values()],
    },
    report: () => {},
    ...over,
  }
}
