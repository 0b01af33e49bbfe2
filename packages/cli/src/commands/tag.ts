import type { Verb } from '../verb.ts'

/** `varve tag IMAGE NAME…`: more names for an image. */
export const tag: Verb = (parent, app) => {
  parent
    .command('tag')
    .description('give an image more names')
    .argument('<image>', 'tag, or id or the beginning of one')
    .argument('<name...>', 'as alpine:3.20 or registry.example/team/app:1; moved if taken')
    .action(
      app.run(async (context, ref: string, names: readonly string[]) => {
        const { images } = await context.open()
        const { id } = await images.get(ref)
        for (const name of names) {
          const full = await images.tag(id, name)
          if (context.options.json) await context.out.json({ id, tag: full })
        }
        return undefined
      }),
    )
}
