import { z } from "zod";

const text = z.string().max(4_000);

/** `POST /api/repos/<owner>/<name>/builds` */
export const buildRequest = z.strictObject({
  /** `main`, `v1.2.0` or a whole ref; absent: the default branch. */
  ref: z.string().max(300).optional(),
  /** A commit of that ref. */
  sha: z.string().max(64).optional(),
  params: z.record(z.string().max(100), text).optional(),
  fresh: z.boolean().optional(),
});

/** `POST /api/builds/<id>/approve` */
export const approveRequest = z.strictObject({
  /** The pull request's own pipeline file counts, not the base branch's. */
  withItsFile: z.boolean().optional(),
});

/** `PUT /api/repos/<owner>/<name>/secrets/<NAME>` */
export const secretRequest = z.strictObject({
  value: z.string(),
  /** Patterns of branches; absent: all branches and tags. */
  branches: z.array(z.string().min(1).max(300)).min(1).max(100).optional(),
  pullRequests: z.boolean().optional(),
});

/** `POST /api/workers/<id>/drain` */
export const drainRequest = z.strictObject({
  /** Why, for those who wonder where it is. */
  note: z.string().max(300).optional(),
  /** What runs is handed back at once instead of waited for. */
  now: z.boolean().optional(),
});
