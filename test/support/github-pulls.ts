import { createHash } from "node:crypto";
import { pullRequestPayload, type PullRequestToTell } from "./github-deliveries.ts";
import type { HookAnswer, HookRequest } from "./github-hooks.ts";
import type { GithubSchema } from "./github-schema.ts";

/** Pull requests of all repos, and GitHub's list of those that are open. */
export interface GithubPulls {
  /** Opens it, or gives it another head. */
  open(pull: Omit<PullRequestToTell, "action"> & { readonly openedAt?: number }): void;
  close(repo: string, number: number): void;
  /** Undefined: it is no request about pull requests. */
  answer(request: HookRequest): HookAnswer | undefined;
}

interface Kept {
  readonly repo: string;
  readonly number: number;
  readonly changedAt: number;
  readonly body: object;
}

const NOT_FOUND = { status: 404, body: { message: "Not Found" }, problems: [] } as const;

export function createGithubPulls(options: {
  readonly schema: GithubSchema;
  readonly apiUrl: string;
  readonly readToken: string;
}): GithubPulls {
  const { apiUrl, readToken } = options;
  const { listPulls } = options.schema;
  const kept: Kept[] = [];
  let changes = 0;
  const remove = (repo: string, number: number): Kept | undefined => {
    const at = kept.findIndex((one) => one.repo === repo && one.number === number);
    return at < 0 ? undefined : kept.splice(at, 1)[0];
  };

  return {
    open: ({ openedAt = Date.now(), ...told }) => {
      const old = remove(told.repo, told.number);
      changes += 1;
      const { pull_request: pull } = pullRequestPayload({ ...told, action: "opened" });
      const opened = { created_at: new Date(openedAt).toISOString().replace(/\.\d+Z$/, "Z") };
      // The example is of a time before GitHub had this.
      const body = { auto_merge: null, ...(pull as object), ...opened, ...(old && createdOf(old)) };
      kept.push({ repo: told.repo, number: told.number, changedAt: changes, body });
    },
    close: (repo, number) => void remove(repo, number),
    answer: ({ method, path, token, checked }) => {
      const parameters = listPulls.match(method, path);
      if (parameters === undefined) return undefined;
      const request = checked(parameters);
      const problems = listPulls.problemsOf(request);
      if (problems.length > 0) return { status: 422, body: { message: "Unprocessable" }, problems };
      // GitHub hides what a credential may not see.
      if (token !== readToken) return NOT_FOUND;
      const repo = `${parameters["owner"]}/${parameters["repo"]}`;
      const { state, sort, direction } = request.query;
      if (state !== "open" || sort !== "updated" || direction !== "desc") {
        return { status: 501, body: {}, problems: ["the double lists open ones by change only"] };
      }
      const perPage = Math.min(Number(request.query["per_page"] ?? 30), 100);
      const page = Number(request.query["page"] ?? 1);
      const all = kept
        .filter((one) => one.repo === repo)
        .toSorted((one, other) => other.changedAt - one.changedAt)
        .map(({ body }) => body);
      const bodies = all.slice((page - 1) * perPage, page * perPage);
      const etag = `W/"${createHash("sha256").update(JSON.stringify(bodies)).digest("hex")}"`;
      if (request.headers["if-none-match"] === etag) return { status: 304, body: "", problems: [] };
      const next = `${apiUrl}${path}?state=open&sort=updated&direction=desc&per_page=${perPage}&page=${page + 1}`;
      const link = all.length > page * perPage ? { link: `<${next}>; rel="next"` } : {};
      const broken = listPulls.problemsOfAnswer(200, bodies);
      return {
        status: 200,
        body: bodies,
        headers: { etag, ...link },
        problems: broken.map((one) => `the double's answer: ${one}`),
      };
    },
  };
}

function createdOf({ body }: Kept): object {
  return { created_at: (body as { readonly created_at: string }).created_at };
}
