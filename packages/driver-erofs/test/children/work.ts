/** Does one thing, says when it is in the middle of it, and waits to be killed. */
import process from 'node:process'
import { asCacheID } from '@varve/core'
import { erofs } from '@varve/driver-erofs'
import { tarOf } from '@varve/testkit'

const [what = '', root = '', name = ''] = process.argv.slice(2)
const id = asCacheID(name)
const driver = await erofs({ root })
const sayBegun = () => process.stdout.write('begun\n')
const never = () => new Promise<never>((_, reject) => process.stdin.once('end', reject))

if (what === 'mount') {
  await driver.mount(id)
  sayBegun()
} else if (what === 'apply') {
  const tar = tarOf([{ name: 'f', data: 'x'.repeat(3_000_000) }])
  await driver.applyDiff(
    id,
    undefined,
    (async function* () {
      yield tar.subarray(0, 2_500_000)
      sayBegun()
      await never()
    })(),
  )
}
process.stdin.resume()
