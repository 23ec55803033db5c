/** How long a command waits for a job that somebody else is at, before it gives up with exit code 11. */
export const PATIENCE = 30_000
