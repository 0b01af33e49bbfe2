/** What Docker's own graph did wrong. Each test fails on the behaviour that its name tells of. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { asCacheID, type Driver, digestOf } from '@varve/core'
import { bufferToFile } from '@varve/graph'
import { intercept, tarOf } from '@varve/testkit'
import { describe, expect, test } from 'vitest'
import { bytesOf, id, newPlace } from './support/places.ts'

const tar = tarOf([{ name: 'motd', data: 'hello' }])
const latin1 = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1')

describe('register', () => {
  test('1.7 removed the layer of the image whose id was registered a second time', async () => {
    await using place = await newPlace()
    const driver = await place.driver()
    const graph = await place.open('1.7', { driver })
    await graph.register({ id: id('a') }, [tar])
    const again = graph.register({ id: id('a') }, [tar])
    await expect(again).rejects.toMatchObject({ code: 'ERR_IMAGE_EXISTS' })
    expect(await driver.exists(asCacheID(id('a')))).toBe(true)
    expect(await bytesOf(graph.tarLayer('a'))).toContain('hello')
  })

  test('1.9 registered one image at a time, whatever took long', async () => {
    await using place = await newPlace()
    const graph = await place.open()
    const slow = Promise.withResolvers<void>()
    const first = graph.register(
      { id: id('a') },
      (async function* () {
        yield tar.subarray(0, 512)
        await slow.promise
        yield tar.subarray(512)
      })(),
    )
    // Would wait for ever for the first, which waits for it.
    await graph.register({ id: id('b') }, [tar])
    slow.resolve()
    expect((await first).id).toBe(id('a'))
  })

  test('1.9 lost what stands behind the end of the archive, and gave other bytes back', async () => {
    const bytes = Buffer.concat([tar, Buffer.from('padding '.repeat(5000))])
    for (const layer of [bytes, gzipSync(bytes)]) {
      await using place = await newPlace('vfs')
      const graph = await place.open()
      await graph.register({ id: id('a') }, [layer])
      expect(await bytesOf(graph.tarLayer('a'))).toBe(latin1(bytes))
    }
  })

  test('1.9 could not give back a layer with two entries of one name', async () => {
    const twice = tarOf([
      { name: 'motd', data: 'first' },
      { name: 'motd', data: 'second' },
    ])
    await using place = await newPlace('vfs')
    const graph = await place.open()
    await graph.register({ id: id('a') }, [twice])
    expect(await bytesOf(graph.tarLayer('a'))).toBe(latin1(twice))
  })

  test('1.9 took a document that it could never read again', async () => {
    await using place = await newPlace()
    const graph = await place.open()
    const json = (text: string) => new TextEncoder().encode(text)
    for (const text of ['{', '[]', `{"id":"${id('b')}"}`, '{"parent":"../x"}']) {
      const code = /^ERR_INVALID_(IMAGE|ARGUMENT)$/
      const wrong = graph.register({ id: id('a'), json: json(text) }, [tar])
      await expect(wrong, text).rejects.toMatchObject({ code: expect.stringMatching(code) })
    }
    expect(await graph.problems()).toEqual([])
  })

  test('a failing clean-up was not told of', async () => {
    await using place = await newPlace()
    const driver = intercept(await place.driver(), (call) => {
      if (call === 'applyDiff') throw new Error('no disk')
      if (call === 'remove' && armed) throw new Error('busy')
    })
    let armed = false
    const graph = await place.open('1.9', { driver: wrapRemove(driver, () => (armed = true)) })
    await expect(graph.register({ id: id('a') }, [tar])).rejects.toThrow(/no disk.*busy/)
    // What could not be removed is written down, for whoever opens the graph next.
    expect(readdirSync(join(graph.root, '_tmp'))).toEqual([id('a')])
    const plain = await place.driver()
    expect(await plain.exists(asCacheID(id('a')))).toBe(true)
    await graph[Symbol.asyncDispose]()
    await place.open('1.9', { driver: plain })
    expect(await plain.exists(asCacheID(id('a')))).toBe(false)
    expect(readdirSync(join(graph.root, '_tmp'))).toEqual([])
  })
})

/** Tells of each removal after it was made. */
function wrapRemove(driver: Driver, onRemoved: () => void): Driver {
  return new Proxy(driver, {
    get(target, key) {
      const value = Reflect.get(target, key, target)
      if (key !== 'remove') return typeof value === 'function' ? value.bind(target) : value
      return async (of: Parameters<Driver['remove']>[0]) => {
        await target.remove(of)
        onRemoved()
      }
    },
  })
}

describe('restore', () => {
  test('1.9 did not start when one document could not be read', async () => {
    await using place = await newPlace()
    const driver = await place.driver()
    const before = await place.open('1.9', { driver })
    await before.register({ id: id('a') }, [tar])
    await before.register({ id: id('b') }, [tar])
    await before[Symbol.asyncDispose]()
    writeFileSync(join(before.root, id('b'), 'json'), '')
    const after = await place.open('1.9', { driver })
    expect([...(await after.map()).keys()]).toEqual([id('a')])
    expect(await after.problems()).toMatchObject([{ kind: 'damaged', id: id('b') }])
  })
})

describe('delete', () => {
  test('1.9 could not delete an image that it could not read', async () => {
    await using place = await newPlace()
    const graph = await place.open()
    await graph.register({ id: id('a') }, [tar])
    writeFileSync(join(graph.root, id('a'), 'json'), 'x')
    await graph.delete('a')
    expect(existsSync(join(graph.root, id('a')))).toBe(false)
  })

  test('a layer that the driver could not remove was forgotten, and its space lost', async () => {
    await using place = await newPlace()
    const plain = await place.driver()
    let busy = true
    const driver = intercept(plain, (call) => {
      if (call === 'remove' && busy) throw new Error('it is mounted')
    })
    busy = false
    const graph = await place.open('1.9', { driver })
    await graph.register({ id: id('a') }, [tar])
    busy = true
    await expect(graph.delete('a')).rejects.toThrow('it is mounted')
    expect((await graph.get('a')).id).toBe(id('a'))
    busy = false
    await graph.delete('a')
    expect(await plain.exists(asCacheID(id('a')))).toBe(false)
  })

  test('a layer that went, though not without a failure, is not listed again', async () => {
    await using place = await newPlace()
    const plain = await place.driver()
    const driver = wrapRemove(plain, () => {
      if (armed) throw new Error('some file is busy')
    })
    let armed = false
    const graph = await place.open('1.9', { driver })
    await graph.register({ id: id('a') }, [tar])
    armed = true
    await expect(graph.delete('a')).rejects.toMatchObject({ code: 'ERR_CLEANUP_FAILED' })
    expect(await graph.exists('a')).toBe(false)
    expect(await graph.problems()).toEqual([])
  })

  test('it could be called from within a walk only at the risk of a deadlock', async () => {
    await using place = await newPlace()
    const graph = await place.open()
    for (const start of ['a', 'b', 'c']) await graph.register({ id: id(start) }, [tar])
    for await (const image of graph.walkAll()) await graph.delete(image.id)
    expect(await graph.map()).toEqual(new Map())
  })
})

describe('tarLayer', () => {
  test('1.9 made another tar in silence when the record could not be read', async () => {
    await using place = await newPlace('vfs')
    const graph = await place.open()
    await graph.register({ id: id('a') }, [tar])
    const record = join(graph.root, id('a'), 'tar-data.json.gz')
    writeFileSync(record, readFileSync(record).subarray(0, 40))
    await expect(bytesOf(graph.tarLayer('a'))).rejects.toMatchObject({ code: 'ERR_CORRUPT_RECORD' })
  })

  test('a file that was changed meanwhile ended the tar in an error, and must', async () => {
    await using place = await newPlace('vfs')
    const graph = await place.open()
    await graph.register({ id: id('a') }, [tar])
    writeFileSync(join(place.root, 'vfs/dir', id('a'), 'motd'), 'hellO')
    await expect(bytesOf(graph.tarLayer('a'))).rejects.toMatchObject({ code: 'ERR_CORRUPT_LAYER' })
  })

  test('the image could be deleted beneath whoever read it', async () => {
    await using place = await newPlace('vfs')
    const graph = await place.open()
    await graph.register({ id: id('a') }, [tarOf([{ name: 'big', data: 'x'.repeat(3e6) }])])
    const reader = graph.tarLayer('a').getReader()
    await reader.read()
    await expect(graph.delete('a')).rejects.toMatchObject({ code: 'ERR_LAYER_IN_USE' })
    await reader.cancel()
    await graph.delete('a')
  })
})

describe('temporary files', () => {
  test('1.7 left a directory in _tmp for each layer that it buffered', async () => {
    await using place = await newPlace()
    const graph = await place.open('1.7')
    await graph.register({ id: id('a') }, [tar])
    await bytesOf((await graph.tempLayerArchive('a')).read())
    await using unread = await graph.tempLayerArchive('a')
    expect(unread.size).toBeGreaterThan(0)
    expect(readdirSync(join(graph.root, '_tmp'))).toEqual([])
  })

  test('1.7 did not notice when the last of the compressed bytes could not be written', async () => {
    const written: Uint8Array[] = []
    const write = async (chunk: Uint8Array, at: number, length: number) => {
      // As a full disk takes them: fewer than it was given.
      const bytesWritten = Math.min(length, 7)
      written.push(chunk.slice(at, at + bytesWritten))
      return { bytesWritten }
    }
    const { digest } = await bufferToFile({ write } as never, [tar])
    expect(digest).toBe(digestOf(Buffer.concat(written)))
    expect(new Uint8Array(gunzipSync(Buffer.concat(written)))).toEqual(new Uint8Array(tar))
    const full = async () => {
      throw Object.assign(new Error('full'), { code: 'ENOSPC' })
    }
    await expect(bufferToFile({ write: full } as never, [tar])).rejects.toThrow('full')
  })
})

describe('v1 compatibility', () => {
  test('1.9 waited for ever for an image that stands on itself', async () => {
    await using place = await newPlace()
    const graph = await place.open()
    await graph.register({ id: id('a') }, [tar])
    await graph.register({ id: id('b'), parent: id('a') }, [tar])
    writeFileSync(
      join(graph.root, id('a'), 'json'),
      JSON.stringify({ id: id('a'), parent: id('b') }),
    )
    await graph[Symbol.asyncDispose]()
    const again = await place.open('1.9', {})
    await expect(again.generateV1CompatibilityChain(id('b'))).rejects.toMatchObject({
      code: 'ERR_CORRUPT_METADATA',
    })
    expect(await again.getV1CompatibilityConfig(id('b'))).toBeUndefined()
  })
})

describe('names', () => {
  test('an id was joined to a path as it came', async () => {
    await using place = await newPlace()
    const graph = await place.open()
    writeFileSync(join(place.root, 'json'), 'secret')
    const wrong = { code: 'ERR_INVALID_ARGUMENT' }
    for (const path of ['..', '../..', 'a/../..', '_tmp', '']) {
      await expect(graph.rawJSON(path), path).rejects.toMatchObject(wrong)
      await expect(graph.setDigest(path, digestOf(''))).rejects.toMatchObject(wrong)
      await expect(graph.getDigest(path)).rejects.toMatchObject(wrong)
      await expect(graph.register({ id: path }, [tar])).rejects.toMatchObject(wrong)
      await expect(graph.getV1CompatibilityConfig(path)).rejects.toMatchObject(wrong)
    }
  })

  test('whether an image is missing was read out of the words of an error', async () => {
    await using place = await newPlace()
    const graph = await place.open()
    const says = new Error(`no such file: ${id('a')} does not exist`)
    expect(graph.isNotExist(says, id('a'))).toBe(false)
    const error = await graph.get(id('a')).catch((caught: unknown) => caught)
    expect(graph.isNotExist(error, id('a'))).toBe(true)
  })
})
