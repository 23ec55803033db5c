import { pino } from 'pino'
import type { Event, Report } from '../core/event.ts'
import type { Context, GlobalFlags } from './context.ts'

const COLORS = { debug: 2, info: 32, warn: 33, error: 31 } as const

/** The daemon's log: JSON by pino on a pipe, readable lines on a terminal. */
export function createLog(context: Context, flags: GlobalFlags): Report {
  return context.terminal.lines && !flags.json ? readable(context, flags) : json(flags)
}

function json(flags: GlobalFlags): Report {
  const log = pino(
    {
      level: flags.quiet ? 'warn' : 'info',
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      messageKey: 'message',
    },
    pino.destination({ dest: 1, sync: true }),
  )
  return ({ level, message, detail, ...fields }) => log[level]({ ...fields, ...detail }, message)
}

/** `02:00:00 backup.done  backed up shop/db …` */
function readable(context: Context, flags: GlobalFlags): Report {
  return (event) => {
    if (event.level === 'debug' || (flags.quiet && event.level === 'info')) return
    const time = new Date(context.now()).toISOString().slice(11, 19)
    const name = event.event.padEnd(18)
    const line =
      context.terminal.color && flags.color
        ? `\u001b[2m${time}\u001b[0m \u001b[${COLORS[event.level]}m${name}\u001b[0m ${event.message}`
        : `${time} ${name} ${event.message}`
    context.out(line + hintOf(event))
  }
}

function hintOf({ error, detail }: Event): string {
  const hint = error?.hint ?? detail?.hint
  return typeof hint === 'string' ? `\n         ${''.padEnd(18)} ${hint}` : ''
}
