/** `DRIVER_INFO` of vmcompute.dll: how its layer functions are to take an id. */
export interface HcsDriverInfo {
  /** 0: differencing disks. 1: files, shown through a filter. */
  readonly flavour: 0 | 1
  /** Where the layers are; empty if ids are whole paths. */
  readonly homeDir: string
}

/** `WC_LAYER_DESCRIPTOR`: a layer beneath another one. */
export interface HcsLayer {
  /** What `nameToGuid` makes of its folder's name; 16 bytes as they lie in memory. */
  readonly guid: Uint8Array
  /** Its folder. */
  readonly path: string
}

/** `FILE_BASIC_INFO`: times as FILETIMEs (100 ns since 1601, 64 bits), and attributes. */
export interface FileBasicInfo {
  readonly creation: bigint
  readonly lastAccess: bigint
  readonly lastWrite: bigint
  readonly change: bigint
  /** `FILE_ATTRIBUTE_*` bits. */
  readonly attributes: number
}

/** A layer that is taken in file by file (`ImportLayerBegin`). Disposing of it gives up or ends it. */
export interface HcsImport extends AsyncDisposable {
  /** Begins a file; without `info` it is a tombstone. */
  next(name: string, info: FileBasicInfo | undefined): Promise<void>
  /** More of the file's backup stream. */
  write(bytes: Uint8Array): Promise<void>
  /** Ends the import; nothing may be called afterwards. */
  end(): Promise<void>
}

/** A file that is given out by {@link HcsExport.next}. */
export interface HcsExported {
  readonly name: string
  readonly info: FileBasicInfo
  /** Bytes of its data. */
  readonly size: number
  /** A tombstone: the layer deletes it. */
  readonly deleted: boolean
}

/** A layer that is given out file by file (`ExportLayerBegin`), until disposed of. */
export interface HcsExport extends AsyncDisposable {
  next(): Promise<HcsExported | undefined>
  /** More of the file's backup stream; empty at its end. */
  read(): Promise<Uint8Array>
}

/**
 * The functions of Windows' host compute service that make, fill and mount layers. Failures are
 * {@link HcsError}s.
 */
export interface Hcs {
  /** `directories`: an imitation whose mounts are ordinary directories. */
  readonly kind: 'windows' | 'directories'
  /** Windows Server 2016's fourth preview, of which Docker 1.11 took special care. */
  readonly tp4: boolean
  activateLayer(info: HcsDriverInfo, id: string): Promise<void>
  deactivateLayer(info: HcsDriverInfo, id: string): Promise<void>
  prepareLayer(info: HcsDriverInfo, id: string, chain: readonly HcsLayer[]): Promise<void>
  unprepareLayer(info: HcsDriverInfo, id: string): Promise<void>
  createLayer(info: HcsDriverInfo, id: string, parent: string): Promise<void>
  createSandboxLayer(
    info: HcsDriverInfo,
    id: string,
    parent: string | undefined,
    chain: readonly HcsLayer[],
  ): Promise<void>
  expandSandboxSize(info: HcsDriverInfo, id: string, bytes: bigint): Promise<void>
  copyLayer(
    info: HcsDriverInfo,
    from: string,
    to: string,
    chain: readonly HcsLayer[],
  ): Promise<void>
  destroyLayer(info: HcsDriverInfo, id: string): Promise<void>
  layerExists(info: HcsDriverInfo, id: string): Promise<boolean>
  /** A writable layer's volume, or a read-only layer's folder. */
  getLayerMountPath(info: HcsDriverInfo, id: string): Promise<string>
  importLayer(
    info: HcsDriverInfo,
    id: string,
    folder: string,
    chain: readonly HcsLayer[],
  ): Promise<void>
  exportLayer(
    info: HcsDriverInfo,
    id: string,
    folder: string,
    chain: readonly HcsLayer[],
  ): Promise<void>
  /** Absent where the service has no such functions any more. */
  importLayerBegin?(info: HcsDriverInfo, id: string, chain: readonly HcsLayer[]): Promise<HcsImport>
  exportLayerBegin?(info: HcsDriverInfo, id: string, chain: readonly HcsLayer[]): Promise<HcsExport>
  /** JSON: `{"Images":[{"Name","Version","Path","Size","CreatedTime"}]}`. */
  getBaseImages(): Promise<string>
  nameToGuid(name: string): Promise<Uint8Array>
  processBaseImage(path: string): Promise<void>
  processUtilityImage(path: string): Promise<void>
  grantVmAccess(vmID: string, file: string): Promise<void>
}

/** HRESULTs of the service that are acted on; their values are those of winerror.h. */
export const HRESULT = {
  fileNotFound: 0x80070002,
  accessDenied: 0x80070005,
  sharingViolation: 0x80070020,
  invalidParameter: 0x80070057,
  alreadyExists: 0x800700b7,
  /** `HCS_E_INVALID_STATE`. */
  invalidState: 0xc0370105,
} as const

/** A call of Windows that failed. */
export class HcsError extends Error {
  /** The function, as `CreateLayer`. */
  readonly syscall: string
  /** The whole HRESULT, unsigned; for functions that return a Win32 code, made from that. */
  readonly hresult: number
  /** The Win32 code in it, or the HRESULT if there is none. */
  readonly status: number
  /** What it was called with. */
  readonly rest: string

  constructor(syscall: string, hresult: number, rest = '', text = '') {
    const unsigned = hresult >>> 0
    const status = win32Of(unsigned)
    const why = text === '' ? '' : `${text} `
    const shown = `(0x${status.toString(16)})`
    super(`hcsshim::${syscall} failed in Win32: ${why}${shown}${rest === '' ? '' : ` ${rest}`}`)
    this.name = 'HcsError'
    this.syscall = syscall
    this.hresult = unsigned
    this.status = status
    this.rest = rest
  }
}

/** `HRESULT_CODE` for what `HRESULT_FROM_WIN32` made (winerror.h), else the HRESULT itself. */
function win32Of(hresult: number): number {
  return (hresult & 0x1fff0000) === 0x00070000 ? hresult & 0xffff : hresult
}
