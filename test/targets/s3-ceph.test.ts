import { afterAll } from 'vitest'
import { targetContract } from '../contract/target.ts'
import { startCeph } from '../services/ceph.ts'
import { openPlace } from './s3-place.ts'

const starting = startCeph()
afterAll(async () => await (await starting)[Symbol.asyncDispose]())

targetContract('s3 on Ceph', async () => await openPlace(await starting))
