import { expireLeases } from "../../../src/server/store/attempts.ts";
import { expirePublishLeases } from "../../../src/server/store/publish-attempts.ts";
import type { Random } from "../../torture/random.ts";
import type { TestStore } from "../a-store.ts";
import { BothSides } from "./beside/both-sides.ts";
import { compare } from "./beside/compare-store.ts";
import { JobsBeside } from "./beside/jobs-beside.ts";
import { cancel, push, rerun } from "./beside/people-beside.ts";
import { PublishesBeside } from "./beside/publishes-beside.ts";
import { StatusesBeside } from "./beside/statuses-beside.ts";
import type { Lives } from "./records/lives.ts";

/** The real store and the model of it, to which the same things happen. */
export interface BesideStore {
  readonly model: Lives;
  step(): Promise<void>;
  /** What differs between the two now. */
  differences(): Promise<readonly string[]>;
}

const WEIGHTS = {
  push: 8,
  claim: 20,
  work: 34,
  stale: 6,
  takePublish: 12,
  publish: 12,
  post: 10,
  wait: 5,
  restart: 4,
  cancel: 3,
  rerun: 2,
} as const;

/** Nothing happens until `step`; each draws one thing, and does it to both. */
export function besideStore(held: TestStore, random: Random): BesideStore {
  const both = new BothSides(held, random);
  const jobs = new JobsBeside(both);
  const publishes = new PublishesBeside(both);
  const statuses = new StatusesBeside(both);
  const happenings = {
    push: () => push(both),
    claim: () => jobs.claim(),
    work: () => jobs.work(),
    stale: () => jobs.stale(),
    takePublish: () => publishes.claim(),
    publish: () => publishes.finish(),
    post: () => statuses.post(),
    wait: async () => {
      held.advance(random.integer(0, 40_000));
      await expire(both);
      await jobs.renew();
    },
    restart: () => jobs.restart(),
    cancel: () => cancel(both),
    rerun: () => rerun(both),
  } as const satisfies Record<keyof typeof WEIGHTS, () => Promise<void>>;
  const { lives } = both.model;
  return {
    model: lives,
    step: async () => await happenings[random.weighted(WEIGHTS)](),
    differences: async () => [
      ...both.takeDisagreements(),
      ...(await compare(held.store.db, lives)),
    ],
  };
}

/** Time has passed: both take back what was granted to those who were not heard of. */
async function expire(both: BothSides): Promise<void> {
  both.synchronize();
  await both.store.write(expireLeases);
  await both.store.write(expirePublishLeases);
  both.model.reconciler.expire();
}
