import { describe, expect, it } from 'vitest'
import { planScale } from '../../bench/plan-scale.ts'

describe('a plan of 1,000 jobs with 100,000 copies', () => {
  it('takes no more than a second, and at most twelve times as long as a tenth of it', async () => {
    const { small, large } = await planScale(3)
    expect(large).toBeLessThanOrEqual(1000)
    expect(large / small).toBeLessThanOrEqual(12)
  })
})
