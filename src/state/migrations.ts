import type { Migration } from './migration.ts'
import { first } from './schema-1.ts'
import { second } from './schema-2.ts'
import { third } from './schema-3.ts'
import { fourth } from './schema-4.ts'

/** Every step of this program, ascending without gaps from 1; the last one is its own version. */
export const MIGRATIONS: readonly Migration[] = [first, second, third, fourth]
