import { readFileSync } from 'node:fs'

/*
 * Preloaded into a daemon (`node --import`): SIGUSR2 sets its clock to the instant that stands in the
 * file of CLOCK_AT, in milliseconds, from which it goes on; then the daemon looks what that changes.
 * Timers take no notice, nor do its children.
 */

const path = process.env.CLOCK_AT
delete process.env.CLOCK_AT
delete process.env.NODE_OPTIONS

const now = Date.now.bind(Date)
let ahead = 0
Date.now = () => now() + ahead
if (path !== undefined) {
  process.on('SIGUSR2', () => {
    ahead = Number(readFileSync(path, 'utf8')) - now()
    process.kill(process.pid, 'SIGHUP')
  })
}
