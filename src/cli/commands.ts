// Every verb with its words and flags on one page, longer than others because it reads as the help does.
import { Command, CommanderError, Option } from 'commander'
import { exitCodeOf, Failure, NotAvailable } from '../lib/errors.ts'
import { errorJson, renderError } from '../view/errors.ts'
import { completionScript } from './completion.ts'
import type { Context, GlobalFlags, Verb } from './context.ts'

/** Verbs of the design that this version does not build, by group: refused by name, never as a typing error. */
const LATER: Readonly<Record<string, readonly string[]>> = {
  '': ['drill'],
  system: ['verify'],
}

/** Parses, calls one verb and prints its failure. Resolves with the exit code; throws nothing. */
export async function runCommandLine(argv: readonly string[], context: Context): Promise<number> {
  let code = 0
  let flags: GlobalFlags = { color: true, json: argv.includes('--json') }
  const run = <Flags>(load: () => Promise<Verb<Flags>>) =>
    async function (this: Command): Promise<void> {
      flags = this.optsWithGlobals()
      const verb = await load()
      code = await verb(this.args, flags as Flags & GlobalFlags, context)
    }
  const program = commands(run, context)
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return code
  } catch (error) {
    // Commander has said in words what is wrong; JSON is still owed its document.
    const isUsage = error instanceof CommanderError
    if (isUsage && error.exitCode === 0) return 0
    if (flags.json) context.out(errorJson(isUsage ? usageFailure(error) : error))
    else if (!isUsage)
      context.err(renderError(error, { color: context.terminal.progress && flags.color }))
    return isUsage ? 1 : exitCodeOf(error)
  }
}

function usageFailure({ message }: CommanderError): Failure {
  const said = message === '(outputHelp)' ? 'no command was named' : message
  return new Failure('usage', said.replace(/^error: /, ''), { hint: 'holdfast --help' })
}

type Run = <Flags>(load: () => Promise<Verb<Flags>>) => (this: Command) => Promise<void>

function commands(run: Run, context: Context): Command {
  const program = new Command('holdfast')
    .description('Keeps backups in the state that one file declares.')
    .version(context.version)
    .option('-c, --config <file>', 'the config (else HOLDFAST_CONFIG, else the one in this folder)')
    .option('--json', 'one JSON document on stdout')
    .option('-q, --quiet', 'warnings and errors only')
    .option('--no-color', 'no colours')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.out(text.trimEnd()),
      writeErr: (text) => context.err(text.trimEnd()),
    })
    .showSuggestionAfterError()
    .configureHelp({ showGlobalOptions: true })
  addConfigVerbs(program, run, context)
  addFileVerbs(program, run)
  addBackupVerbs(program, run)
  addOtherVerbs(program, run)
  addTargetVerbs(program, run)
  addKeyVerbs(program, run)
  addLaterVerbs(program)
  for (const command of everyCommand(program)) command.exitOverride()
  return program
}

function addConfigVerbs(program: Command, run: Run, context: Context): void {
  program
    .command('validate')
    .description('check the config; every fault with its place')
    .action(run(async () => (await import('./validate.ts')).validate))
  program
    .command('plan')
    .argument('[job...]')
    .description('what would be done, and why; changes nothing')
    .option('--offline', 'from the file alone, looking at nothing')
    .option('--against <file>', 'with --offline: what changes from that file to this one')
    .option('--markdown', 'for a pull request')
    .option('--exit-code', '2 when the config, drift or deletions change something')
    .option('--fail-on-unprotected', '4 when something is neither protected nor ignored')
    .action(run(async () => (await import('./plan.ts')).plan))
  program
    .command('apply')
    .description('do the plan once: what is new, due and owed')
    .option('-f, --file <file>', 'the config')
    .option('-y, --yes', 'do not ask')
    .action(run(async () => (await import('./apply.ts')).apply))
  program
    .command('daemon')
    .description('keep the world as the file says, until told to stop')
    .action(run(async () => (await import('./daemon.ts')).daemon))
  program
    .command('completion')
    .argument('<shell>', 'bash, zsh or fish')
    .description('print a completion script')
    .action((shell: string) => {
      const script = completionScript(shell, program)
      context.out(program.opts().json ? JSON.stringify({ shell, script }) : script)
    })
}

function addFileVerbs(program: Command, run: Run): void {
  const config = program.command('config').description('the config itself')
  config
    .command('show')
    .description('with every default filled in; secrets print ***')
    .action(run(async () => (await import('./config.ts')).configShow))
  config
    .command('init')
    .argument('[file]')
    .description('write a commented starter file')
    .action(run(async () => (await import('./config.ts')).configInit))
  config
    .command('schema')
    .description('the JSON Schema of the config')
    .action(run(async () => (await import('./config.ts')).configSchema))
  config
    .command('alerts')
    .description('alerting rules for Prometheus')
    .action(run(async () => (await import('./config.ts')).configAlerts))
}

function addBackupVerbs(program: Command, run: Run): void {
  const backup = program.command('backup').description('backups and their copies')
  backup
    .command('create')
    .argument('[job/source...]')
    .description('back up now; none named: all')
    .option('--name <name>', 'a name for the run')
    .action(run(async () => (await import('./backup-create.ts')).backupCreate))
  backup
    .command('list')
    .argument('[job/source]')
    .description('a row a copy, and why each is kept')
    .option('--all', 'also what failed, was skipped or pruned')
    .action(run(async () => (await import('./backup-list.ts')).backupList))
  backup
    .command('show')
    .argument('<ref>')
    .description('a backup with its copies and manifest')
    .option('--contents', 'what the archive holds')
    .action(run(async () => (await import('./backup-show.ts')).backupShow))
  backup
    .command('verify')
    .argument('[ref]')
    .description('re-read archives from their targets to their end')
    .option('--all', 'every copy')
    .option('--name <name>', 'the copies of a named run')
    .action(run(async () => (await import('./verify.ts')).verify))
  backup
    .command('prune')
    .argument('[job...]')
    .description('delete what retention does not keep; shows it first and asks')
    .option('--older-than <age>', 'by age: 60d')
    .option('-y, --yes', 'do not ask')
    .action(run(async () => (await import('./prune.ts')).prune))
  backup
    .command('download')
    .argument('<ref>')
    .argument('[file]')
    .description('the archive as stored, and its manifest')
    .option('--link', 'only an address in its bucket, good for an hour for whoever has it')
    .action(run(async () => (await import('./backup-download.ts')).backupDownload))
  addKeepingVerbs(backup, run)
}

function addKeepingVerbs(backup: Command, run: Run): void {
  backup
    .command('pin')
    .argument('<ref>')
    .description('keep it whatever retention says')
    .option('--reason <text>', 'why')
    .action(run(async () => (await import('./backup-pin.ts')).backupPin))
  backup
    .command('unpin')
    .argument('<ref>')
    .description('give it back to retention')
    .action(run(async () => (await import('./backup-pin.ts')).backupUnpin))
}

function addOtherVerbs(program: Command, run: Run): void {
  addRestoreVerb(program, run)
  program
    .command('status')
    .description('jobs, targets, what runs, what deserves a look')
    .action(run(async () => (await import('./status.ts')).status))
  const job = program.command('job').description('the declared jobs')
  job
    .command('list')
    .description('with their next slot')
    .action(run(async () => (await import('./job.ts')).jobList))
  job
    .command('run')
    .argument('<job...>')
    .description('the same as backup create')
    .option('--name <name>', 'a name for the run')
    .action(run(async () => (await import('./backup-create.ts')).backupCreate))
  addPauseVerbs(job, run)
  addSystemVerbs(program, run)
  const state = program.command('state').description('what Holdfast remembers')
  state
    .command('adopt')
    .description('rebuild the history from the manifests on the targets')
    .action(run(async () => (await import('./state-adopt.ts')).stateAdopt))
  state
    .command('export')
    .argument('[file]')
    .description('all of it as lines of JSON, to move it to another database')
    .action(run(async () => (await import('./state-export.ts')).stateExport))
  state
    .command('import')
    .argument('<file>')
    .description('what export wrote, into a state that is new: all or nothing')
    .action(run(async () => (await import('./state-import.ts')).stateImport))
}

function addRestoreVerb(program: Command, run: Run): void {
  program
    .command('restore')
    .argument('[ref...]')
    .description('put a backup back: all or nothing')
    .option('--to <path>', 'elsewhere, not over the source')
    .option('--to-volume <name>', 'into a Docker volume that is empty, or not there yet')
    .option('--to-database <name>', 'a new database of the same server')
    .option('--only <path>', 'one file or folder of a directory, or one table of a database')
    .option('--in-place', 'a database: change the live one in one transaction, keep nothing of it')
    .option('--force', 'although the data is in use')
    .option('-y, --yes', 'do not ask')
    .option('--abandon <id>', 'give up one that was cut short on a host that is gone')
    .option('--reason <text>', 'with --abandon: why')
    .option('--author <name>', 'with --abandon: who; else $USER and the name of the host')
    .addOption(
      new Option(
        '--boot',
        'do what HQL_BACKUP_RESTORE asks for, then become the command behind --',
      ),
    )
    .action(run(async () => (await import('./restore.ts')).restore))
}

function addPauseVerbs(job: Command, run: Run): void {
  job
    .command('pause')
    .argument('[job...]')
    .description('take no more of their slots until they are resumed')
    .option('--all', 'every job')
    .requiredOption('--reason <text>', 'why')
    .option('--author <name>', 'who; else $USER and the name of the host')
    .action(run(async () => (await import('./job-pause.ts')).jobPause))
  job
    .command('resume')
    .argument('[job...]')
    .description('take their slots again')
    .option('--all', 'what was paused with --all')
    .action(run(async () => (await import('./job-pause.ts')).jobResume))
}

function addSystemVerbs(program: Command, run: Run): void {
  const system = program.command('system').description('the running daemon')
  system
    .command('drain')
    .description('take no more slots; ends once nothing runs')
    .option('--timeout <duration>', 'cut short what runs longer; else drain_timeout')
    .action(run(async () => (await import('./system.ts')).systemDrain))
  system
    .command('health')
    .description('whether the daemon lives: what a health check of a container asks')
    .action(run(async () => (await import('./system.ts')).systemHealth))
  system
    .command('undrain')
    .description('take slots again')
    .action(run(async () => (await import('./system.ts')).systemUndrain))
}

function addTargetVerbs(program: Command, run: Run): void {
  const target = program.command('target').description('the declared targets')
  target
    .command('list')
    .description('what each holds, its room, and how it is set up')
    .action(run(async () => (await import('./target-list.ts')).targetList))
  const backup = program.commands.find((one) => one.name() === 'backup')
  for (const parent of [target, backup?.command('target').description('the same as target')]) {
    parent
      ?.command('test')
      .argument('[target...]')
      .description('write, read, list and delete a probe; none named: all')
      .action(run(async () => (await import('./target-test.ts')).targetTest))
  }
}

function addKeyVerbs(program: Command, run: Run): void {
  const key = program.command('key').description('what archives are encrypted with')
  key
    .command('generate')
    .description('a new key: an identity of age, or a line of ENC_KEYS')
    .option('--cryptr', 'for Hiqlite and Rauthy')
    .option('--id <id>', 'with --cryptr: its name, else a random one')
    .option('--out <file>', 'into a new file that only its owner reads')
    .action(run(async () => (await import('./key-generate.ts')).keyGenerate))
  key
    .command('fingerprint')
    .description('the configured keys, and what each opens and closes')
    .action(run(async () => (await import('./key-fingerprint.ts')).keyFingerprint))
}

function addLaterVerbs(program: Command): void {
  for (const [group, names] of Object.entries(LATER)) {
    const parent = group === '' ? program : program.commands.find((one) => one.name() === group)
    for (const name of names) if (parent) addLater(parent, name, `${group} ${name}`.trim())
  }
}

function addLater(parent: Command, name: string, verb: string): void {
  parent
    .command(name, { hidden: true })
    .allowUnknownOption()
    .argument('[words...]')
    .action(() => {
      throw new NotAvailable(`holdfast ${verb}`, {
        hint: 'see what this version can do: holdfast --help',
      })
    })
}

function everyCommand(command: Command): readonly Command[] {
  return command.commands.flatMap((one) => [one, ...everyCommand(one)])
}
