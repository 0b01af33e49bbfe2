import { cleanUp } from '@varve/core/errors'
import { type Command, InvalidArgumentError } from 'commander'
import { type Context, createContext, type GlobalOptions, type Io } from './context.ts'
import { EXIT } from './failure.ts'
import { type Column, fieldsText, parseFormat, type RowStyle } from './terminal/columns.ts'

/** Adds one verb to the program. One file in `commands/` each. */
export type Verb = (parent: Command, app: App) => void

/** What verbs are made with. */
export interface App {
  /**
   * The action of a verb: runs `body` with a context, closes the store behind it, and takes the
   * number it returns as the exit code.
   */
  run<A extends unknown[]>(
    body: (context: Context, ...args: A) => Promise<number | undefined>,
  ): (...args: [...A, Command]) => Promise<void>
}

/** The app of one process. */
export function createApp(io: Io, setExitCode: (code: number) => void): App {
  return {
    run<A extends unknown[]>(body: (context: Context, ...args: A) => Promise<number | undefined>) {
      return async (...all: [...A, Command]): Promise<void> => {
        // commander passes the arguments, the verb's own options and the command.
        const command = all.at(-1) as Command
        const args = all.slice(0, -1) as A
        const options = command.optsWithGlobals<GlobalOptions & { quiet?: boolean }>()
        const context = createContext(io, options, options.quiet === true)
        try {
          setExitCode((await body(context, ...args)) ?? EXIT.ok)
        } catch (error) {
          throw await cleanUp(error, () => context.close())
        }
        await context.close()
      }
    },
  }
}

/** Gives a verb that prints rows its options, and its help a table of their fields. */
export function withRows<Row>(command: Command, columns: readonly Column<Row>[]): Command {
  return command
    .option('--format <template>', 'print each row as this says, for instance "{id} {size}"')
    .option('--no-trunc', 'do not shorten ids and texts')
    .addHelpText('after', fieldsText(columns))
}

/** Options of a verb made by {@link withRows}. */
export interface RowOptions {
  readonly format?: string
  readonly trunc: boolean
  readonly quiet?: boolean
}

/**
 * How rows are printed, by the options; `-q` prints the field `id`. Call it before any work, since
 * it refuses a wrong `--format`.
 */
export function rowStyle<Row>(
  context: Context,
  options: RowOptions,
  columns: readonly Column<Row>[],
  id = 'id',
): RowStyle<Row> {
  const { format = options.quiet ? `{${id}}` : undefined } = options
  return {
    json: context.options.json === true,
    noTrunc: !options.trunc,
    ...(format === undefined ? {} : { template: parseFormat(format, columns) }),
  }
}

/** Collects an option that may be given several times. */
export function several(value: string, previous: readonly string[] | undefined): string[] {
  return [...(previous ?? []), value]
}

/** An option that is one of a few words is declared by `choices`; this one is `os/arch[/variant]`. */
export function platformArgument(value: string): string {
  if (/^[^/\s]+\/[^/\s]+(\/[^/\s]+)?$/.test(value)) return value
  throw new InvalidArgumentError('Write it as os/arch or os/arch/variant.')
}
