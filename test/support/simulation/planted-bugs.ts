import { COMMIT_STATE } from "../../../src/domain/commit-status.ts";
import { NO_CHANGE, type BuildLife } from "../../../src/domain/life/records.ts";
import { RULES, type Rules } from "./rules.ts";

/** Servers with one rule broken, each in a way in which a real one could be. */
export const PLANTED_BUGS: Readonly<Record<string, Partial<Rules>>> = {
  "an old token is as good as the newest": {
    standingOf: (record) => RULES.standingOf(record, true),
  },
  "a job that ends forgets that it was asked to stop": {
    endJob: (life, ...rest) => RULES.endJob(unasked(life), ...rest),
  },
  "a publish goes live after a cancel": {
    finishPublish: (life, ...rest) => RULES.finishPublish(life && unasked(life), ...rest),
  },
  "a job that is lost forgets that it was asked to stop": {
    loseAttempt: (life, ...rest) => RULES.loseAttempt(unasked(life), ...rest),
  },
  "a cancel does not wait for what runs": {
    cancelBuild: (life, ...rest) => {
      const publishes = life.publishes.filter(({ state }) => state !== "running");
      return RULES.cancelBuild({ ...life, publishes }, ...rest);
    },
  },
  "a pending replaces a final": {
    nextStatus: (current, wish, now) => {
      const next = RULES.nextStatus(undefined, wish, now);
      return next && { ...next, version: (current?.version ?? 0) + 1 };
    },
  },
  "a status that is wanted is not sent again": {
    nextStatus: (current, wish, now) => {
      const next = RULES.nextStatus(current, wish, now);
      return next && { ...next, version: current?.version ?? 1 };
    },
  },
  "what was sent is what is wanted now, whatever was posted": {
    answerOfPost: (status, end, now) =>
      RULES.answerOfPost(status, { ...end, version: status.version }, now),
  },
  "nobody looks whether an old post arrived late": {
    isToBeChecked: () => false,
  },
  "the same push under another delivery is built again": {
    decideDelivery: (known) => RULES.decideDelivery({ ...known, ownerState: undefined }),
  },
  "a delivery that comes again is built again": {
    decideDelivery: (known) => RULES.decideDelivery({ ...known, seen: undefined }),
  },
  "a job may be lost for ever": {
    loseAttempt: (life, job, loss, now) =>
      RULES.loseAttempt(life, { ...job, countedAttempts: 1 }, loss, now),
  },
  "what is lost is never queued again": {
    loseAttempt: () => NO_CHANGE,
  },
  "leases are never over": {
    isLeaseOver: () => false,
  },
  "a job that nobody takes waits for ever": {
    giveUpWaiting: () => NO_CHANGE,
  },
  "jobs do not wait for what they need": {
    birthOfJob: (planned) => ({ ...RULES.birthOfJob(planned), isBlocked: 0 }),
  },
  "the planner goes on with a job that must wait": {
    ownPlace: (jobs) => ({ index: jobs.length - 1, fits: true }),
  },
  "a step that has ended is opened again": {
    pathOfStep: (from, to) => RULES.pathOfStep(from === "passed" ? "queued" : from, to),
  },
  "a worker that crashes each time may always come back": {
    returnOfWorker: (held, now) => RULES.returnOfWorker({ ...held, hasEndedStep: true }, now),
  },
  "a planned restart costs an attempt": {
    returnOfWorker: (held, now) => RULES.returnOfWorker({ ...held, goodbyeAt: null }, now),
  },
  "an attempt is handed to the worker that was away, and to another": {
    returnOfWorker: (held, now) => RULES.returnOfWorker({ ...held, isNewest: true }, now),
  },
  "an older build speaks after a newer one": {
    nextStatus: (current, wish, now) => {
      const isOlder = current !== undefined && wish.buildNumber < current.buildNumber;
      const buildNumber = isOlder ? current.buildNumber : wish.buildNumber;
      const next = RULES.nextStatus(current, { ...wish, buildNumber }, now);
      return next && { ...next, state: COMMIT_STATE[wish.state] };
    },
  },
};

function unasked(life: BuildLife): BuildLife {
  return { ...life, build: { ...life.build, cancelRequestedAt: null } };
}
