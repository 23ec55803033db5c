/** Makes the quickstart's data, keeps writing to it, and runs the daemon on it until it is told to stop. */
import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

const WRITE_EVERY = 100

const here = import.meta.dirname
const run = join(here, 'run')
const config = join(here, 'holdfast.yml')

mkdirSync(join(run, 'attachments', 'letters'), { recursive: true })
for (let page = 1; page <= 20; page++) {
  const path = join(run, 'attachments', 'letters', `page-${page}.txt`)
  writeFileSync(path, `Page ${page}.\n`.repeat(page * 50))
}

const notes = new DatabaseSync(join(run, 'notes.db'), { timeout: 5000 })
notes.exec('PRAGMA journal_mode = WAL')
notes.exec('CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, at TEXT, text TEXT)')
const insert = notes.prepare('INSERT INTO notes (at, text) VALUES (?, ?)')
const writer = setInterval(() => {
  const at = new Date().toISOString()
  insert.run(at, `a note of ${at}`)
}, WRITE_EVERY)

console.log(`
Holdfast backs up ${join(run, 'notes.db')}
and ${join(run, 'attachments')}, now and then every minute.
Try this in a second terminal:

  cd ${process.cwd()}
  export HOLDFAST_CONFIG=${config}
  bin/holdfast backup list
  bin/holdfast status
  bin/holdfast backup verify --all
  bin/holdfast restore notes/attachments --to /tmp/attachments

Ctrl-C lets what runs end, and stops.
`)

// In a session of its own: what a terminal sends reaches it once, through us, and the daemon ends with
// the window that it was started in.
const daemon = spawn(join(here, '..', '..', 'bin', 'holdfast'), ['daemon', '--config', config], {
  stdio: ['ignore', 'inherit', 'inherit'],
  detached: true,
})
process.on('SIGINT', () => daemon.kill('SIGINT'))
process.on('SIGTERM', () => daemon.kill('SIGTERM'))
process.on('SIGHUP', () => daemon.kill('SIGTERM'))
daemon.on('exit', (code) => {
  clearInterval(writer)
  notes.close()
  process.exitCode = code ?? 1
})
