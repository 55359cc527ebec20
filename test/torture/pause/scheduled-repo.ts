import { persistently } from "../pushers.ts";
import { openRecords } from "../records.ts";
import { samplePush } from "../sample-push.ts";
import type { Violation } from "../invariants/violation.ts";
import type { Scene } from "../under-load.ts";
import { ZEROS } from "../../support/github-deliveries.ts";

const REPO = "own/scheduled";
const MAIN = "refs/heads/main";
const MINUTE_MS = 60_000;
const LOOK_EVERY_MS = 100;
const NEXT_MS = 30_000;

/** A repo that is built by the clock, every minute. */
export interface ScheduledRepo {
  /** What the schedule did that no clock can excuse; asked while it is still in force. */
  check(): Promise<readonly Violation[]>;
  /** Takes the schedule away, so that all can become quiet. */
  end(): Promise<void>;
}

export async function startScheduled({ tatara, ledger }: Scene): Promise<ScheduledRepo> {
  const tree = await tatara.createRepo(REPO, { "README.md": `# ${REPO}\n` });
  let before = ZEROS;
  let serial = 0;
  const push = async (extra: string): Promise<void> => {
    serial += 1;
    const { files, message } = samplePush(REPO, serial, "passing");
    const pipeline = `${files[".tatara.yml"]}${extra}`;
    const after = await tree.commit({ ...files, ".tatara.yml": pipeline }, message);
    await persistently(() => tree.push());
    ledger.pushes.push({ forge: "own", repo: REPO, ref: MAIN, before, after, kind: "passing" });
    before = after;
  };
  await push('when: { branches: [main], schedule: "* * * * *" }\n');
  const startedAt = performance.now();
  return {
    check: async () => {
      const nextInMs = await nextTickIn(tatara.dataDir);
      const minutes = (performance.now() - startedAt) / MINUTE_MS;
      using records = openRecords(tatara.dataDir);
      const built = records
        .all("builds")
        .filter(({ repo, event }) => repo === REPO && event === "schedule").length;
      return [
        // The first minute may have begun just before, and the last just now.
        ...(built > Math.floor(minutes) + 2
          ? [broken(`${built} builds by the clock in ${minutes.toFixed(1)} minutes`)]
          : []),
        ...(nextInMs !== undefined && nextInMs > MINUTE_MS + 1_000
          ? [broken(`the next build by the clock is ${nextInMs / MINUTE_MS} minutes away`)]
          : []),
      ];
    },
    end: () => push(""),
  };
}

/** Once the clock is right again: the server looks every ten seconds. Undefined: not planned yet. */
async function nextTickIn(dataDir: string): Promise<number | undefined> {
  const endAt = performance.now() + NEXT_MS;
  for (;;) {
    using records = openRecords(dataDir);
    const [schedule] = records.all("schedules");
    const nextInMs = schedule && schedule.nextAt - Date.now();
    if ((nextInMs ?? 0) <= MINUTE_MS || performance.now() > endAt) return nextInMs;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

function broken(what: string): Violation {
  return { figure: "duplicated", what };
}
