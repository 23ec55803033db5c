import { MIGRATIONS as PRESENT } from '../../src/state/migrations.ts'
import { SECOND } from '../state/later-migrations.ts'

/** The steps of the program that comes after this one. */
export const MIGRATIONS = [...PRESENT, SECOND]
