import type { EngineAddress } from '../../core/engine-address.ts'
import type { Bytes } from '../../core/model.ts'

/** A server in a container as the config declares it. */
export interface ServerSettings {
  readonly dialect: Dialect
  readonly container: string
  readonly host: EngineAddress
  /** Empty: all of them. */
  readonly databases: readonly string[]
  /** Less content than this fails the backup. */
  readonly minSize: Bytes
}

/** How one kind of server is dumped and loaded by the programs of its own image. */
export interface Dialect {
  readonly kind: string
  /** Innermost layer of the archive. */
  readonly layer: string
  readonly extension: string
  /** How a dump shows that all of it is there. */
  readonly end: DumpEnd
  /** What the dump's program says while all is well. */
  readonly chatter: RegExp | null
  /** Variables of its image that hold the password; the first that is set counts. */
  readonly passwords: readonly string[]
  /** Writes a dump to its output. */
  dump(env: Environment, databases: readonly string[]): InContainer
  /** Reads a dump from its input, and replaces what is in it. */
  load(env: Environment): InContainer
}

export interface DumpEnd {
  /** So many bytes at the end tell. */
  readonly bytes: number
  /** What is wrong with a dump that does not end so. */
  readonly otherwise: string
  readonly hint: string
  /** @param tail a character a byte */
  isThere(tail: string): boolean
}

/** Of the container, as its image was told user and password. */
export type Environment = Readonly<Record<string, string>>

export interface InContainer {
  readonly argv: readonly string[]
  /** Secrets go here. */
  readonly env: Environment
}
