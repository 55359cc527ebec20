import { z } from "zod";
import { changePlan, changeRequest, changeResult } from "../shared/channel-changes.ts";
import type { ChangePlan, ChangeResult } from "../shared/channel-changes.ts";
import type {
  allowanceRequest,
  createChannelRequest,
  importRequest,
  patchChannelRequest,
  pinRequest,
} from "../shared/channel-requests.ts";
import type { ApiClient, ApiRequest } from "./api-client.ts";
import { CommandError, EXIT } from "./exit-codes.ts";

const cause = z.looseObject({
  kind: z.string(),
  by: z.string(),
  note: z.string(),
  build: z.looseObject({ repo: z.string(), number: z.number() }).nullable(),
});
const generation = z.looseObject({
  number: z.number(),
  createdAt: z.string(),
  isPinned: z.boolean(),
  causes: z.array(cause),
  added: z.array(z.string()),
  removed: z.array(z.string()),
});
export type ApiGeneration = z.infer<typeof generation>;

/** What the command line reads; docs/reference/channels.md has every field. */
const channelAnswer = z.looseObject({
  name: z.string(),
  head: z.number(),
  updatedAt: z.string(),
  parent: z.looseObject({ name: z.string(), number: z.number() }).nullable(),
  expiresAt: z.string().nullable(),
  targets: z.array(z.looseObject({ name: z.string(), packages: z.number() })),
  settings: z.record(z.string(), z.unknown()),
});
export type ApiChannel = z.infer<typeof channelAnswer>;

const channelView = channelAnswer.extend({ generations: z.array(generation) });
export type ApiChannelView = z.infer<typeof channelView>;

const packageName = z.looseObject({
  name: z.string(),
  summary: z.string(),
  repo: z.string(),
  newest: z.record(z.string(), z.string()),
  publishedAt: z.string(),
});
export type ApiPackageName = z.infer<typeof packageName>;

const packageVersion = z.looseObject({
  nevra: z.string(),
  publishedAt: z.string(),
  listings: z.array(z.object({ channel: z.string(), target: z.string() })),
  yanked: z.looseObject({ at: z.string(), reason: z.string(), refused: z.boolean() }).nullable(),
  build: z.looseObject({ repo: z.string(), number: z.number(), url: z.string() }).nullable(),
});
export type ApiPackageVersion = z.infer<typeof packageVersion>;

const begun = z.looseObject({ publishId: z.string().nullable() });

export type ChangeWish = z.input<typeof changeRequest>;

/** Channels and packages of one server. */
export type ChannelApi = ReturnType<typeof channelApi>;

export function channelApi(api: ApiClient) {
  const ask = async <T extends z.ZodType>(
    schema: T,
    path: string,
    request: ApiRequest = {},
  ): Promise<z.output<T>> => {
    const value: unknown = await (await api.request(path, request)).json();
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    throw new CommandError(EXIT.unreachable, `${api.url} answers, but not as Tatara does.`);
  };
  const of = (name: string, rest = ""): string =>
    `/api/channels/${encodeURIComponent(name)}${rest}`;

  return {
    url: api.url,
    plan: (wish: ChangeWish): Promise<ChangePlan> =>
      ask(changePlan, "/api/changes?dry-run=1", { json: wish }),
    /** Waits a while for the end; a result that still runs is asked for again by `change`. */
    apply: (wish: ChangeWish): Promise<ChangeResult> =>
      ask(changeResult, "/api/changes", { json: wish }),
    change: (publishId: string): Promise<ChangeResult> =>
      ask(changeResult, `/api/changes/${encodeURIComponent(publishId)}`),

    channels: async (): Promise<readonly ApiChannel[]> =>
      (await ask(z.object({ channels: z.array(channelAnswer) }), "/api/channels")).channels,
    channel: (name: string): Promise<ApiChannelView> => ask(channelView, of(name)),
    add: (wish: z.input<typeof createChannelRequest>) =>
      ask(begun, "/api/channels", { json: wish }),
    patch: (name: string, wish: z.input<typeof patchChannelRequest>) =>
      ask(begun, of(name), { method: "PATCH", json: wish }),
    remove: (name: string) => ask(z.looseObject({}), of(name), { method: "DELETE" }),
    pin: (name: string, wish: z.input<typeof pinRequest>) =>
      ask(z.looseObject({ isPinned: z.boolean() }), of(name, "/pins"), { json: wish }),
    import: (name: string, wish: z.input<typeof importRequest>) =>
      ask(begun, of(name, "/import"), { json: wish }),
    /** `text` undefined takes the file away. */
    setExtra: (name: string, extra: { target: string; type: string; text: string | undefined }) => {
      const path = of(name, `/${encodeURIComponent(extra.target)}/extras/${extra.type}`);
      if (extra.text === undefined) return ask(begun, path, { method: "DELETE" });
      return ask(begun, path, { method: "PUT", text: extra.text });
    },

    packageNames: async (query: Readonly<Record<string, string>>) => {
      const schema = z.object({ packages: z.array(packageName) });
      const { packages } = await ask(
        schema,
        `/api/packages?${new URLSearchParams(query).toString()}`,
      );
      return packages;
    },
    versions: async (name: string): Promise<readonly ApiPackageVersion[]> => {
      const schema = z.object({ versions: z.array(packageVersion) });
      return (await ask(schema, `/api/packages/${encodeURIComponent(name)}`)).versions;
    },
    allow: (wish: z.input<typeof allowanceRequest>) =>
      ask(z.looseObject({ isAllowed: z.boolean() }), "/api/allowances", { json: wish }),
    giveName: (name: string, repo: string) =>
      ask(z.looseObject({}), `/api/names/${encodeURIComponent(name)}`, { json: { repo } }),
  };
}
