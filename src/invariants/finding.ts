/** What Tatara promises (reliability design, section 2), each with a checker in this folder. */
export const INVARIANTS = {
  I1: "what was accepted is not lost: pushes and logs",
  I2: "everything ends, once",
  I3: "the forge shows how the newest build ended",
  I4: "nothing is left of what has ended",
  I5: "channels are whole and signed",
  I6: "one NEVRA has one content for ever",
  I7: "no secret leaks",
  I8: "everything that grows has a bound",
  I9: "a stale attempt changes nothing",
} as const;
export type InvariantId = keyof typeof INVARIANTS;

/** Which figure of a torture run's result line a finding counts in. */
export type Figure = "lost" | "duplicated" | "unfinished" | "orphans" | "broken";

/** A promise that was not kept. */
export interface Finding {
  readonly invariant: InvariantId;
  readonly figure: Figure;
  /** What is wrong, in a sentence without a full stop. */
  readonly what: string;
  /** The thing that it is about: `acme/hello #12`, a path, a container. */
  readonly where: string;
  /** The values seen; never a secret. */
  readonly evidence: string;
  /** What to do about it. */
  readonly wayOut: string;
  /** For how long an honest system may show this, in milliseconds: only what lasts longer counts. */
  readonly settlesMs: number;
}

/** Between a read of the records and one of the disk an honest system may move a little. */
export const MOVING_MS = 3_000;

/** Worth telling, and no promise broken: somebody else said no. */
export type Note = Pick<Finding, "invariant" | "where" | "what" | "evidence" | "wayOut">;

type Details = Partial<Pick<Finding, "figure" | "settlesMs">> &
  Pick<Finding, "what" | "where" | "evidence" | "wayOut">;

/** Makes the findings of one invariant. */
export function findingsOf(invariant: InvariantId) {
  return (details: Details): Finding => ({
    invariant,
    figure: "broken",
    settlesMs: MOVING_MS,
    ...details,
  });
}

/** The same trouble at another look has the same key. */
export function keyOf({ invariant, where, what }: Finding): string {
  return [invariant, where, what].join("\n");
}
