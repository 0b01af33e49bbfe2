import type { Hcs, HcsDriverInfo, HcsLayer, WinFs, WinRoot } from '@varve/sys'

/** What reads or writes a layer on others needs. */
export interface UpperPlace {
  readonly hcs: Hcs
  readonly fs: WinFs
  readonly info: HcsDriverInfo
  /** The layer's id as the service knows it. */
  readonly id: string
  readonly chain: readonly HcsLayer[]
  /** The layer's folder. */
  readonly root: WinRoot
}
