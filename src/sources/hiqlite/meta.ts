import type { RowEdit } from '../../platform/sqlite/task.ts'

/*
 * Hiqlite keeps how far its Raft has come in a row of the database itself: table `_metadata`, key
 * `meta`, a Rust struct as bincode writes it in its legacy configuration, which is little-endian,
 * every integer and length 8 bytes, `None` a byte 0 and `Some` a byte 1 before the value.
 *
 *   StateMachineData (hiqlite 0.14, store/state_machine/sqlite/state_machine.rs)
 *     last_applied_log_id  Option<LogId>     None                     00
 *     last_membership      StoredMembership
 *       log_id             Option<LogId>     None                     00
 *       configs            Vec<BTreeSet<u64>>     none                00 × 8
 *       nodes              BTreeMap<u64, Node>    none                00 × 8
 *     last_snapshot_id     Option<String>    None                     00
 *   LogId (openraft 0.9): term u64, node_id u64, index u64
 *   Node: id u64, addr_raft String, addr_api String
 *
 * So its default, which Hiqlite puts into each backup of its own, is 19 bytes of zero. Both this and
 * the row in the tests were written by openraft 0.9 and bincode 2 themselves.
 */

/** Hex of `StateMachineData::default()`. */
export const DEFAULT_META = '00'.repeat(19)

/** Makes of a node's database what Hiqlite's own backups are: one that belongs to no cluster yet. */
export const RESET_META: RowEdit = {
  table: '_metadata',
  read: "select data from _metadata where key = 'meta'",
  write: "replace into _metadata (key, data) values ('meta', ?)",
  value: DEFAULT_META,
}

/** What of the row is worth telling. */
export interface Meta {
  /** Index of the last log entry applied when the row was written; null before the first one. */
  readonly lastApplied: number | null
}

/** Reads the row, given as hex, as Hiqlite does; null where Hiqlite would panic. */
export function decodeMeta(hex: string): Meta | null {
  const bytes = Buffer.from(hex, 'hex')
  let at = 0
  const take = (length: number) => {
    if (length > bytes.length - at) throw new Undecodable()
    at += length
    return bytes.subarray(at - length, at)
  }
  const integer = () => Number(take(8).readBigUInt64LE())
  const text = () => UTF8.decode(take(integer()))
  const option = <T>(value: () => T): T | null => {
    const tag = take(1)[0]
    if (tag !== 0 && tag !== 1) throw new Undecodable()
    return tag === 1 ? value() : null
  }
  const each = (read: () => void) => {
    for (let left = integer(); left > 0; left--) read()
  }
  const logId = () => [integer(), integer(), integer()] as const
  try {
    const applied = option(logId)
    option(logId)
    each(() => each(integer))
    each(() => [integer(), integer(), text(), text()])
    option(text)
    return { lastApplied: applied?.[2] ?? null }
  } catch (error) {
    // A text that is no UTF-8 is a TypeError.
    if (error instanceof Undecodable || error instanceof TypeError) return null
    throw error
  }
}

class Undecodable extends Error {}

const UTF8 = new TextDecoder('utf-8', { fatal: true })
