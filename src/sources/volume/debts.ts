import { formatEngineAddress } from '../../core/engine-address.ts'
import type { SourceContext } from '../source.ts'
import type { Halted } from './go-on.ts'
import { type AfterHooks, afterHooksOf } from './hooks.ts'
import type { Place } from './place.ts'

/** What is owed to a volume's users: kept before it is, so that it outlives us. */
export interface Debts {
  /** These stand still and are to go on. */
  oweHalted(halted: readonly Halted[]): Promise<void>
  /** The hooks from after are to run. Keeps nothing where there are none. */
  oweHooks(): Promise<void>
  /** They have run. */
  paidHooks(): Promise<void>
}

/** All of it in one note. */
export interface Owed {
  /** Address of the engine. */
  readonly docker: string
  readonly halted: readonly Halted[]
  /** Absent in notes of older versions. */
  readonly after?: AfterHooks | null
}

/** Owes nothing yet. */
export function openDebts(place: Place, { keep }: SourceContext): Debts {
  let owed: Owed = {
    docker: formatEngineAddress(place.settings.address),
    halted: [],
    after: null,
  }
  const owe = async (now: Owed) => {
    owed = now
    const isPaid = owed.halted.length === 0 && !owed.after
    await keep?.(isPaid ? null : JSON.stringify(owed))
  }
  return {
    oweHalted: (halted) => owe({ ...owed, halted }),
    async oweHooks() {
      const after = afterHooksOf(place)
      if (after !== null) await owe({ ...owed, after })
    },
    async paidHooks() {
      if (owed.after) await owe({ ...owed, after: null })
    },
  }
}

/** Only what was owed here is ever kept. */
export function parseOwed(note: string): Owed {
  return JSON.parse(note)
}
