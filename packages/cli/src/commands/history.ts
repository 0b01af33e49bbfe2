import type { HistoryStep } from '@varve/image'
import { type Column, printRows } from '../terminal/columns.ts'
import { ageText, cut, shortID, sizeText } from '../terminal/words.ts'
import { type RowOptions, rowStyle, type Verb, withRows } from '../verb.ts'

/** Width of the commands in the table, as `docker history` has it. */
const COMMAND_WIDTH = 60

function columnsAt(now: Date): readonly Column<HistoryStep>[] {
  return [
    {
      key: 'created',
      help: 'when the step was taken, RFC 3339',
      title: 'CREATED',
      value: (step) => step.created,
      text: (step) => ageText(step.created ? new Date(step.created) : undefined, now),
    },
    {
      key: 'createdBy',
      help: 'the command that took it',
      title: 'CREATED BY',
      value: (step) => step.created_by,
      text: (step, whole) => {
        const command = (step.created_by ?? '').replace(/\s+/g, ' ')
        return whole ? command : cut(command, COMMAND_WIDTH)
      },
    },
    {
      key: 'size',
      help: 'bytes of the layer; none for a step without one',
      title: 'SIZE',
      value: (step) => step.layer?.size,
      text: (step) => (step.layer ? sizeText(step.layer.size ?? 0) : '-'),
      right: true,
    },
    {
      key: 'diffID',
      help: 'digest of the layer’s tar',
      title: 'LAYER',
      value: (step) => step.layer?.diffID,
      text: (step, whole) => {
        if (!step.layer) return '-'
        return whole ? step.layer.diffID : shortID(step.layer.diffID)
      },
    },
    { key: 'chainID', help: 'the layer in the store', value: (step) => step.layer?.chainID },
    { key: 'author', help: 'who took it', value: (step) => step.author },
    {
      key: 'comment',
      help: 'what was said about it',
      title: 'COMMENT',
      value: (step) => step.comment,
    },
  ]
}

/** `varve history IMAGE`: how it was made. */
export const history: Verb = (parent, app) => {
  const columns = columnsAt(new Date())
  const command = parent
    .command('history')
    .description('list the steps that made an image')
    .argument('<image>', 'tag, or id or the beginning of one')
    .option('-q, --quiet', 'print only DiffIDs')
  withRows(command, columns).action(
    app.run(async (context, ref: string, options: RowOptions) => {
      const style = rowStyle(context, options, columns, 'diffID')
      const { images } = await context.open()
      const steps = await images.history(ref)
      const shown = options.quiet ? steps.filter((step) => step.layer) : steps
      await printRows(context.out, columns, shown, style)
      return undefined
    }),
  )
}
