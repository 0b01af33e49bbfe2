/** Whole numbers from 0 up to, not including, `below`; the same ones for the same seed. */
export type Random = (below: number) => number

/** xorshift32 (Marsaglia, "Xorshift RNGs"). */
export function randomFrom(seed: number): Random {
  let state = (seed * 2_654_435_761) >>> 0 || 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

/** Some of `items`, each as likely as any other, in their order. */
export function sample<T>(items: readonly T[], count: number, random: Random): readonly T[] {
  const chosen = [...items.keys()]
  for (let i = chosen.length - 1; i > 0; i--) {
    const j = random(i + 1)
    ;[chosen[i], chosen[j]] = [chosen[j] as number, chosen[i] as number]
  }
  return chosen
    .slice(0, count)
    .sort((a, b) => a - b)
    .map((i) => items[i] as T)
}
