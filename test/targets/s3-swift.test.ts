import { afterAll } from 'vitest'
import { targetContract } from '../contract/target.ts'
import { startSwift } from '../services/swift.ts'
import { openPlace } from './s3-place.ts'

const starting = startSwift()
afterAll(async () => await (await starting)[Symbol.asyncDispose]())

targetContract('s3 on Swift', async () => await openPlace(await starting))
