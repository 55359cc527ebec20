import { githubForge } from "../../src/shared/forges/github.ts";
import { ownForge } from "../../src/shared/forges/own.ts";
import { createLogger } from "../../src/shared/logger.ts";
import { serverClient } from "../../src/shared/server-client.ts";
import { statusReporter } from "../../workers/report/report-status.ts";
import { startForgeDouble } from "./forge-double.ts";
import type { ForgeDouble } from "./forge-double.ts";
import { startReportServer } from "./report-server.ts";
import type { ReportServer } from "./report-server.ts";

export const SHA = "5".repeat(40);
export const OTHER_SHA = "6".repeat(40);
export const wish = { forge: "github", repo: "acme/hello", sha: SHA } as const;

export interface ReporterOptions {
  readonly token?: string | undefined;
  readonly random?: number;
  readonly timeoutMs?: number;
}

export function startReporter(
  { forge, server }: { forge: ForgeDouble; server: ReportServer },
  options: ReporterOptions = {},
) {
  const lines: string[] = [];
  const stop = new AbortController();
  const token = "token" in options ? options.token : forge.statusToken;
  const github = { apiUrl: forge.apiUrl, now: Date.now, timeoutMs: options.timeoutMs ?? 10_000 };
  const reporter = statusReporter(
    {
      client: serverClient({ url: server.url, token: server.token }),
      worker: "report-test",
      forges: {
        own: ownForge({ serverUrl: server.url, token: server.token, now: Date.now }),
        ...(token === undefined ? {} : { github: githubForge({ ...github, token }) }),
      },
      now: () => performance.now(),
      random: () => options.random ?? 0,
      logger: createLogger({
        process: "report",
        level: "debug",
        now: Date.now,
        write: (line) => void lines.push(line),
      }),
    },
    stop.signal,
  );
  const close = async (): Promise<void> => {
    stop.abort();
    await reporter.close();
  };
  return { ...reporter, lines, close, [Symbol.asyncDispose]: close };
}

/** A forge, a server and a reporter between them. */
export async function startLine(options: ReporterOptions = {}) {
  const stack = new AsyncDisposableStack();
  const forge = stack.use(await startForgeDouble({ anyRepo: true }));
  const server = stack.use(await startReportServer());
  const reporter = stack.use(startReporter({ forge, server }, options));
  const states = (sha = SHA) => forge.api.statusesOf(sha).map(({ state }) => state);
  const kinds = () => server.answers.map(({ result }) => result.kind);
  return {
    forge,
    server,
    reporter,
    states,
    kinds,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
