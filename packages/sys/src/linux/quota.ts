import type { ProjectUse, QuotaCalls } from '../quota-calls.ts'
import type { Context } from './context.ts'

/** `struct fsxattr` of linux/fs.h: u32 xflags, extsize, nextents, projid, cowextsize, u8 pad[8]. */
const FSXATTR_BYTES = 28
const PROJECT_AT = 12
/** `_IOR('X', 31, struct fsxattr)` and `_IOW('X', 32, …)`, linux/fs.h. */
const FS_IOC_FSGETXATTR = 0x801c581f
const FS_IOC_FSSETXATTR = 0x401c5820
/** What is made in the directory is of its project, linux/fs.h. */
const FS_XFLAG_PROJINHERIT = 0x200

/** linux/quota.h */
const PRJQUOTA = 2
const qcmd = (command: number) => (command << 8) | PRJQUOTA
/** linux/dqblk_xfs.h, `XQM_CMD`; ext4 answers them too. */
const [Q_XGETQUOTA, Q_XSETQLIM, Q_XGETQSTAT] = [qcmd(0x5803), qcmd(0x5804), qcmd(0x5805)]
const FS_QUOTA_PDQ_ACCT = 1 << 4
const FS_QUOTA_PDQ_ENFD = 1 << 5
const FS_DQUOT_VERSION = 1
const FS_PROJ_QUOTA = 2
const FS_DQ_BSOFT = 1 << 2
const FS_DQ_BHARD = 1 << 3
/** `struct fs_disk_quota` is 112 bytes, `struct fs_quota_stat` fewer. */
const QUOTA_BYTES = 112
/** Its limits and what is used are in these. */
const BLOCK = 512

/** Calls for project quotas; see `quota-calls.ts`. */
export function quotaCalls(context: Context): QuotaCalls {
  const { libc } = context
  const attributes = new Uint8Array(FSXATTR_BYTES)
  const attributesView = new DataView(attributes.buffer)
  const quota = new Uint8Array(QUOTA_BYTES)
  const view = new DataView(quota.buffer)

  const readAttributes = (fd: number) => {
    if (libc.ioctlBuffer(fd, FS_IOC_FSGETXATTR, attributes) < 0) {
      throw context.error('ioctl(FS_IOC_FSGETXATTR)')
    }
  }
  const call = (command: number, device: Uint8Array, project: number) => {
    const path = context.path(device, 'quotactl')
    if (libc.quotactl(command, path, project, quota) < 0) throw context.error('quotactl', device)
  }
  return {
    projectOf(fd) {
      readAttributes(fd)
      return attributesView.getUint32(PROJECT_AT, true)
    },
    setProject(fd, project) {
      readAttributes(fd)
      attributesView.setUint32(0, attributesView.getUint32(0, true) | FS_XFLAG_PROJINHERIT, true)
      attributesView.setUint32(PROJECT_AT, project, true)
      if (libc.ioctlBuffer(fd, FS_IOC_FSSETXATTR, attributes) < 0) {
        throw context.error('ioctl(FS_IOC_FSSETXATTR)')
      }
    },
    quotaState(device) {
      quota.fill(0)
      call(Q_XGETQSTAT, device, 0)
      const flags = view.getUint16(2, true)
      return {
        accounting: (flags & FS_QUOTA_PDQ_ACCT) !== 0,
        enforced: (flags & FS_QUOTA_PDQ_ENFD) !== 0,
      }
    },
    projectUse(device, project): ProjectUse {
      quota.fill(0)
      try {
        call(Q_XGETQUOTA, device, project)
      } catch (error) {
        // Nothing was ever counted for it.
        if ((error as { code?: string }).code !== 'ENOENT') throw error
        return { limit: 0, used: 0, inodes: 0 }
      }
      const bytes = (at: number) => Number(view.getBigUint64(at, true)) * BLOCK
      return { limit: bytes(8), used: bytes(40), inodes: Number(view.getBigUint64(48, true)) }
    },
    setProjectLimit(device, project, limit) {
      quota.fill(0)
      view.setInt8(0, FS_DQUOT_VERSION)
      view.setInt8(1, FS_PROJ_QUOTA)
      view.setUint16(2, FS_DQ_BSOFT | FS_DQ_BHARD, true)
      view.setUint32(4, project, true)
      const blocks = BigInt(Math.floor(limit / BLOCK))
      view.setBigUint64(8, blocks, true)
      view.setBigUint64(16, blocks, true)
      call(Q_XSETQLIM, device, project)
    },
  }
}
