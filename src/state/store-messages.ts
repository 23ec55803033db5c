import type { Instant } from '../core/model.ts'
import { type Engine, reading } from './engine.ts'
import type { OutboxMessage, Store } from './store.ts'
import type { OutboxRow } from './tables.ts'
import type { Write } from './write.ts'

type MessageMethods = Pick<Store, 'enqueue' | 'outbox' | 'saveMessage' | 'removeMessage'>

/** The outbox of a store. */
export function messageMethods(engine: Engine, write: Write): MessageMethods {
  return {
    enqueue: (message) =>
      write(`enqueue a message for ${message.channel}`, async (tx) => {
        await tx
          .insertInto('outbox')
          .values(messageRow(message))
          .onConflict((on) => on.column('id').doNothing())
          .execute()
      }),
    outbox: (now) =>
      reading(engine, 'read the outbox', async (tx) => {
        const rows = await tx
          .selectFrom('outbox')
          .selectAll()
          .where('next_at', '<=', now)
          .orderBy('created_at')
          .orderBy('id')
          .execute()
        return rows.map(messageOf)
      }),
    saveMessage: (message, attempts) =>
      write(`save a message for ${message.channel}`, async (tx) => {
        const { id, ...rest } = messageRow(message)
        const { numUpdatedRows } = await tx
          .updateTable('outbox')
          .set(rest)
          .where('id', '=', id)
          .where('attempts', '=', attempts)
          .executeTakeFirst()
        return numUpdatedRows > 0n
      }),
    removeMessage: (id) =>
      write(`remove message ${id}`, async (tx) => {
        await tx.deleteFrom('outbox').where('id', '=', id).execute()
      }),
  }
}

function messageRow(message: OutboxMessage): OutboxRow {
  return {
    id: message.id,
    channel: message.channel,
    body: message.body,
    attempts: message.attempts,
    next_at: message.nextAt,
    created_at: message.createdAt,
  }
}

function messageOf(row: OutboxRow): OutboxMessage {
  return {
    id: row.id,
    channel: row.channel,
    body: row.body,
    attempts: row.attempts,
    nextAt: row.next_at as Instant,
    createdAt: row.created_at as Instant,
  }
}
