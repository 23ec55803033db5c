import type { Desired, DesiredJob, Encryption } from './model.ts'

/** Every way in which a job's archives may be closed, on any of its targets, by the config of today. */
export function encryptionsOfJob(job: DesiredJob): readonly (Encryption | null)[] {
  return [job.encryption, ...job.targets.map(({ encryption }) => encryption)]
}

/** The same of the whole config: what an archive of nobody knows which job may be opened with. */
export function allEncryptions({ jobs, encryption }: Desired): readonly (Encryption | null)[] {
  return [encryption, ...jobs.flatMap(encryptionsOfJob)]
}
