/** Which figure of the result line a broken promise counts in. */
export type Figure = "lost" | "duplicated" | "unfinished" | "orphans" | "broken" | "clientFailures";

/** A promise that was not kept, in words that lead to it. */
export interface Violation {
  readonly figure: Figure;
  readonly what: string;
}
