import { pipeline, type Readable, Transform } from 'node:stream'
import type { Bytes } from '../../core/model.ts'
import { readArchive } from '../../docker/archive.ts'
import { withShelf } from '../../docker/helper.ts'
import { SourceFailed } from '../../lib/errors.ts'
import type { FarProgram } from '../../stream/ends.ts'
import { walkTar } from '../../stream/tar-walk.ts'
import type { Dump } from '../source.ts'
import { isOwnFolder } from '../tree/excludes.ts'
import { INSIDE, ownerOf, type Place } from './place.ts'

const LOSSES =
  'times are whole seconds, holes are filled, and sockets, access lists, extended attributes and whatever it cannot read are left out; files that change while they are read are not noticed'

/** One archive by the engine itself, of a container that is made for it and never runs. */
export function dumpByEngine(place: Place, image: string): Dump {
  const { excludes } = place.settings
  let bytes = 0
  let entries = 0
  const heard: Heard = {
    onBytes(more) {
      bytes += more
    },
    onMember(name) {
      // What lies in a folder of ours is nothing of the volume's own.
      if (!isOwnFolder(firstPart(name))) entries++
    },
  }
  return {
    content: { kind: 'stream', open: (signal) => openShelf({ place, image, heard }, signal) },
    finish: async () => {
      const contentBytes = bytes as Bytes
      const all = 'the engine leaves nothing out: what exclude names is in the archive'
      return {
        facts: { excludes: [], leftOut: [], entries, contentBytes, losses: LOSSES },
        warnings: excludes.length > 0 ? [all] : [],
        contentBytes,
      }
    },
    [Symbol.asyncDispose]: async () => {},
  }
}

function firstPart(name: string): string {
  return name.replace(/^(?:\.?\/)*/, '').split('/', 1)[0] ?? ''
}

interface Reading {
  readonly place: Place
  readonly image: string
  readonly heard: Heard
}

interface Heard {
  onBytes(more: number): void
  /** Of each member, the root among them. */
  onMember(name: string): void
}

async function openShelf(
  { place, image, heard }: Reading,
  signal: AbortSignal,
): Promise<FarProgram> {
  const { engine, volume } = place
  const opened = Promise.withResolvers<Readable>()
  const bindings = [{ from: volume.name, target: INSIDE, readOnly: true }]
  const plan = { image, bindings, argv: ['none'], owner: ownerOf(place) }
  const shelf = withShelf(engine, plan, signal, async (container, within) => {
    const tar = await readArchive(engine, { container, path: `${INSIDE}/.` }, within)
    const stdout = whole(volume.name, heard)
    // Whoever reads hears of a failure of either.
    const ended = new Promise<void>((resolve) => pipeline(tar, stdout, () => resolve()))
    opened.resolve(stdout)
    await ended
  })
  shelf.catch(opened.reject)
  const stdout = await opened.promise
  const exit = shelf.then(() => null)
  exit.catch(() => {})
  return {
    stdin: null,
    stdout,
    exit,
    async stop() {
      stdout.destroy()
      await shelf.catch(() => {})
    },
  }
}

/** Passes a tar on, and fails instead of ending where its end is missing: an engine that breaks off ends it so. */
function whole(volume: string, { onBytes, onMember }: Heard): Transform {
  const walk = walkTar(onMember)
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      onBytes(chunk.length)
      try {
        walk.take(chunk)
        done(null, chunk)
      } catch (cause) {
        const message = `what the engine gives of volume ${volume} is no archive`
        done(new SourceFailed(message, { at: volume, cause }))
      }
    },
    flush(done) {
      if (walk.isWhole()) return done()
      const message = `the engine broke off its archive of volume ${volume}`
      done(new SourceFailed(message, { at: volume, hint: 'see its log: journalctl -u docker' }))
    },
  })
}
