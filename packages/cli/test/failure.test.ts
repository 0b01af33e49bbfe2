import { LayerError } from '@varve/core'
import { CommanderError } from 'commander'
import { expect, test } from 'vitest'
import { describeFailure, usageError } from '../src/failure.ts'

test('an error of the store is one line in lower case, with its hint and code', () => {
  const error = new LayerError('ERR_NO_SPACE', 'Cannot write\nlayer \x1b[1m', { hint: 'Free some' })
  expect(describeFailure(error)).toMatchObject({
    exitCode: 1,
    message: 'cannot write; layer \\x1b[1m',
    hint: 'free some',
    json: { code: 'ERR_NO_SPACE' },
  })
})

test('an error of the system is told in words', () => {
  const message = "Cannot read /x: ENOENT: no such file or directory, open '/x'"
  expect(describeFailure(new LayerError('ERR_IO', message)).message).toBe(
    'cannot read /x: no such file or directory',
  )
})

test('names at the beginning keep their capitals', () => {
  const error = new LayerError('ERR_INVALID_IMAGE', 'OCI layout is damaged')
  expect(describeFailure(error).message).toBe('OCI layout is damaged')
})

test('wrong usage is exit code 2, and what commander suggests is a hint', () => {
  const suggested = "error: unknown command 'lod'\n(Did you mean load?)"
  expect(
    describeFailure(new CommanderError(1, 'commander.unknownCommand', suggested)),
  ).toMatchObject({ exitCode: 2, message: "unknown command 'lod'", hint: 'did you mean load?' })
  expect(describeFailure(usageError('refusing', 'do so'))).toMatchObject({
    exitCode: 2,
    message: 'refusing',
    hint: 'do so',
    json: { code: 'ERR_INVALID_ARGUMENT' },
  })
})

test('what no code is known for is a fault of ours', () => {
  expect(describeFailure(new TypeError('x is not a function'))).toMatchObject({
    exitCode: 1,
    message: 'cannot go on: x is not a function',
    json: { code: 'ERR_INTERNAL' },
  })
})
