import { expect, test } from "vitest";
import { ATTEMPTS_MAX, LEASE_MS, nextAttempt } from "../../../src/domain/attempt.ts";
import {
  mayHaveLastAttempt,
  type JobWithLosses,
  type WorkerLoss,
} from "../../../src/domain/life/last-attempt.ts";
import { randomOf } from "../../torture/random.ts";

const LOST = { worker: "w1", at: 1_000_000 };
const aJob = (countedAttempts: number, ...losses: WorkerLoss[]): JobWithLosses => {
  return { countedAttempts, losses };
};
const twice = aJob(2, { worker: "w0", at: 0 }, LOST);
const asking = { worker: "w1", aboard: [], others: [] };

test.each([
  ["by a worker that it was lost with, while another is there", twice, { others: ["w2"] }, false],
  ["by the only worker there is", twice, {}, true],
  ["by a worker that it was lost with, as it was with all", twice, { others: ["w0"] }, true],
  ["by a worker that it was not lost with", twice, { worker: "w2", others: ["w1"] }, true],
  ["beside what was lost with it", twice, { worker: "w2", aboard: [aJob(1, LOST)] }, false],
  ["beside what was lost at another time", twice, { worker: "w2", aboard: [aJob(1)] }, true],
  ["by any worker, and it is not the last", aJob(1, LOST), { others: ["w2"] }, true],
  ["beside the last of what was lost with it", aJob(1, LOST), { aboard: [aJob(3, LOST)] }, false],
] as const)("an attempt that may be the last, asked for: %s", (_where, wanted, some, isGranted) => {
  expect(mayHaveLastAttempt(wanted, { ...asking, ...some })).toBe(isGranted);
});

test("leases of one worker that run out at different moments are one loss", () => {
  const late = aJob(1, { ...LOST, at: LOST.at + LEASE_MS });
  const later = aJob(1, { ...LOST, at: LOST.at + LEASE_MS + 1 });

  expect(mayHaveLastAttempt(twice, { ...asking, aboard: [late] })).toBe(false);
  expect(mayHaveLastAttempt(twice, { ...asking, aboard: [later] })).toBe(true);
});

const FARMS = Array.from({ length: 500 }, (_, seed) => seed);

test("a job that kills its workers ends after three, and takes no other job with it", () => {
  for (const seed of FARMS) {
    const { deaths, errored, open } = run(seed, (_worker, { id }) => id === 0);

    const told = { seed, deaths, errored, open };
    expect(told).toEqual({ seed, deaths: ATTEMPTS_MAX, errored: [0], open: [] });
  }
});

test("a worker that dies of whatever it runs ends no job that another worker could run", () => {
  for (const seed of FARMS) {
    const { errored, open } = run(seed, ({ name }) => name === "w0");

    expect({ seed, errored, open }).toEqual({ seed, errored: [], open: [] });
  }
});

interface Job {
  readonly id: number;
  countedAttempts: number;
  readonly losses: WorkerLoss[];
}

interface Worker {
  readonly name: string;
  aboard: readonly Job[];
}

const TURNS_MAX = 5_000;

/** Workers take what they may, in the order of the line; those that die come back with empty hands. */
function run(seed: number, kills: (worker: Worker, job: Job) => boolean) {
  const random = randomOf(seed, "farm");
  const workers = Array.from({ length: random.integer(2, 4) }, (_, at): Worker => {
    return { name: `w${at}`, aboard: [] };
  });
  const slots = random.integer(1, 4);
  let line = Array.from({ length: random.integer(2, 8) }, (_, id): Job => {
    return { id, countedAttempts: 0, losses: [] };
  });
  const errored: number[] = [];
  let deaths = 0;

  const ask = (one: Worker): void => {
    const others = workers.filter((other) => other !== one).map(({ name }) => name);
    const next = line.find((job) =>
      mayHaveLastAttempt(job, { worker: one.name, aboard: one.aboard, others }),
    );
    if (next === undefined || one.aboard.length >= slots) return;
    line = line.filter((job) => job !== next);
    next.countedAttempts += 1;
    one.aboard = [...one.aboard, next];
  };
  const die = (one: Worker, at: number): void => {
    deaths += 1;
    for (const lost of one.aboard) {
      lost.losses.push({ worker: one.name, at });
      const isOver = nextAttempt("worker-lost", lost.countedAttempts).kind === "give-up";
      if (isOver) errored.push(lost.id);
      else line = [...line, lost].toSorted((a, b) => a.id - b.id);
    }
    one.aboard = [];
  };

  const isOpen = () => line.length > 0 || workers.some(({ aboard }) => aboard.length > 0);
  for (let turn = 0; turn < TURNS_MAX && isOpen(); turn += 1) {
    const one = workers[random.integer(0, workers.length - 1)];
    if (one === undefined) continue;
    ask(one);
    const ending = one.aboard[random.integer(0, one.aboard.length)];
    if (ending === undefined) continue;
    if (kills(one, ending)) die(one, turn * 2 * LEASE_MS);
    else one.aboard = one.aboard.filter((job) => job !== ending);
  }
  const open = [...line, ...workers.flatMap(({ aboard }) => aboard)].map(({ id }) => id);
  return { deaths, errored, open };
}
