/**
 * One description of a verb's rows, from which its table, its `--format`, its `--json` and the
 * text of its `--help` are made.
 *
 * @module
 */
import { usageError } from '../failure.ts'
import type { Output } from './output.ts'
import { printable } from './words.ts'

/** One field of a row. */
export interface Column<Row> {
  /** Its name in `--format` and `--json`. */
  readonly key: string
  /** What it is, for `--help`. */
  readonly help: string
  /** The value in `--json` and `--format`; undefined if the row has none. */
  readonly value: (row: Row) => unknown
  /** Its heading in the table; a field without one is not in the table. */
  readonly title?: string
  /** How the table shows it; `whole` if ids and texts are not to be shortened. */
  readonly text?: (row: Row, whole: boolean) => string
  /** Aligned to the right. */
  readonly right?: boolean
}

/** How rows are to be printed. */
export interface RowStyle<Row> {
  readonly json?: boolean
  /** A line instead of the table's row; see {@link parseFormat}. */
  readonly template?: (row: Row) => string
  readonly noTrunc?: boolean
}

/** Prints rows as the user asked for them. */
export async function printRows<Row>(
  out: Output,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  style: RowStyle<Row>,
): Promise<void> {
  if (style.json) {
    for (const row of rows) await out.json(rowObject(columns, row))
  } else if (style.template) {
    for (const row of rows) await out.line(style.template(row))
  } else {
    await out.write(table(columns, rows, style.noTrunc === true))
  }
}

/** The fields as a part of `--help`. */
export function fieldsText<Row>(columns: readonly Column<Row>[]): string {
  const width = Math.max(...columns.map((column) => column.key.length))
  const lines = columns.map((column) => `  ${column.key.padEnd(width)}  ${column.help}`)
  return `\nFields for --format and --json:\n${lines.join('\n')}`
}

/** A row as plain data. */
export function rowObject<Row>(columns: readonly Column<Row>[], row: Row): Record<string, unknown> {
  const object: Record<string, unknown> = {}
  for (const column of columns) {
    const value = column.value(row)
    if (value !== undefined) object[column.key] = value
  }
  return object
}

/**
 * A template as a function: `{field}` and, as Docker has it, `{{.Field}}` stand for a value, `\t`
 * and `\n` for tab and newline. A list is joined by commas, a missing value is empty.
 */
export function parseFormat<Row>(
  template: string,
  columns: readonly Column<Row>[],
): (row: Row) => string {
  const parts: (string | Column<Row>)[] = []
  let end = 0
  for (const match of template.matchAll(/\{\{\s*\.(\w+)\s*\}\}|\{(\w+)\}/g)) {
    const name = match[1] ?? match[2] ?? ''
    const column = columns.find((c) => c.key.toLowerCase() === name.toLowerCase())
    if (!column) {
      const known = columns.map((c) => c.key).join(', ')
      throw usageError(`unknown field ${JSON.stringify(name)} in --format`, `fields: ${known}`)
    }
    parts.push(unescaped(template.slice(end, match.index)), column)
    end = match.index + match[0].length
  }
  parts.push(unescaped(template.slice(end)))
  return (row) =>
    parts.map((part) => (typeof part === 'string' ? part : valueText(part.value(row)))).join('')
}

function unescaped(text: string): string {
  return text.replaceAll('\\t', '\t').replaceAll('\\n', '\n')
}

function valueText(value: unknown): string {
  if (value === undefined || value === null) return ''
  if (Array.isArray(value)) return value.map(valueText).join(',')
  return printable(typeof value === 'object' ? JSON.stringify(value) : String(value))
}

function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[], whole: boolean): string {
  const shown = columns.filter((column) => column.title !== undefined)
  const lines = [
    shown.map((column) => column.title ?? ''),
    ...rows.map((row) =>
      shown.map((column) => {
        return column.text ? printable(column.text(row, whole)) : valueText(column.value(row))
      }),
    ),
  ]
  const widths = shown.map((_, i) => Math.max(...lines.map((line) => width(line[i] ?? ''))))
  return lines
    .map((line) =>
      line
        .map((cell, i) => pad(cell, widths[i] ?? 0, shown[i]?.right === true))
        .join('   ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('')
}

function width(text: string): number {
  return Array.from(text).length
}

function pad(text: string, to: number, right: boolean): string {
  const space = ' '.repeat(Math.max(0, to - width(text)))
  return right ? space + text : text + space
}
