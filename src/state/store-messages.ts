import type { Instant } from '../core/model.ts'
import { type Engine, reading } from './engine.ts'
import type { OutboxMessage, Store } from './store.ts'
import type { OutboxRow } from './tables.ts'
import type { Write } from './write.ts'

type MessageMethods = Pick<
  Store,
  'enqueue' | 'outbox' | 'saveMessage' | 'removeMessage' | 'fact' | 'saveFact'
>

/** The outbox and the facts of a store. */
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

    fact: (key) =>
      reading(engine, `read the fact ${key}`, async (tx) => {
        const row = await tx
          .selectFrom('facts')
          .select('value')
          .where('key', '=', key)
          .executeTakeFirst()
        return row?.value ?? null
      }),
    saveFact: (key, value) =>
      write(`save the fact ${key}`, async (tx) => {
        if (value === null) await tx.deleteFrom('facts').where('key', '=', key).execute()
        else {
          await tx
            .insertInto('facts')
            .values({ key, value })
            .onConflict((on) => on.column('key').doUpdateSet({ value }))
            .execute()
        }
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
