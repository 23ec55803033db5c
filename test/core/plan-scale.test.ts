import { describe, expect, it } from 'vitest'
import { planScale } from '../../bench/plan-scale.ts'

describe('a plan of 1,000 jobs with 100,000 copies', () => {
  // Quadratic work would cost a hundred times as much; `npm run bench` holds the figure itself to 12.
  it('costs about ten times as much as a tenth of it', async () => {
    const { small, large } = await planScale(3)
    expect(large / small).toBeLessThan(20)
  })
})
