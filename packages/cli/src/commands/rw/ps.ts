import type { KeptMount, MountRecord } from '@varve/core'
import { allRW, originOf } from '../../store/rw-layers.ts'
import { type Column, printRows } from '../../terminal/columns.ts'
import { ageText, shortID, sizeText } from '../../terminal/words.ts'
import { type RowOptions, rowStyle, type Verb, withRows } from '../../verb.ts'

interface Row extends MountRecord {
  readonly kept: readonly KeptMount[]
  readonly size: number | undefined
}

interface Options extends RowOptions {
  readonly size?: boolean
}

/** `varve ps`: read-write layers. */
export const ps: Verb = (parent, app) => {
  const now = new Date()
  const columns: readonly Column<Row>[] = [
    { key: 'name', help: 'what it is called', title: 'NAME', value: (row) => row.name },
    {
      key: 'image',
      help: 'what it was made on',
      title: 'IMAGE',
      value: (row) => originOf(row).name,
      text: (row) => originOf(row).name ?? (row.parent ? shortID(row.parent) : '-'),
    },
    {
      key: 'created',
      help: 'when it was made, RFC 3339',
      title: 'CREATED',
      value: (row) => originOf(row).created?.toISOString(),
      text: (row) => ageText(originOf(row).created, now),
    },
    {
      key: 'mounts',
      help: 'where it is mounted, how, and how often',
      title: 'MOUNTED',
      value: (row) => row.kept,
      text: (row) => row.kept.map(mountText).join(', ') || '-',
    },
    {
      key: 'size',
      help: 'bytes that it adds to what it stands on; only with --size',
      title: 'SIZE',
      value: (row) => row.size,
      text: (row) => (row.size === undefined ? '-' : sizeText(row.size)),
      right: true,
    },
    { key: 'imageID', help: 'id of the image', value: (row) => originOf(row).image },
    { key: 'parent', help: 'ChainID of what it stands on', value: (row) => row.parent },
    { key: 'mountID', help: "the driver's id of it", value: (row) => row.mountID },
  ]
  const command = parent
    .command('ps')
    .description('list read-write layers')
    .option('-s, --size', 'also measure what each adds')
    .option('-q, --quiet', 'print only names')
  withRows(command, columns).action(
    app.run(async (context, options: Options) => {
      const style = rowStyle(context, options, columns, 'name')
      const { store } = await context.open()
      const rows: Row[] = []
      for (const record of await allRW(store)) {
        await using layer = await store.getRW(record.name)
        const { signal } = context
        const size = options.size ? await layer.size({ signal }) : undefined
        rows.push({ ...record, kept: await layer.kept(), size })
      }
      const shown = options.size ? columns : columns.filter(({ key }) => key !== 'size')
      await printRows(context.out, shown, rows, style)
      return undefined
    }),
  )
}

function mountText({ path, readOnly, count }: KeptMount): string {
  return `${path}${readOnly ? ' (read-only)' : ''}${count > 1 ? ` ×${count}` : ''}`
}
