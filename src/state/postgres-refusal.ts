import { DatabaseError } from 'pg'
import { Failure, messageOf, StateRefused } from '../lib/errors.ts'
import { CommitUnknown, isOfTheLogin, LinkLost } from './postgres-fault.ts'

/**
 * An error of PostgreSQL, or of the way to it, as `StateRefused`, in words; anything else as it is.
 * `place` is the host, port and database: no word of it is secret.
 */
export function refusalOf(place: string, doing: string, error: unknown): unknown {
  if (error instanceof Failure) return error
  const words = wordsOf(error, place)
  if (words === null) return error
  const [why, hint] = words
  return new StateRefused(`cannot ${doing}: the state ${place} ${why}`, {
    cause: error,
    at: place,
    ...(hint ? { hint } : {}),
  })
}

type Words = readonly [why: string, hint: string | null]

function wordsOf(error: unknown, place: string): Words | null {
  if (error instanceof CommitUnknown) {
    return [
      `was lost while it committed (${error.message}): this may be done or not`,
      'look whether it is before doing it again: holdfast status',
    ]
  }
  const cause = error instanceof LinkLost ? error.cause : error
  if (cause instanceof DatabaseError) return wordsFor(cause, place)
  if (!(error instanceof LinkLost)) return null
  return [
    `cannot be reached (${error.message})`,
    `see whether it answers: pg_isready -d 'postgres://${place}'`,
  ]
}

function wordsFor(error: DatabaseError, place: string): Words {
  const said = messageOf(error)
  if (isOfTheLogin(error)) {
    return [`does not let us in (${said})`, 'check user and password in state, and pg_hba.conf']
  }
  switch (error.code) {
    case '3D000':
      return ['does not exist', 'make it with: createdb, or name another one in state']
    case '42501':
      return [`does not allow it (${said})`, grants(place)]
    case '53300':
      return ['has no connection left', 'raise max_connections, or put PgBouncer in front of it']
    case '53100':
      return ['cannot grow: the disk is full', 'free space on the disk of the database']
    case '55P03':
      return [
        'stayed locked by another transaction',
        'see who holds it: select * from pg_stat_activity',
      ]
    case '57014':
      return ['did not finish in time', 'see what it does: select * from pg_stat_activity']
    case '25006':
      return ['takes no writes: it is a standby, or set to read only', 'name the primary in state']
    default:
      return error.code?.startsWith('23')
        ? [`does not allow it (${said})`, null]
        : [`could not be used (${said})`, null]
  }
}

function grants(place: string): string {
  const database = place.slice(place.lastIndexOf('/') + 1)
  return `let its user make a schema there: grant create on database "${database}" to its user`
}
