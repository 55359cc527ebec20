import { z } from "zod";
import type { ApiClient, ApiRequest } from "./api-client.ts";
import { CommandError, EXIT } from "./exit-codes.ts";

const apiWorker = z.looseObject({
  id: z.string(),
  kind: z.string(),
  /** `working`, `draining`, `drained`, `away`, `too-old`, `too-new`. */
  state: z.string(),
  says: z.string(),
  running: z.number(),
  slots: z.number().nullable(),
  version: z.string().nullable(),
  seenAt: z.string(),
});
export type ApiWorker = z.infer<typeof apiWorker>;

/** Workers as the server knows them. */
export function workerApi(api: ApiClient) {
  const ask = async <T>(path: string, schema: z.ZodType<T>, init?: ApiRequest): Promise<T> => {
    const parsed = schema.safeParse(await (await api.request(path, init)).json());
    if (parsed.success) return parsed.data;
    throw new CommandError(EXIT.unreachable, `${api.url} answers, but not as Tatara does.`);
  };
  const one = (id: string): string => `/api/workers/${encodeURIComponent(id)}`;
  return {
    list: async () =>
      (await ask("/api/workers", z.object({ workers: z.array(apiWorker) }))).workers,
    drain: (id: string, json: { readonly note?: string; readonly now: boolean }) =>
      ask(`${one(id)}/drain`, apiWorker, { json }),
    forget: async (id: string): Promise<void> => {
      await api.request(one(id), { method: "DELETE" });
    },
    resume: (id: string) => ask(`${one(id)}/resume`, apiWorker, { method: "POST" }),
  };
}
