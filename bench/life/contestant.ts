/** Who is measured: each keeps images, and gives writable layers on them a life. */
import type { BenchImage } from '../inputs/images.ts'

/** Steps that are measured. */
export const STEPS = ['create', 'mount', 'unmount', 'remove'] as const
/** Ways to ask for the changes of a layer. */
export const QUESTIONS = ['list', 'tar', 'commit'] as const
export type Question = (typeof QUESTIONS)[number]

/** A layer that was mounted. */
export interface Mounted {
  readonly path: string
}

/** One tool, or one way to use it. `id` is made up for each layer. */
export interface Contestant extends AsyncDisposable {
  readonly name: string
  /** Whether a step is a process that starts and ends, or a call on what runs already. */
  readonly by: 'call' | 'command'
  load(image: BenchImage): Promise<void>
  create(image: BenchImage, id: string): Promise<void>
  /** Absent where nothing is mounted before a container runs. */
  mount?(id: string): Promise<Mounted>
  unmount?(id: string): Promise<void>
  remove(id: string): Promise<void>
  /** Makes its files visible, for those without a mount; not measured. */
  look?(id: string): Promise<Mounted & AsyncDisposable>
  /** Puts a tar's files into a layer, for those without a mount; not measured. */
  put?(id: string, tar: string): Promise<void>
  /** What is asked of a layer with changes; `uncommit` undoes what a commit made, unmeasured. */
  readonly questions: Partial<Readonly<Record<Question, (id: string) => Promise<void>>>>
  uncommit?(id: string): Promise<void>
}
