const factor = Number(process.env.VARVE_RUNS ?? 1)
if (!(factor > 0)) throw new Error(`VARVE_RUNS is a factor above 0, not ${process.env.VARVE_RUNS}`)

/** How often a property is tried: `usual` times, or `VARVE_RUNS` times as often. */
export const runs = (usual: number): number => Math.ceil(usual * factor)
