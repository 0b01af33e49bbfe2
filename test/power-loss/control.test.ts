import { openSys } from '@varve/sys'
import { expect, test } from 'vitest'
import { FILE_SYSTEMS } from './file-systems.ts'
import { carelessSys, losePower } from './power-loss.ts'
import { reason } from './suite.ts'

test.skipIf(reason !== undefined)(
  `a store that syncs only its metadata is caught (${reason ?? 'as root'})`,
  async () => {
    const { bad, tried } = await losePower(FILE_SYSTEMS.ext4, 1, {
      states: 12,
      samples: 2,
      sys: carelessSys(),
      sysAfter: openSys(),
    })
    console.log('careless, on ext4', { tried, bad: bad.length })
    expect(bad.join('\n')).toContain('lost, though acknowledged')
    expect(bad.length).toBeGreaterThan(tried / 3)
  },
  900_000,
)
