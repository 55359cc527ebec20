import { z } from "zod";
import { githubPull, githubPullNumber, pullEnds, pullProblem } from "./github-pull.ts";
import {
  githubReader,
  type GithubAnswer,
  type GithubPage,
  type GithubReaderOptions,
} from "./github-read.ts";

/** A pull request that is open now. */
export interface OpenPull extends ReturnType<typeof pullEnds> {
  readonly number: number;
  readonly defaultBranch: string;
  /** In epoch milliseconds, by GitHub's clock. */
  readonly openedAt: number;
}

export interface OpenPulls {
  /** Those that can be built, in the order of their numbers. */
  readonly pulls: readonly OpenPull[];
  /** Of all that are open, buildable or not. */
  readonly numbers: ReadonlySet<number>;
  /** There are no more of them: who is not among them is closed. */
  readonly isWhole: boolean;
}

export interface GithubPulls {
  open(repo: string, signal: AbortSignal): Promise<GithubAnswer<OpenPulls>>;
}

const PER_PAGE = 100;
const PAGES_MAX = 5;

const listed = z.array(
  githubPull.extend({
    number: githubPullNumber,
    created_at: z.string(),
    base: githubPull.shape.base.extend({
      repo: z.object({ id: z.number().int(), default_branch: z.string() }),
    }),
  }),
);
type Listed = z.infer<typeof listed>[number];

/** Open pull requests, the 500 that were changed last. */
export function githubPulls(options: GithubReaderOptions): GithubPulls {
  const github = githubReader(options);
  return {
    open: async (repo, signal) => {
      const all: Listed[] = [];
      const first = `/repos/${repo}/pulls?state=open&sort=updated&direction=desc&per_page=${PER_PAGE}`;
      let url: string | undefined = first;
      for (let page = 0; url !== undefined && page < PAGES_MAX; page += 1) {
        const answer: GithubAnswer<GithubPage<Listed[]>> = await github.page(url, listed, signal);
        if (answer.kind !== "done") return answer;
        all.push(...answer.value.data);
        url = answer.value.next;
      }
      const pulls = all.flatMap(openPullOf).toSorted((a, b) => a.number - b.number);
      const numbers = new Set(all.map(({ number }) => number));
      return { kind: "done", value: { pulls, numbers, isWhole: url === undefined } };
    },
  };
}

function openPullOf(pull: Listed): readonly OpenPull[] {
  const { id, default_branch: defaultBranch } = pull.base.repo;
  if (pullProblem(pull, defaultBranch) !== undefined) return [];
  const openedAt = Date.parse(pull.created_at);
  return [{ ...pullEnds(pull, id), number: pull.number, defaultBranch, openedAt }];
}
