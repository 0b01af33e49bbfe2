import tab from '@bomb.sh/tab/commander'
import { Command, Option } from 'commander'
import { check } from './commands/check.ts'
import { convert } from './commands/convert.ts'
import { df } from './commands/df.ts'
import { graph } from './commands/graph/index.ts'
import { history } from './commands/history.ts'
import { images } from './commands/images.ts'
import { info } from './commands/info.ts'
import { inspect } from './commands/inspect.ts'
import { layer } from './commands/layer/index.ts'
import { layers } from './commands/layers.ts'
import { load } from './commands/load.ts'
import { prune } from './commands/prune.ts'
import { rm, rmi } from './commands/rm.ts'
import { commit, create, diff, fork, mount, ps, reset, umount } from './commands/rw/index.ts'
import { save } from './commands/save.ts'
import { tag } from './commands/tag.ts'
import { tarsplit } from './commands/tarsplit/index.ts'
import { tree } from './commands/tree.ts'
import { unshare } from './commands/unshare.ts'
import type { Io } from './context.ts'
import { driverNames } from './store/drivers.ts'
import { defaultRoot } from './store/root.ts'
import { createApp, type Verb } from './verb.ts'
import { version } from './version.ts'

/** The verbs under their headings in `--help`. */
const VERBS: Readonly<Record<string, readonly Verb[]>> = {
  'Images:': [load, save, images, tag, rmi],
  'Read-write layers:': [create, mount, umount, diff, commit, ps, fork, reset, rm],
  'Looking:': [inspect, history, layers, tree],
  'The store:': [df, prune, check, convert, info, unshare],
  'Plumbing:': [layer, graph, tarsplit],
}

const EPILOGUE = `
Ids may be shortened as long as they are unique. "-" is standard input or output.
Exit codes: 0 fine, 1 failure or problems found, 2 wrong usage, 130 interrupted.

First steps:
  varve load image.tar       take an image that docker save, skopeo, umoci, … wrote
  varve tree                 see its layers
  varve save NAME -o x.tar   give it back, byte for byte
  source <(varve complete bash)   complete words with Tab; also zsh, fish, powershell`

/** The command line of `varve`, whole. */
export function createProgram(io: Io, setExitCode: (code: number) => void): Command {
  const isRoot = process.getuid?.() === 0
  const program = new Command('varve')
    .description('A store for the layers of container images: every byte comes back as it came.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .addOption(
      new Option('--root <dir>', 'where the store is')
        .env('VARVE_ROOT')
        .default(defaultRoot(io.env, isRoot)),
    )
    .addOption(new Option('--driver <name>', `how layers are kept: ${driverNames.join(', ')}`))
    .option('--docker', 'open the data root of a Docker daemon, to read only')
    .option('--json', 'print JSON, one object a line')
    .option('--no-progress', 'do not show progress')
    .option('--debug', 'with errors, print where they happened')
    .configureHelp({
      showGlobalOptions: true,
      // Names alone: what a verb takes is in its own help.
      subcommandTerm: (command) => [command.name(), ...command.aliases()].join(', '),
    })
    .addHelpText('after', EPILOGUE)
    .showSuggestionAfterError()
    // Errors are thrown and told in one place, main.ts.
    .exitOverride()
    .configureOutput({
      outputError: () => {},
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
    })
  const app = createApp(io, setExitCode)
  for (const [heading, verbs] of Object.entries(VERBS)) {
    program.commandsGroup(heading)
    for (const verb of verbs) verb(program, app)
  }
  program.commandsGroup('More:')
  tab(program)
  program.commands.at(-1)?.description('print a completion script for a shell')
  program.helpCommand('help [command]', 'print help on a command')
  return program
}
