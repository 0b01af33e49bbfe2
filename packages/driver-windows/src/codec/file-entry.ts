import { type ByteSource, LayerError } from '@varve/core'
import { encodeHeader } from '@varve/tar'
import { type FileBasicInfo, isDirectory } from './file-info.ts'
import { paxTimeText, tarTimeOf, unixNanoseconds } from './filetime.ts'
import { type BackupTarOptions, RECORD } from './records.ts'
import { ascii, type Survey } from './survey.ts'

/** A backup stream: one that can be read once, or opened as often as one likes. */
export type BackupSource = ByteSource | { readonly open: () => ByteSource }

/** A file whose tar entries are wanted. */
export interface BackedUpFile {
  /** From the root of the layer, with backslashes or slashes. */
  readonly name: string
  /** Bytes of its data. */
  readonly size: number
  readonly info: FileBasicInfo
  readonly stream: BackupSource
}

/** What is known of a file when its content is written. */
export class FileEntry {
  readonly file: BackedUpFile
  readonly name: string
  readonly survey: Survey
  readonly go: boolean
  readonly read: 'once' | 'twice'
  readonly times: ReadonlyMap<string, Uint8Array>
  readonly records: ReadonlyMap<string, Uint8Array>

  constructor(
    file: BackedUpFile,
    name: string,
    survey: Survey,
    options: BackupTarOptions,
    read: 'once' | 'twice',
  ) {
    const { info } = file
    this.file = file
    this.name = name
    this.survey = survey
    this.go = options.goCompatible ?? false
    this.read = read
    const times = new Map<string, Uint8Array>()
    const records = new Map(survey.records)
    const put = (map: Map<string, Uint8Array>, key: string, filetime: bigint) => {
      if (options.strictTimes && filetime === 0n) return
      map.set(key, ascii(paxTimeText(unixNanoseconds(filetime))))
    }
    put(times, 'atime', info.lastAccess)
    put(times, 'ctime', info.change)
    if (this.mtime.nsec !== 0) put(times, 'mtime', info.lastWrite)
    put(records, RECORD.creationTime, info.creation)
    records.set(RECORD.attributes, ascii(String(info.attributes >>> 0)))
    this.times = times
    this.records = new Map([...records, ...times])
  }

  get mtime(): { readonly sec: number; readonly nsec: number } {
    return tarTimeOf(unixNanoseconds(this.file.info.lastWrite))
  }

  /** Bytes of data. */
  get size(): number {
    return isDirectory(this.file.info) ? 0 : this.file.size
  }

  /** Whether there is a place for data. */
  get isFile(): boolean {
    return this.survey.type === 'file'
  }

  /** @throws LayerError before anything is written of a file of another size */
  checkSurvey(): void {
    const { dataSize } = this.survey
    if (dataSize !== undefined && this.isFile && !this.go) this.checkSize(dataSize, this.size)
  }

  header(): Uint8Array {
    const { survey, size } = this
    return encodeHeader({
      name: ascii(this.name),
      type: survey.type,
      mode: survey.mode,
      uid: 0,
      gid: 0,
      mtime: this.mtime,
      linkname: ascii(survey.linkname),
      size,
      claimedSize: size,
      records: this.records,
    })
  }

  /** @throws LayerError `ERR_CORRUPT_LAYER` */
  checkSize(found: number, size: number): void {
    if (found !== size) throw this.corrupt(`it has ${found} bytes of data instead of ${size}`)
  }

  corrupt(why: string): LayerError {
    return new LayerError('ERR_CORRUPT_LAYER', `Cannot write ${this.name} to a tar: ${why}`, {
      data: { name: this.name },
    })
  }
}
