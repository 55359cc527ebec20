/** One recorded move of a ref. */
export interface RecordedMove {
  readonly before: string;
  readonly after: string;
  readonly receivedAt: number;
}

/** What is known of a ref, oldest move first. */
export interface RefPast {
  /** What the ref named when it was looked at last. */
  readonly seen: { readonly sha: string; readonly seenAt: number } | undefined;
  readonly moves: readonly RecordedMove[];
}

export const NO_SHA = "0".repeat(40);

/**
 * A ref names `head`: was a push missed? Then what the ref named before, as far as it is known. What a
 * repo's refs name at the first look was there before us and is no push that we missed. Deliveries may
 * have come in any order, so the end of a chain of moves counts as much as the newest.
 */
export function missedMove(
  head: string,
  { seen, moves }: RefPast,
  isFirstLook: boolean,
): { readonly before: string } | undefined {
  const last = moves.at(-1);
  if (last === undefined || (seen !== undefined && seen.seenAt > last.receivedAt)) {
    if (seen === undefined) return isFirstLook ? undefined : { before: NO_SHA };
    return seen.sha === head ? undefined : { before: seen.sha };
  }
  const ends = moves.filter(({ after }) => !moves.some(({ before }) => before === after));
  if (last.after === head || ends.some(({ after }) => after === head)) return undefined;
  // A late copy of an older delivery is no way back.
  return { before: (ends.at(-1) ?? last).after };
}
