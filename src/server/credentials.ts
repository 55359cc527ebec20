import { createHmac, timingSafeEqual } from "node:crypto";
import type { ForgeName } from "../domain/push.ts";
import type { BuildGrant } from "../shared/build-messages.ts";
import type { BuildRow, JobRow } from "./store/schema.ts";
import type { Store } from "./store/store.ts";

/**
 * The own remote's clone credential: made from the lease, so it is read-only, good for one repo, and
 * dies with the attempt. Nothing has to be stored for it.
 */
export function cloneToken(job: Pick<JobRow, "id" | "attempt" | "leaseTokenHash">): string {
  const secret = job.leaseTokenHash ?? "";
  const proof = createHmac("sha256", secret).update(`clone ${job.id} ${job.attempt}`).digest("hex");
  return `clone.${job.id}.${proof}`;
}

/** May `token` read `repo` now? */
export async function isCloneToken(
  store: Pick<Store, "db">,
  token: string,
  repo: string,
): Promise<boolean> {
  const id = /^clone\.([a-z0-9-]+)\.[0-9a-f]{64}$/.exec(token)?.[1];
  if (id === undefined) return false;
  const job = await store.db
    .selectFrom("jobs")
    .innerJoin("builds", "builds.id", "jobs.buildId")
    .select(["jobs.id", "jobs.attempt", "jobs.leaseTokenHash", "builds.repo"])
    .where("jobs.id", "=", id)
    .where("jobs.state", "=", "running")
    .executeTakeFirst();
  if (job?.leaseTokenHash == null || job.repo !== repo) return false;
  return timingSafeEqual(Buffer.from(cloneToken(job)), Buffer.from(token));
}

/** Where a job's worker clones from, and with what. Built from settings, never from a payload. */
export function cloneOf(
  { job, build }: { readonly job: JobRow; readonly build: BuildRow },
  forges: {
    readonly ownUrl: string;
    readonly githubUrl: string;
    readonly githubReadToken: string | undefined;
  },
): BuildGrant["clone"] {
  const basic = (user: string, password: string): string =>
    `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
  const places: Readonly<Record<ForgeName, BuildGrant["clone"]>> = {
    own: {
      url: `${forges.ownUrl}/git/${build.repo}.git`,
      authorization: basic("tatara", cloneToken(job)),
    },
    github: {
      url: `${forges.githubUrl}/${build.repo}.git`,
      authorization:
        forges.githubReadToken === undefined
          ? null
          : basic("x-access-token", forges.githubReadToken),
    },
  };
  return places[build.forge];
}
