import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Files that take minutes, the longest first: begun last, one of them would be waited for alone. */
const LONG = [
  'storm/storm.test.ts',
  'storm/s3.test.ts',
  'storm/ssh.test.ts',
  'docs/ha.test.ts',
  'docker/image.test.ts',
  'chaos/chaos.test.ts',
  'cli/three-targets.test.ts',
  'daemon/stranded.test.ts',
]

/** The order of the files of a run. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const rank = ({ moduleId }: TestSpecification) => {
      const index = LONG.findIndex((name) => moduleId.endsWith(name))
      return index < 0 ? LONG.length : index
    }
    return sorted.toSorted((one, other) => rank(one) - rank(other))
  }
}
