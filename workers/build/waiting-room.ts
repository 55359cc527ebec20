/** How many containers of a job are being made side by side: more at once are not made faster. */
const HANDS = 4;
/** So many wait while nobody knows yet whether their image is the one that the job gets. */
const PLACES_AT_FIRST = 4;
/**
 * Making one may take longer than a quick step runs, so a few in advance cover for a slow one. Each that
 * waits costs the engine some ten megabytes.
 */
const PLACES = 8;

/** How many containers of a job wait behind their gates, in all its images. */
export interface WaitingRoom {
  /**
   * Calls `begin` whenever there is a place and a hand free, until it has nothing to make any more
   * (undefined). What it returns settles once the container waits.
   */
  fill(begin: () => Promise<unknown> | undefined): void;
  /** One that waited was let go. */
  give(): void;
  /** An image is the job's own for certain. */
  widen(): void;
}

export function waitingRoom(): WaitingRoom {
  const suppliers: (() => Promise<unknown> | undefined)[] = [];
  let places = PLACES_AT_FIRST;
  let more = PLACES - PLACES_AT_FIRST;
  let making = 0;

  const fillUp = (): void => {
    for (const begin of suppliers) {
      while (places > 0 && making < HANDS) {
        const made = begin();
        if (made === undefined) break;
        places -= 1;
        making += 1;
        // After one that could not be made no more are: whoever needs it hears why.
        made.then(
          () => {
            making -= 1;
            fillUp();
          },
          () => undefined,
        );
      }
    }
  };
  return {
    fill: (begin) => {
      suppliers.push(begin);
      fillUp();
    },
    give: () => {
      places += 1;
      fillUp();
    },
    widen: () => {
      places += more;
      more = 0;
      fillUp();
    },
  };
}
