import { extname } from 'node:path'
import { execPath } from 'node:process'
import { fileURLToPath } from 'node:url'
import type { Program } from '../platform/program.ts'
import type { ExecProgram } from './exec.ts'

/** The variable by which the relay is told: what it holds may be secret. */
export const RELAY_TASK = 'HOLDFAST_RELAY'
/** Exit code of a relay that cannot tell how its program ended. */
export const NO_END = 125

export interface RelayTask {
  /** Address of the engine. */
  readonly host: string
  readonly program: ExecProgram
  /** Whether the program reads what we read; it finds an empty input otherwise. */
  readonly hasInput: boolean
}

const RELAY = fileURLToPath(new URL(`./relay${extname(import.meta.filename)}`, import.meta.url))

/** A program of a container as one of this host, to be joined with others by the kernel's pipes. */
export function relayed(task: RelayTask): Program {
  const env = { [RELAY_TASK]: JSON.stringify(task) }
  return { command: execPath, args: [RELAY], env }
}
