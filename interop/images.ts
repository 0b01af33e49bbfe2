/** Images as other tools make them from a real root file system; varve has no part in them. */
import { existsSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { debianRoot } from './debian.ts'
import { commitEdited, startDocker } from './docker.ts'
import { run } from './run.ts'

/** Where the images are. */
export interface Images {
  /** The directory tree that all of them are made from. */
  readonly root: string
  /** `docker save` of {@link DOCKER_TAGS}. */
  readonly dockerArchive: string
  /** `docker save` of `debian:edited` alone. */
  readonly dockerSingle: string
  /** An OCI layout by umoci, gzip layers, with {@link UMOCI_TAGS}. */
  readonly umociLayout: string
  /** By skopeo, from umoci's `edited`: an OCI layout with zstd layers, tag `edited`. */
  readonly zstdLayout: string
  /** By skopeo, from Docker's `edited`: an OCI layout with plain layers, tag `edited`. */
  readonly plainLayout: string
  /** By skopeo, from umoci's `edited`: an OCI layout as one tar. */
  readonly ociArchive: string
}

export const DOCKER_TAGS = ['debian:base', 'debian:edited', 'debian:built'] as const
export const UMOCI_TAGS = ['base', 'edited', 'opaque'] as const

/** Makes the images once, and keeps them for later runs. */
export async function makeImages(dir: string): Promise<Images> {
  const root = await debianRoot(join(dir, 'debian'))
  const at = (name: string) => join(dir, 'images', name)
  const images: Images = {
    root,
    dockerArchive: at('docker.tar'),
    dockerSingle: at('docker-single.tar'),
    umociLayout: at('umoci'),
    zstdLayout: at('zstd'),
    plainLayout: at('plain'),
    ociArchive: at('oci.tar'),
  }
  if (existsSync(at('complete'))) return images
  await rm(at(''), { recursive: true, force: true })
  await mkdir(at(''), { recursive: true })
  await byDocker(images, at('docker'))
  await byUmoci(images, at('bundle'))
  await bySkopeo(images)
  await writeFile(at('complete'), '')
  return images
}

async function byDocker({ root, dockerArchive, dockerSingle }: Images, dir: string): Promise<void> {
  const tar = join(dir, 'root.tar')
  await mkdir(dir)
  await run('tar', ['-C', root, '--numeric-owner', '--xattrs', '-cf', tar, '.'])
  {
    await using docker = await startDocker(dir)
    await docker('import', tar, 'debian:base')
    await commitEdited(docker, 'debian:base', 'debian:edited', edit)
    // Beside the daemon's own files, which no context may hold.
    const context = join(dir, 'context')
    await mkdir(context)
    await writeFile(
      join(context, 'Dockerfile'),
      'FROM debian:edited\nCOPY hello /opt/hello\nENV GREETING=hello\nCMD ["cat", "/opt/hello"]\n',
    )
    await writeFile(join(context, 'hello'), 'hello\n')
    await run(
      'docker',
      ['--host', docker.address, 'build', '--network=none', '-q', '-t', 'debian:built', context],
      { env: { ...process.env, DOCKER_BUILDKIT: '0' } },
    )
    await docker('save', '-o', dockerArchive, ...DOCKER_TAGS)
    await docker('save', '-o', dockerSingle, 'debian:edited')
  }
  await rm(dir, { recursive: true })
}

async function byUmoci({ root, umociLayout: layout }: Images, bundle: string): Promise<void> {
  const image = (tag: string) => ['--image', `${layout}:${tag}`]
  await run('umoci', ['init', '--layout', layout])
  await run('umoci', ['new', ...image('base')])
  await run('umoci', ['unpack', ...image('base'), bundle])
  await run('cp', ['-a', `${root}/.`, join(bundle, 'rootfs')])
  await run('umoci', ['repack', '--refresh-bundle', ...image('base'), bundle])
  await edit(join(bundle, 'rootfs'))
  await run('umoci', ['repack', ...image('edited'), bundle])
  await rm(bundle, { recursive: true })
  await run('umoci', [
    'insert',
    ...image('edited'),
    '--tag=opaque',
    '--opaque',
    join(root, 'etc/default'),
    '/etc',
  ])
  await run('umoci', ['gc', '--layout', layout])
}

async function bySkopeo(images: Images): Promise<void> {
  const { dockerSingle, umociLayout, zstdLayout, plainLayout, ociArchive } = images
  const copy = (from: string, to: string, ...options: string[]) =>
    run('skopeo', ['--insecure-policy', 'copy', '-q', ...options, from, to])
  const umoci = `oci:${umociLayout}:edited`
  await copy(umoci, `oci:${zstdLayout}:edited`, '--dest-compress-format=zstd')
  await copy(umoci, `oci-archive:${ociArchive}:edited`)
  await copy(
    `docker-archive:${dockerSingle}:debian:edited`,
    `oci:${plainLayout}:edited`,
    '--dest-oci-accept-uncompressed-layers',
  )
}

/**
 * What the second layer changes: everything that a layer can say, and names, sizes and attributes
 * at which tools have failed before.
 */
export async function edit(root: string): Promise<void> {
  await run('sh', ['-euc', EDIT], { cwd: root })
}

const EDIT = `
  rm -r usr/share/doc etc/issue            # a directory and a file gone
  rm -r etc/skel; echo file > etc/skel     # a directory becomes a file,
  rm etc/debian_version; mkdir etc/debian_version # a file a directory,
  rm usr/bin/awk; echo awk > usr/bin/awk   # a link a file
  echo changed >> etc/passwd
  chmod 0600 etc/group; chown 12:34 etc/shells
  mkdir -p odd/empty
  cd odd
  echo one > one; ln one two; ln -s one link; ln -s ../../../etc/shadow outward
  mkfifo fifo; mknod null c 1 3; mknod disk b 7 200
  echo suid > suid; chmod 6755 suid; mkdir sticky; chmod 1777 sticky
  setfattr -n user.text -v value one
  setfattr -n security.capability -v 0x0100000200040000000000000000000000000000 suid
  truncate -s 3M sparse; echo end >> sparse
  : > nothing
  echo a > "$(printf 'latin-\\351')"; echo b > "$(printf 'n\\303\\251e'; printf ' %s' space)"
  echo c > "$(printf 'new\\nline')"
  long=$(printf 'l%.0s' $(seq 200)); mkdir -p "$long/$long"; echo d > "$long/$long/$long"
  ln -s "$long/$long/$long" longlink
  touch -d '1999-12-31 23:59:59.123456789' old; touch -d '2106-02-07 06:28:16' new
`
