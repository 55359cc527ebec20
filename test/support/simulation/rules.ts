import { cancelBuild } from "../../../src/domain/life/cancel.ts";
import { decideDelivery, overQuota } from "../../../src/domain/life/delivery.ts";
import {
  cancelJob,
  endJob,
  giveUpWaiting,
  loseAttempt,
} from "../../../src/domain/life/job-ends.ts";
import {
  grantJob,
  grantPublish,
  isLeaseOver,
  leaseUntil,
  lossOfLease,
  mayClaimJob,
  standingOf,
} from "../../../src/domain/life/lease.ts";
import { pathOfStep } from "../../../src/domain/life/moves.ts";
import { afterPlan, birthOfJob, ownPlace } from "../../../src/domain/life/planning.ts";
import {
  finishPublish,
  giveUpWaitingPublish,
  losePublish,
} from "../../../src/domain/life/publish-ends.ts";
import { goodbyeOfWorker, returnOfWorker } from "../../../src/domain/life/return-of-worker.ts";
import { afterRelease } from "../../../src/domain/life/settle.ts";
import {
  answerOfPost,
  isDue,
  isToBeChecked,
  leaseStatus,
  nextStatus,
} from "../../../src/domain/life/status.ts";

/** The rules that the server runs on. A simulation of a broken server has one of them replaced. */
export const RULES = {
  afterPlan,
  afterRelease,
  answerOfPost,
  birthOfJob,
  cancelBuild,
  cancelJob,
  decideDelivery,
  endJob,
  finishPublish,
  giveUpWaiting,
  giveUpWaitingPublish,
  goodbyeOfWorker,
  grantJob,
  grantPublish,
  isDue,
  isLeaseOver,
  isToBeChecked,
  leaseStatus,
  leaseUntil,
  loseAttempt,
  losePublish,
  lossOfLease,
  mayClaimJob,
  nextStatus,
  overQuota,
  ownPlace,
  pathOfStep,
  returnOfWorker,
  standingOf,
};

export type Rules = typeof RULES;
