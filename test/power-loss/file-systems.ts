/** A file system to lose power under. */
export interface FileSystem {
  readonly name: 'ext4' | 'xfs' | 'btrfs'
  readonly bytes: number
  readonly mkfs: readonly string[]
  readonly mountOptions: string
  /**
   * What of a write is on the disk whole or not at all, as the file system is promised: the sector,
   * and for btrfs, whose superblock fills one, the page.
   */
  readonly sector: number
  /** Whether the kernel is known to fail now and then in replaying its log. */
  readonly mayBeLost: boolean
}

const MIB = 1 << 20

/** Journals are committed every second, so that a short recording has many commits. */
export const FILE_SYSTEMS: Readonly<Record<FileSystem['name'], FileSystem>> = {
  ext4: {
    name: 'ext4',
    bytes: 128 * MIB,
    mkfs: [
      'mkfs.ext4',
      '-qF',
      '-b4096',
      '-Jsize=4',
      '-Elazy_itable_init=0,lazy_journal_init=0,nodiscard',
    ],
    mountOptions: 'commit=1',
    sector: 512,
    mayBeLost: false,
  },
  xfs: {
    name: 'xfs',
    // mkfs.xfs makes none smaller.
    bytes: 300 * MIB,
    mkfs: ['mkfs.xfs', '-qfK'],
    // Else it refuses a second disk of one id, and the last one may not be gone everywhere.
    mountOptions: 'nouuid',
    sector: 512,
    mayBeLost: false,
  },
  btrfs: {
    name: 'btrfs',
    bytes: 160 * MIB,
    mkfs: ['mkfs.btrfs', '-qfK', '-msingle'],
    mountOptions: 'commit=1',
    sector: 4096,
    // Linux 6.18: "btrfs_recover_log_trees: errno=1", with every write in its place.
    mayBeLost: true,
  },
}
