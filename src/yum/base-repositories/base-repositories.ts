import type { RpmRelation } from "../../domain/rpm-relation.ts";
import { readRepository } from "./repository.ts";
import type { WebGet } from "./read-resource.ts";
import type { Repository } from "./repository.ts";

/** The distribution's repositories that a target is declared to stand on. */
export interface BaseRepositories {
  /** Keys of the packages that satisfy it, at most `max`. */
  providersOf(relation: RpmRelation, max: number): Promise<readonly string[]>;
}

/** A target and the addresses (`http:`, `https:`, `file:`) of its repositories. */
export interface DeclaredRepositories {
  readonly target: string;
  readonly urls: readonly string[];
}

export interface BaseRepositoryReader {
  /**
   * Undefined if none are declared, or if one of them cannot be read just now: then a sentence says
   * so, and the target counts as one without. Waits at most ten seconds.
   */
  of(target: string): Promise<{
    readonly base: BaseRepositories | undefined;
    readonly warnings: readonly string[];
  }>;
  /** Begins to read all of them. */
  prepare(): void;
  /** Resolves when nothing is being read. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

const REFRESH_MS = 6 * 3_600_000;
const RETRY_MS = 60_000;
const WAIT_MS = 10_000;

/** Keeps each repository in memory and looks after six hours whether it has changed. */
export function openBaseRepositories(deps: {
  readonly declared: readonly DeclaredRepositories[];
  readonly now: () => number;
  /** Reads from the web; redirects are its business. */
  readonly get: WebGet;
  readonly waitMs?: number;
}): BaseRepositoryReader {
  const closing = new AbortController();
  const urls = [...new Set(deps.declared.flatMap((each) => each.urls))];
  const kept = new Map(urls.map((url) => [url, keptRepository(url, deps, closing.signal)]));

  const reader: BaseRepositoryReader = {
    async of(target) {
      reader.prepare();
      const wanted = deps.declared.flatMap((each) => (each.target === target ? each.urls : []));
      if (wanted.length === 0) return { base: undefined, warnings: [] };
      const deadline = AbortSignal.timeout(deps.waitMs ?? WAIT_MS);
      const repositories: Repository[] = [];
      const warnings: string[] = [];
      for (const url of wanted) {
        const answer = await kept.get(url)?.get(deadline);
        if (answer === undefined) continue;
        if ("failure" in answer) warnings.push(warningOf(target, url, answer.failure));
        else repositories.push(answer.repository);
      }
      return { base: warnings.length > 0 ? undefined : together(repositories), warnings };
    },
    prepare() {
      for (const repository of kept.values()) repository.refresh();
    },
    async settled() {
      await Promise.all([...kept.values()].map((each) => each.settled()));
    },
    async close() {
      closing.abort(new Error("The process is being shut down."));
      await reader.settled();
    },
  };
  return reader;
}

function warningOf(target: string, url: string, failure: string): string {
  return `The base repository ${url} of ${target} could not be used: ${failure} Requirements were judged by the channel alone.`;
}

function together(repositories: readonly Repository[]): BaseRepositories {
  return {
    async providersOf(relation, max) {
      const keys: string[] = [];
      for (const [index, repository] of repositories.entries())
        for (const number of await repository.providersOf(relation, max))
          keys.push(`base ${index} ${number}`);
      return keys.slice(0, max);
    },
  };
}

type Kept = { readonly repository: Repository } | { readonly failure: string };

/** One repository: an old state serves while a newer one is being read. */
function keptRepository(
  url: string,
  { now, get }: { readonly now: () => number; readonly get: WebGet },
  closing: AbortSignal,
) {
  let repository: Repository | undefined;
  let failure: string | undefined;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | undefined;

  async function read(): Promise<void> {
    lookedAt = now();
    try {
      repository = await readRepository({ url, get }, repository, closing);
      failure = undefined;
    } catch (error) {
      failure = error instanceof Error ? sentence(error) : String(error);
    } finally {
      reading = undefined;
    }
  }

  function refresh(): void {
    const patience = failure === undefined ? REFRESH_MS : RETRY_MS;
    if (now() - lookedAt >= patience && !closing.aborted) reading ??= read();
  }

  return {
    refresh,
    async get(deadline: AbortSignal): Promise<Kept> {
      refresh();
      if (repository === undefined && reading !== undefined) await until(reading, deadline);
      if (repository !== undefined) return { repository };
      return { failure: failure ?? "it is still being read." };
    },
    settled: () => reading ?? Promise.resolve(),
  };
}

async function until(work: Promise<void>, deadline: AbortSignal): Promise<void> {
  const over = Promise.withResolvers<void>();
  const end = (): void => over.resolve();
  if (deadline.aborted) end();
  deadline.addEventListener("abort", end, { once: true });
  await Promise.race([work, over.promise]);
  deadline.removeEventListener("abort", end);
}

/** What `fetch` says is in its cause. */
function sentence({ message, cause }: Error): string {
  const text = cause instanceof Error && cause.message !== "" ? cause.message : message;
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
