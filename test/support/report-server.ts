import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { claimRequest } from "../../src/shared/worker-messages.ts";
import { reportAnswer, reportGrant } from "../../src/shared/report-messages.ts";
import type { ReportAnswer, WantedStatus } from "../../src/shared/report-messages.ts";

export type Wish = Pick<WantedStatus, "forge" | "repo" | "sha" | "state"> & Partial<WantedStatus>;

/** A row of the little outbox below: the wish, and what the worker said about it. */
export interface Row {
  wanted: WantedStatus;
  sentVersion: number;
  dueAt: number;
  leased: boolean;
  /** How it ended, if it did. */
  end: { kind: "parked" | "terminal"; reason: string } | undefined;
}

/** The server's side of the report protocol over a little outbox in memory. */
export interface ReportServer extends AsyncDisposable {
  readonly url: string;
  readonly token: string;
  readonly answers: readonly { readonly id: string; readonly result: ReportAnswer["result"] }[];
  /** Statuses that were posted to the own remote's address. */
  readonly ownStatuses: readonly { readonly path: string; readonly body: unknown }[];
  readonly problems: readonly string[];
  claimCount: number;
  /** While true, answers to statuses get 503. */
  isAway: boolean;
  want(wish: Wish): Row;
  /** Offers the row again as a second, newer wish although the first is still leased. */
  wantAtOnce(wish: Wish): Row;
  /** As after a repaired credential. */
  unpark(): void;
  row(wish: Pick<Wish, "sha">): Row;
}

export async function startReportServer(): Promise<ReportServer> {
  const token = "report-token-0000000000";
  const rows: Row[] = [];
  const answers: { id: string; result: ReportAnswer["result"] }[] = [];
  const ownStatuses: { path: string; body: unknown }[] = [];
  const problems: string[] = [];
  const paused = new Map<string, number>();
  const control = { claimCount: 0, isAway: false };

  const server = createServer((request, response) => {
    handle(request, response).catch((err: unknown) => {
      problems.push(String(err));
      response.writeHead(400).end();
    });
  });
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = request.url ?? "";
    const text = await bodyOf(request);
    if (request.headers.authorization !== `Bearer ${token}`) return reply(response, 401, {});
    if (path.startsWith("/api/repos/")) return handleOwn(request, path, text, response);
    if (control.isAway) return reply(response, 503, {});
    if (path === "/worker/v1/report/claim") return handleClaim(text, response);
    const [, id = ""] = /^\/worker\/v1\/report\/([a-z0-9-]+)\/answer$/.exec(path) ?? [];
    handleAnswer(id, text, response);
  };

  const handleOwn = (
    request: IncomingMessage,
    path: string,
    text: string,
    response: ServerResponse,
  ): void => {
    if (request.method !== "POST") return reply(response, 405, {});
    ownStatuses.push({ path, body: JSON.parse(text) as unknown });
    reply(response, 201, {});
  };

  const handleClaim = (text: string, response: ServerResponse): void => {
    claimRequest.parse(JSON.parse(text));
    control.claimCount += 1;
    const due = rows.filter(({ wanted, sentVersion, dueAt, leased, end }) => {
      const isPaused = (paused.get(wanted.forge) ?? 0) > Date.now();
      const isWanted = sentVersion < wanted.version && end === undefined;
      return isWanted && !isPaused && !leased && dueAt <= Date.now();
    });
    if (due.length === 0) return void response.writeHead(204).end();
    for (const row of due) row.leased = true;
    reply(response, 200, reportGrant.parse({ rows: due.map(({ wanted }) => wanted) }));
  };

  const handleAnswer = (id: string, text: string, response: ServerResponse): void => {
    const { lease, version, result } = reportAnswer.parse(JSON.parse(text));
    const row = rows.find(({ wanted }) => wanted.id === id && wanted.lease === lease);
    if (row === undefined) return reply(response, 409, { error: "stale" });
    answers.push({ id, result });
    row.leased = false;
    if (result.kind === "sent") row.sentVersion = version;
    else if (result.kind === "later") {
      row.dueAt = Date.now() + result.afterMs;
      row.wanted = { ...row.wanted, tries: row.wanted.tries + 1 };
      if (result.wholeCredential) paused.set(row.wanted.forge, row.dueAt);
    } else row.end = result;
    response.writeHead(204).end();
  };

  const add = (wish: Wish): Row => {
    const number = rows.length + 1;
    const wanted = {
      id: `row-${number}`,
      lease: `lease-${number}-000000000000000000000000000000`,
      context: "tatara",
      description: `it is ${wish.state}`,
      targetUrl: "https://ci.example.com/repos/acme/hello/1",
      version: 1,
      tries: 0,
      ...wish,
    };
    const row = { wanted, sentVersion: 0, dueAt: 0, leased: false, end: undefined };
    rows.push(row);
    return row;
  };

  const row = ({ sha }: Pick<Wish, "sha">): Row => {
    const found = rows.find(({ wanted }) => wanted.sha === sha);
    if (found === undefined) throw new Error(`Nothing is wanted for ${sha}.`);
    return found;
  };

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return Object.assign(control, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    token,
    answers,
    ownStatuses,
    problems,
    row,
    want: (wish: Wish) => {
      const known = rows.find(({ wanted }) => {
        return wanted.sha === wish.sha && wanted.context === (wish.context ?? "tatara");
      });
      if (known === undefined) return add(wish);
      const version = known.wanted.version + 1;
      known.wanted = { ...known.wanted, description: `it is ${wish.state}`, ...wish, version };
      return known;
    },
    wantAtOnce: add,
    unpark: () => {
      for (const parked of rows) if (parked.end?.kind === "parked") parked.end = undefined;
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => void server.close(resolve));
      if (problems.length > 0) throw new Error(`The worker broke the protocol: ${problems.join()}`);
    },
  });
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}
