import type { Bytes } from '../../core/model.ts'
import { removeHelpers, startHelper } from '../../docker/helper.ts'
import type { Exit } from '../../platform/program.ts'
import type { FarProgram } from '../../stream/ends.ts'
import type { Dump, SourceReport } from '../source.ts'
import { endedWell, TAR_CREATE } from '../tree/dump.ts'
import { tarExcludes } from '../tree/excludes.ts'
import { indexReader } from '../tree/index-file.ts'
import { judge } from '../tree/judge.ts'
import { readTarStderr } from '../tree/tar-stderr.ts'
import { TAR_ENV, totalBytes } from '../tree/tools.ts'
import { READING, runInside } from './inside.ts'
import { INSIDE, ownerOf, type Place } from './place.ts'
import type { Toolbox } from './toolbox.ts'

/** Remarks of tar that are kept; it lists every member on the same stream. */
const MAX_REMARKS = 1000

const LESSER =
  'times are whole seconds, holes are filled, access lists and extended attributes are left out'

const TRUSTED = 'extended attributes that only the machine itself may read are left out'

/** One archive by a tar in a container of ours, which sees the volume and nothing else. */
export function dumpByHelper(place: Place, box: Toolbox): Dump {
  const index = indexReader()
  const remarks = { lines: [] as string[], total: 0 }
  return {
    content: {
      kind: 'stream',
      open: async (signal) => await start(place, box, { index, remarks }, signal),
    },
    finish: (exit) => report(place, box, { index, remarks, exit }),
    [Symbol.asyncDispose]: async () => {},
  }
}

interface Heard {
  readonly index: ReturnType<typeof indexReader>
  readonly remarks: { readonly lines: string[]; total: number }
}

async function start(
  place: Place,
  box: Toolbox,
  { index, remarks }: Heard,
  signal: AbortSignal,
): Promise<FarProgram> {
  // What an engine left that died in the middle of an earlier one.
  await removeHelpers(place.engine, ownerOf(place), signal, 'ended')
  const plan = {
    image: box.image,
    bindings: [{ from: place.volume.name, target: INSIDE, readOnly: true }],
    argv: ['tar', ...argsOf(place, box)],
    env: TAR_ENV,
    owner: ownerOf(place),
    capabilities: READING,
  }
  return await startHelper(place.engine, plan, {
    timeLimit: null,
    signal,
    onStderrLine(line) {
      const isMember = box.tar === 'gnu' ? MEMBER.test(line) : line.startsWith('.')
      if (isMember) index.take(Buffer.from(line).toString('latin1'))
      else if (remarks.total++ < MAX_REMARKS) remarks.lines.push(line)
    },
  })
}

/** `-rw-r--r-- 0/0 …`, as no remark begins. */
const MEMBER = /^[-dlhcbpsDCMNV][-rwxsStT]{9}[*+.]? /

function argsOf({ settings }: Place, box: Toolbox): readonly string[] {
  const { excludes } = settings
  if (box.tar === 'gnu') {
    return [...TAR_CREATE, `--directory=${INSIDE}`, ...tarExcludes(excludes, []), '.']
  }
  // Busybox knows shell patterns only, and matches a name without a slash at any depth.
  const patterns = excludes.map(({ kind, text }) => (kind === 'path' ? `./${text}` : text))
  const own = ['.holdfast-*']
  return [
    ...['-c', '-v', '-f', '-', '-C', INSIDE],
    ...[...patterns, ...own].flatMap((pattern) => ['--exclude', pattern]),
    '.',
  ]
}

async function report(
  place: Place,
  box: Toolbox,
  { index, remarks, exit }: Heard & { readonly exit: Exit | null },
): Promise<SourceReport> {
  const { settings, volume } = place
  const path = `volume ${volume.name}`
  const heard = exit && { ...exit, stderr: remarks.lines, stderrTotal: remarks.total }
  // Busybox has no code of its own for files that changed: each failure of it is one.
  const isLesser = box.tar === 'busybox' && heard !== null && heard.code !== 0
  const ended = endedWell(isLesser ? { ...heard, code: 2 } : heard, path)
  const contents = index.contents()
  const warnings = await judge({
    path,
    changedLimit: settings.changedLimit,
    contents,
    remarks: readTarStderr(ended),
    exit: ended,
    isFolder: (name) => isFolder(place, box, name),
  })
  const contentBytes = totalBytes(ended.stderr) as Bytes | null
  return {
    facts: {
      excludes: settings.excludes.map(({ text }) => text),
      leftOut: [],
      entries: contents.entries,
      contentBytes,
      devices: contents.devices,
      tar: box.version,
      image: box.image,
      losses: box.tar === 'busybox' ? LESSER : TRUSTED,
    },
    warnings,
    contentBytes,
  }
}

async function isFolder(place: Place, { image }: Toolbox, name: Buffer): Promise<boolean> {
  const path = `${INSIDE}/${name.toString('utf8')}`
  const asked = { image, argv: ['test', '-d', path], capabilities: READING }
  const { code } = await runInside(place, asked, new AbortController().signal)
  return code === 0
}
