import { z } from "zod";
import {
  githubReader,
  type GithubAnswer,
  type GithubPage,
  type GithubReaderOptions,
} from "./github-read.ts";

/** A delivery that did not get through, and no try of it since. */
export interface FailedDelivery {
  /** Of the newest try; what is asked for again is named by it. */
  readonly id: number;
  readonly hookId: number;
  /** `X-GitHub-Delivery`: all tries share it. */
  readonly deliveryId: string;
  readonly event: string;
  /** What happened to a pull request; null where the event knows no actions. */
  readonly action: string | null;
  /** How often it was tried, as far back as the list was read. */
  readonly tries: number;
  /** Of the newest try, in epoch milliseconds. */
  readonly triedAt: number;
}

export type HookAnswer<T> =
  | GithubAnswer<T>
  /** The credential may ask, and none of the repo's hooks delivers to this server. */
  | { readonly kind: "no-hook"; readonly reason: string };

/** What GitHub could not deliver to us. Only `signal`'s reason is thrown. */
export interface GithubHooks {
  /** Oldest first. */
  failedDeliveries(
    repo: string,
    signal: AbortSignal,
  ): Promise<HookAnswer<readonly FailedDelivery[]>>;
  redeliver(
    repo: string,
    delivery: Pick<FailedDelivery, "id" | "hookId">,
    signal: AbortSignal,
  ): Promise<HookAnswer<undefined>>;
}

const PER_PAGE = 100;
const PAGES_MAX = 5;
const HOOKS_MAX = 3;
const WEBHOOK_PATH = "/webhooks/github";

const hooks = z.array(
  z.object({
    id: z.number().int(),
    active: z.boolean(),
    config: z.object({ url: z.string().optional() }),
  }),
);
const deliveries = z.array(
  z.object({
    id: z.number().int(),
    guid: z.string(),
    delivered_at: z.string(),
    status_code: z.number().int(),
    event: z.string(),
    action: z.string().nullish(),
  }),
);
type Delivery = z.infer<typeof deliveries>[number];

export interface GithubHooksOptions extends GithubReaderOptions {
  /** Where our hooks deliver to, if that is known: others' are left alone. */
  readonly publicUrl: string | undefined;
}

export function githubHooks({ publicUrl, ...options }: GithubHooksOptions): GithubHooks {
  const github = githubReader(options);

  const ourHooks = async (repo: string, signal: AbortSignal): Promise<HookAnswer<number[]>> => {
    const answer = await github.page(`/repos/${repo}/hooks?per_page=${PER_PAGE}`, hooks, signal);
    if (answer.kind !== "done") return answer;
    const ours = answer.value.data.filter(
      ({ active, config }) => active && isOurs(config.url ?? ""),
    );
    if (ours.length === 0) return { kind: "no-hook", reason: noHook };
    // Without an address of our own, two hooks of the same path may be another server's.
    if (publicUrl === undefined && ours.length > 1) return { kind: "no-hook", reason: MANY_HOOKS };
    return { kind: "done", value: ours.slice(0, HOOKS_MAX).map(({ id }) => id) };
  };

  const noHook =
    publicUrl === undefined
      ? `no active webhook of it ends in ${WEBHOOK_PATH}`
      : `no active webhook of it delivers to ${publicUrl}${WEBHOOK_PATH}, the address that follows from TATARA_PUBLIC_URL`;
  const isOurs = (url: string): boolean =>
    publicUrl === undefined ? url.endsWith(WEBHOOK_PATH) : url === publicUrl + WEBHOOK_PATH;

  return {
    failedDeliveries: async (repo, signal) => {
      const found = await ourHooks(repo, signal);
      if (found.kind !== "done") return found;
      const failed: FailedDelivery[] = [];
      for (const hookId of found.value) {
        const tries: Delivery[] = [];
        let url: string | undefined =
          `/repos/${repo}/hooks/${hookId}/deliveries?per_page=${PER_PAGE}`;
        for (let page = 0; url !== undefined && page < PAGES_MAX; page += 1) {
          const answer: GithubAnswer<GithubPage<Delivery[]>> = await github.page(
            url,
            deliveries,
            signal,
          );
          if (answer.kind !== "done") return answer;
          tries.push(...answer.value.data);
          url = answer.value.next;
        }
        failed.push(...failedOf(tries, hookId));
      }
      return { kind: "done", value: failed.toSorted((a, b) => a.triedAt - b.triedAt) };
    },
    redeliver: async (repo, { hookId, id }, signal) => {
      const url = `/repos/${repo}/hooks/${hookId}/deliveries/${id}/attempts`;
      return await github.post(url, signal);
    },
  };
}

const MANY_HOOKS = `several of its webhooks end in ${WEBHOOK_PATH}, and TATARA_PUBLIC_URL, which would say which is this server's, is not set`;

function failedOf(tries: readonly Delivery[], hookId: number): readonly FailedDelivery[] {
  return [...Map.groupBy(tries, ({ guid }) => guid)].flatMap(([deliveryId, all]) => {
    // GitHub lists the newest first.
    const [newest] = all;
    const hasArrived = all.some(({ status_code: code }) => code >= 200 && code < 400);
    if (newest === undefined || hasArrived) return [];
    const { id, event, action = null } = newest;
    const triedAt = Date.parse(newest.delivered_at);
    return [{ id, hookId, deliveryId, event, action, tries: all.length, triedAt }];
  });
}
