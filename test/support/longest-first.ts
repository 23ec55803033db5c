import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Files that take half a minute or minutes, the longest first: begun last, one of them would be waited for alone. */
const LONG = [
  'storm/storm.test.ts',
  'storm/ssh.test.ts',
  'docs/examples.test.ts',
  'chaos/chaos.test.ts',
  'storm/s3.test.ts',
  'docs/ha.test.ts',
  'docker/image.test.ts',
  'cli/postgres.test.ts',
  'sources/postgres-faults.test.ts',
  'volume/halt.test.ts',
  'volume/alone.test.ts',
  'volume/storm.test.ts',
  'sources/postgres-container.test.ts',
  'leases/redis.test.ts',
  'volume/trouble.test.ts',
  'daemon/stranded.test.ts',
  'state/postgres.test.ts',
  'targets/ssh-trouble.test.ts',
  'cli/exit-codes.test.ts',
  'docs/restore-without-holdfast.test.ts',
  'cli/three-targets.test.ts',
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
