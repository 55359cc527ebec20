/** The one of a list that a drawn number means. */
export function oneOf<T>(list: readonly T[], drawn: number): T {
  const one = list[drawn % list.length];
  if (one === undefined) throw new Error("Nothing to choose from.");
  return one;
}
