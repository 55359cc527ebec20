import { z } from "zod";
import type { ApiClient, ApiRequest } from "./api-client.ts";
import { CommandError, EXIT } from "./exit-codes.ts";

const waiting = z.looseObject({
  reason: z.string(),
  ahead: z.number().nullable(),
  etaMs: z.number().nullable(),
});

const queueEntry = z.looseObject({
  jobId: z.string(),
  buildId: z.string(),
  repo: z.string(),
  number: z.number(),
  ref: z.string(),
  name: z.string(),
  state: z.enum(["queued", "running"]),
  startedAt: z.string().nullable(),
  worker: z.string().nullable(),
  waiting: waiting.nullable(),
  url: z.string(),
});
export type ApiQueueEntry = z.infer<typeof queueEntry>;

const secret = z.looseObject({
  name: z.string(),
  branches: z.array(z.string()).nullable(),
  pullRequests: z.boolean(),
  updatedAt: z.string(),
  lastUsedAt: z.string().nullable(),
  lastUsedBy: z.looseObject({ number: z.number() }).nullable(),
});
export type ApiSecret = z.infer<typeof secret>;

const builtAnswer = z.looseObject({ id: z.string(), number: z.number(), url: z.string() });

export interface BuildRequest {
  readonly ref?: string | undefined;
  readonly sha?: string | undefined;
  readonly params: Readonly<Record<string, string>>;
  readonly fresh: boolean;
}

/** What starts builds, lets them start and puts them in order. */
export function triggerApi(api: ApiClient) {
  const ask = async <T>(path: string, schema: z.ZodType<T>, init?: ApiRequest): Promise<T> => {
    const parsed = schema.safeParse(await (await api.request(path, init)).json());
    if (parsed.success) return parsed.data;
    throw new CommandError(EXIT.unreachable, `${api.url} answers, but not as Tatara does.`);
  };
  const ofBuild = (id: string): string => `/api/builds/${encodeURIComponent(id)}`;
  const secretPath = (repo: string, name: string): string =>
    `/api/repos/${repo}/secrets/${encodeURIComponent(name)}`;
  const anything = z.looseObject({});

  return {
    build: (repo: string, wish: BuildRequest) =>
      ask(`/api/repos/${repo}/builds`, builtAnswer, { json: wish }),
    approve: (id: string, withItsFile: boolean) =>
      ask(`${ofBuild(id)}/approve`, anything, { json: { withItsFile } }),
    bump: (id: string) => ask(`${ofBuild(id)}/bump`, anything, { method: "POST" }),
    queue: async () => (await ask("/api/queue", z.object({ jobs: z.array(queueEntry) }))).jobs,
    clearCaches: (repo: string) =>
      ask(`/api/repos/${repo}/caches/clear`, z.looseObject({ cacheEpoch: z.number() }), {
        method: "POST",
      }),
    secrets: async (repo: string) =>
      (await ask(`/api/repos/${repo}/secrets`, z.object({ secrets: z.array(secret) }))).secrets,
    setSecret: (
      repo: string,
      name: string,
      json: {
        readonly value: string;
        readonly branches?: readonly string[];
        readonly pullRequests: boolean;
      },
    ) =>
      ask(secretPath(repo, name), z.looseObject({ result: z.string() }), { method: "PUT", json }),
    removeSecret: (repo: string, name: string) =>
      ask(secretPath(repo, name), anything, { method: "DELETE" }),
  };
}
