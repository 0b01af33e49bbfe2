/** Archives of `docker save` before 1.10, from moby's `image/spec/v1.md`. */
import { bytes, type Files, layerTar } from './make-image.ts'

export interface V1Layer {
  readonly id: string
  readonly parent?: string
  /** More fields of the document, or others. */
  readonly json?: Record<string, unknown>
  readonly tar?: Uint8Array
}

/** An id that begins as given. */
export const v1ID = (start: string): string => start.padEnd(64, '0')

export function v1ArchiveOf(
  layers: readonly V1Layer[],
  repositories?: Record<string, Record<string, string>>,
): Files {
  const files: Files = new Map()
  for (const { id, parent, json, tar } of layers) {
    files.set(`${id}/VERSION`, new TextEncoder().encode('1.0'))
    files.set(
      `${id}/json`,
      bytes({
        id,
        ...(parent ? { parent } : {}),
        created: '2015-10-27T18:11:06.500Z',
        container: 'c'.repeat(64),
        container_config: {
          Hostname: 'h',
          Cmd: ['/bin/sh', '-c', `#(nop) ADD <${id.slice(0, 4)}>`],
        },
        docker_version: '1.9.1',
        config: { Hostname: 'h', Env: ['A=1 & 2'], Cmd: ['/bin/sh'] },
        architecture: 'amd64',
        os: 'linux',
        Size: 123,
        ...json,
      }),
    )
    files.set(`${id}/layer.tar`, tar ?? layerTar(id.slice(0, 8)))
  }
  if (repositories) files.set('repositories', bytes(repositories))
  return files
}
