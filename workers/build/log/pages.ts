/** What goes to the disk and to the server at once, at most. */
export const PAGE_BYTES = 256 * 1024;
/** Kept for whoever is next: what is made anew for each chunk is garbage as fast as a log comes. */
const SPARE_MAX = 16;

export type Page = Buffer;

const spare: Page[] = [];

export function takePage(): Page {
  return spare.pop() ?? Buffer.allocUnsafeSlow(PAGE_BYTES);
}

/** The caller must not touch it any more. */
export function givePage(page: Page): void {
  if (spare.length < SPARE_MAX) spare.push(page);
}
