/**
 * Every message between a worker and the server. All paths are below `/worker/v1`; each request
 * carries the worker kind's token as bearer, and after a claim the lease's token in `LEASE_HEADER`.
 * Answers: 204 nothing to claim; 409 `{error:"stale"}` the lease is lost; 422 a user fault that only
 * the server can see; 5xx or no answer: send again while the lease lives. Everything may be sent twice.
 * The messages are in `worker-messages.ts` (of every kind), `build-messages.ts`, `publish-grants.ts`,
 * `publish-messages.ts` and `report-messages.ts`; what they are made of in `message-parts.ts` and
 * `package-messages.ts`.
 */
export const PROTOCOL = { lowest: 3, highest: 3 } as const;

export const LEASE_HEADER = "x-tatara-lease";

/** Paths, so that both sides spell them once. Ids are URL-safe by construction. */
export const PATHS = {
  buildStarted: () => "/worker/v1/build/started",
  buildGoodbye: () => "/worker/v1/build/goodbye",
  buildClaim: () => "/worker/v1/build/claim",
  /** Why a worker takes no jobs. */
  buildTrouble: () => "/worker/v1/build/trouble",
  heartbeat: (jobId: string) => `/worker/v1/build/jobs/${jobId}/heartbeat`,
  plan: (jobId: string) => `/worker/v1/build/jobs/${jobId}/plan`,
  step: (jobId: string, step: string) => `/worker/v1/build/jobs/${jobId}/steps/${step}`,
  log: (jobId: string, step: string) => `/worker/v1/build/jobs/${jobId}/steps/${step}/log`,
  /** What a step's reports say; what it keeps. */
  reports: (jobId: string, step: string) => `/worker/v1/build/jobs/${jobId}/steps/${step}/reports`,
  kept: (jobId: string, step: string) => `/worker/v1/build/jobs/${jobId}/steps/${step}/kept`,
  /** Files that the tests of the job's project kept, in whichever job they ran. */
  keptByTests: (jobId: string) => `/worker/v1/build/jobs/${jobId}/kept`,
  artifact: (jobId: string, sha256: string) => `/worker/v1/build/jobs/${jobId}/artifacts/${sha256}`,
  end: (jobId: string) => `/worker/v1/build/jobs/${jobId}/end`,
  fault: (jobId: string) => `/worker/v1/build/jobs/${jobId}/fault`,
  handBack: (jobId: string) => `/worker/v1/build/jobs/${jobId}/hand-back`,
  /** Shells that wait for a worker; each is then an upgrade of its own. */
  shells: () => "/worker/v1/build/shells",
  shell: (id: string) => `/worker/v1/build/shells/${id}`,
  liveAttempts: () => "/worker/v1/build/live-attempts",
  publishStarted: () => "/worker/v1/publish/started",
  publishClaim: () => "/worker/v1/publish/claim",
  publishHeartbeat: (id: string) => `/worker/v1/publish/${id}/heartbeat`,
  publishPackage: (id: string, sha256: string) => `/worker/v1/publish/${id}/packages/${sha256}`,
  publishCheck: (id: string) => `/worker/v1/publish/${id}/check`,
  publishSwitch: () => "/worker/v1/publish/switch",
  publishDone: (id: string) => `/worker/v1/publish/${id}/done`,
  publishProgress: (id: string) => `/worker/v1/publish/${id}/progress`,
  publishFail: (id: string) => `/worker/v1/publish/${id}/fail`,
  publishFault: (id: string) => `/worker/v1/publish/${id}/fault`,
  publishHandBack: (id: string) => `/worker/v1/publish/${id}/hand-back`,
  reportClaim: () => "/worker/v1/report/claim",
  reportAnswer: (id: string) => `/worker/v1/report/${id}/answer`,
} as const;
