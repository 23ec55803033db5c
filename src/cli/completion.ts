import type { Command } from 'commander'
import { Refused } from '../lib/errors.ts'

/** A completion script for `shell`, made from the commands as they are. Throws `Refused` for another shell. */
export function completionScript(shell: string, program: Command): string {
  const paths = pathsOf(program, [])
  switch (shell) {
    case 'bash':
      return bash(paths)
    case 'zsh':
      return `autoload -Uz bashcompinit && bashcompinit\n${bash(paths)}`
    case 'fish':
      return fish(paths)
    default:
      throw new Refused(`no completion for ${shell}`, { hint: 'holdfast completion bash|zsh|fish' })
  }
}

/** A command by its words, and what may follow. */
interface Path {
  readonly words: readonly string[]
  readonly next: readonly { readonly word: string; readonly about: string }[]
}

function pathsOf(command: Command, words: readonly string[]): readonly Path[] {
  const subcommands = command
    .createHelp()
    .visibleCommands(command)
    .filter((one) => one.name() !== 'help')
  const options = command.options.flatMap(({ long, description }) =>
    long ? [{ word: long, about: description }] : [],
  )
  const here: Path = {
    words,
    next: [
      ...subcommands.map((one) => ({ word: one.name(), about: one.description() })),
      ...options,
    ],
  }
  return [here, ...subcommands.flatMap((one) => pathsOf(one, [...words, one.name()]))]
}

function bash(paths: readonly Path[]): string {
  const cases = paths.map(
    ({ words, next }) =>
      `    '${words.join(' ')}') words='${next.map(({ word }) => word).join(' ')}' ;;`,
  )
  return [
    '_holdfast() {',
    `  local current="\${COMP_WORDS[COMP_CWORD]}" path='' word words=''`,
    `  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do`,
    `    [[ "$word" == -* ]] || path="\${path:+$path }$word"`,
    '  done',
    '  case "$path" in',
    ...cases,
    '  esac',
    '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
    '}',
    'complete -o default -F _holdfast holdfast',
  ].join('\n')
}

function fish(paths: readonly Path[]): string {
  return paths
    .flatMap(({ words, next }) =>
      next.map(({ word, about }) => {
        const when =
          words.length === 0
            ? '__fish_use_subcommand'
            : `__fish_seen_subcommand_from ${words.at(-1)}`
        const what = word.startsWith('--') ? `-l ${word.slice(2)}` : `-a ${word}`
        return `complete -c holdfast -n '${when}' ${what} -d '${about.replaceAll("'", "\\'")}'`
      }),
    )
    .join('\n')
}
