import type { FinalState, State } from "../states.ts";

/**
 * The one table of legal changes of state. What is not here cannot be written down: a `Move` is a
 * pair out of a table, and the store writes a state by a `Move` only.
 */
type Table = Readonly<Record<string, readonly string[]>>;

export const BUILD_MOVES = {
  queued: ["running", "skipped", "cancelled", "errored"],
  running: ["passed", "failed", "errored", "cancelled"],
  passed: [],
  failed: [],
  errored: [],
  cancelled: [],
  skipped: [],
} as const satisfies Record<State, readonly State[]>;

/** A job returns to `queued` for its next attempt, and may find out while it runs that it is not needed. */
export const JOB_MOVES = {
  queued: ["running", "errored", "cancelled", "skipped"],
  running: ["queued", "passed", "failed", "errored", "cancelled", "skipped"],
  passed: [],
  failed: [],
  errored: [],
  cancelled: [],
  skipped: [],
} as const satisfies Record<State, readonly State[]>;

export const STEP_MOVES = {
  queued: ["running", "skipped"],
  running: ["passed", "failed", "errored", "cancelled", "skipped"],
  passed: [],
  failed: [],
  errored: [],
  cancelled: [],
  skipped: [],
} as const satisfies Record<State, readonly State[]>;

export type PublishState = "queued" | "running" | PublishEndState;
export type PublishEndState = "live" | "failed" | "errored" | "cancelled";

export const PUBLISH_MOVES = {
  queued: ["running", "failed", "errored", "cancelled"],
  running: ["queued", "live", "failed", "errored", "cancelled"],
  live: [],
  failed: [],
  errored: [],
  cancelled: [],
} as const satisfies Record<PublishState, readonly PublishState[]>;

/** All pairs of a table, each a type of its own: `{from: "queued", to: "running"} | …`. */
type MoveOf<T extends Table> = {
  [From in keyof T]: {
    [To in T[From][number]]: { readonly from: From; readonly to: To };
  }[T[From][number]];
}[keyof T];

export type BuildMove = MoveOf<typeof BUILD_MOVES>;
export type JobMove = MoveOf<typeof JOB_MOVES>;
export type StepMove = MoveOf<typeof STEP_MOVES>;
export type PublishMove = MoveOf<typeof PUBLISH_MOVES>;

/** States in which something may come to be. */
export type BirthOfBuild = "queued" | "skipped" | "cancelled";
export type BirthOfJob = "queued" | "skipped";

export type OpenState = "queued" | "running";

export function isOpen(state: string): state is OpenState {
  return state === "queued" || state === "running";
}

/** Is the pair in the table? For those who check what was written, not for those who decide. */
export function isLegal(table: Table, from: string, to: string): boolean {
  return table[from]?.includes(to) ?? false;
}

/**
 * How an open build ends. A mistake found before the plan ends a build that never showed as running:
 * it runs for that moment. A build that runs has something to do, so it is not skipped any more.
 */
export function endOfBuild(from: OpenState, to: FinalState): readonly BuildMove[] {
  if (from === "running") return [{ from, to: to === "skipped" ? "passed" : to }];
  if (to !== "passed" && to !== "failed") return [{ from, to }];
  return [
    { from, to: "running" },
    { from: "running", to },
  ];
}

/** How a step comes to what its worker says of it; undefined: it has ended and stays as it is. */
export function pathOfStep(
  from: State,
  to: Exclude<State, "queued">,
): readonly StepMove[] | undefined {
  if (!isOpen(from)) return undefined;
  if (from === to) return [];
  if (from === "queued" && (to === "running" || to === "skipped")) return [{ from, to }];
  if (to === "running") return [];
  const end = { from: "running", to } as const;
  // That it ran was said, and the word was lost.
  return from === "queued" ? [{ from, to: "running" }, end] : [end];
}
