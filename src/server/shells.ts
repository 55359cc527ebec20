import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "../shared/logger.ts";
import { SHELL_PROTOCOL } from "../shared/shell-frames.ts";
import { terminalSize, type WantedShell } from "../shared/shell-messages.ts";
import { TOPICS, type TopicWriter } from "../shared/topics.ts";
import type { Announcer } from "./announcer.ts";
import { isSameSecret } from "./auth.ts";
import { spliceShell } from "./splice-shell.ts";
import { beginShell, endShell, findKeptStep, type KeptStep } from "./store/shells.ts";
import type { Store } from "./store/store.ts";

const PER_WORKER_MAX = 2;
const DIAL_MS = 20_000;
const COMMAND_CHARACTERS_MAX = 10_000;

export interface ShellsDeps {
  readonly store: Store;
  readonly topics: TopicWriter;
  readonly announcer: Announcer;
  readonly logger: Logger;
  readonly newId: (prefix: string) => string;
  readonly adminToken: string;
  readonly buildToken: string;
}

/** Shells in failed steps' containers: a person at one end, the worker that holds it at the other. */
export interface Shells {
  /** Shells that this worker is to open. */
  wantedOf(worker: string): readonly WantedShell[];
  /** A request that wants a connection of its own. It is answered here, whatever comes of it. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  close(): void;
}

interface Session {
  readonly wanted: WantedShell;
  readonly worker: string;
  readonly dialled: PromiseWithResolvers<Duplex>;
  isDialled: boolean;
}

export function openShells(deps: ShellsDeps): Shells {
  const sessions = new Map<string, Session>();
  const stopping = new AbortController();
  const upgrade = async (request: IncomingMessage, socket: Duplex): Promise<void> => {
    const url = URL.parse(request.url ?? "/", "http://server");
    if (url === null) return answer(socket, 400, "This address cannot be read.");
    // Ids have letters, digits and dashes: what is written otherwise is nobody's.
    const buildId = /^\/api\/builds\/([a-z0-9-]+)\/shell$/.exec(url.pathname)?.[1];
    const shellId = /^\/worker\/v1\/build\/shells\/([a-z0-9-]+)$/.exec(url.pathname)?.[1];
    if (request.headers.upgrade !== SHELL_PROTOCOL) {
      answer(socket, 400, "This server upgrades to tatara-shell only.");
    } else if (buildId !== undefined) {
      await openForPerson(deps, { sessions, stopping }, { buildId, url, request, socket });
    } else if (shellId !== undefined) takeDial(deps, sessions.get(shellId), request, socket);
    else answer(socket, 404, "Nothing is here.");
  };
  return {
    wantedOf: (worker) =>
      [...sessions.values()]
        .filter((session) => session.worker === worker && !session.isDialled)
        .map(({ wanted }) => wanted),
    upgrade: (request, socket, head) => {
      socket.on("error", () => undefined);
      if (head.length > 0) socket.unshift(head);
      upgrade(request, socket).catch((err: unknown) => {
        deps.logger.error({ err, path: request.url }, "Shell failed");
        answer(socket, 500, "The server failed; it has been logged.");
      });
    },
    close: () => stopping.abort(new Error("the server stops")),
  };
}

function takeDial(
  { buildToken }: ShellsDeps,
  session: Session | undefined,
  request: IncomingMessage,
  socket: Duplex,
): void {
  if (!isSameSecret(bearerOf(request), buildToken)) {
    return answer(socket, 401, "This token is not of this kind of worker.");
  }
  if (session === undefined || session.isDialled)
    return answer(socket, 404, "Nobody waits for it.");
  session.isDialled = true;
  switchProtocol(socket);
  session.dialled.resolve(socket);
}

async function openForPerson(
  deps: ShellsDeps,
  {
    sessions,
    stopping,
  }: { readonly sessions: Map<string, Session>; readonly stopping: AbortController },
  asked: {
    readonly buildId: string;
    readonly url: URL;
    readonly request: IncomingMessage;
    readonly socket: Duplex;
  },
): Promise<void> {
  const { url, request, socket } = asked;
  // Only the bearer's token: a cookie would also go with another site's page.
  if (!isSameSecret(bearerOf(request), deps.adminToken)) {
    return answer(socket, 401, "This needs a token that may write.", "set TATARA_TOKEN");
  }
  const wish = readWish(url);
  if (wish === undefined) return answer(socket, 400, "step, columns and rows are expected.");
  const found = await findKeptStep(deps.store, { ...wish, buildId: asked.buildId });
  if (found.kind === "refused") return answer(socket, found.status, found.error, found.hint);
  const { step } = found;
  const beside = [...sessions.values()].filter(({ worker }) => worker === step.worker);
  if (beside.length >= PER_WORKER_MAX) {
    const error = `${step.worker} has ${PER_WORKER_MAX} shells open already.`;
    return answer(socket, 429, error, "Leave one of them, or wait: each ends after 30 minutes.");
  }
  const id = deps.newId("x");
  const { jobId, attempt } = step;
  const { columns, rows, command } = wish;
  const session: Session = {
    wanted: { id, jobId, attempt, step: step.step, columns, rows, command },
    worker: step.worker,
    dialled: Promise.withResolvers<Duplex>(),
    isDialled: false,
  };
  sessions.set(id, session);
  try {
    const shell = await waitForDial(deps, session, socket);
    if (shell === undefined) {
      // It may come at this very moment, and then nobody is there.
      void session.dialled.promise.then((late) => late.destroy());
      const error = `${step.worker}, the worker that kept it, does not answer.`;
      return answer(socket, 504, error, "Rerun the build, and enter the step that fails then.");
    }
    await join(deps, { id, step, person: socket, shell, stopping: stopping.signal });
  } finally {
    sessions.delete(id);
  }
}

/** Undefined: the worker did not come, or the person went away. */
async function waitForDial(
  { topics }: ShellsDeps,
  { worker, dialled }: Session,
  person: Duplex,
): Promise<Duplex | undefined> {
  const over = new AbortController();
  const gone = new Promise<undefined>((done) => {
    person.once("close", () => done(undefined));
  });
  try {
    // A hint: a worker that has kept something asks by itself now and then.
    void topics.publish(TOPICS.shell, worker).catch(() => undefined);
    const late = delay(DIAL_MS, undefined, { signal: over.signal }).catch(() => undefined);
    return await Promise.race([dialled.promise, late, gone]);
  } finally {
    over.abort();
  }
}

async function join(
  { store, announcer }: ShellsDeps,
  session: {
    readonly id: string;
    readonly step: KeptStep;
    readonly person: Duplex;
    readonly shell: Duplex;
    readonly stopping: AbortSignal;
  },
): Promise<void> {
  const { id, step, person, shell, stopping } = session;
  const { buildId } = step;
  // On record before the first byte, so that nobody was inside without a trace.
  await store.write((tx) => beginShell(tx, { id, step, by: "admin" }));
  announcer.announce({ buildId });
  switchProtocol(person);
  const end = await spliceShell({ person, shell }, stopping);
  await store.write((tx) => endShell(tx, id, end));
  announcer.announce({ buildId });
}

function readWish(url: URL) {
  const query = url.searchParams;
  const step = query.get("step");
  const command = query.get("command");
  const size = terminalSize.safeParse({
    columns: Number(query.get("columns") ?? 80),
    rows: Number(query.get("rows") ?? 24),
  });
  if (step === null || !size.success || (command?.length ?? 0) > COMMAND_CHARACTERS_MAX) return;
  return { ...size.data, step, command, job: query.get("job") };
}

function bearerOf({ headers }: IncomingMessage): string {
  return /^Bearer (\S+)$/i.exec(headers.authorization ?? "")?.[1] ?? "";
}

function switchProtocol(socket: Duplex): void {
  const lines = ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade"];
  socket.write(`${[...lines, `Upgrade: ${SHELL_PROTOCOL}`].join("\r\n")}\r\n\r\n`);
}

const REASONS: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  404: "Not Found",
  409: "Conflict",
  410: "Gone",
  429: "Too Many Requests",
  500: "Internal Server Error",
  504: "Gateway Timeout",
};

/** An answer like any other of the API, on a connection that ends with it. */
function answer(socket: Duplex, status: number, error: string, hint?: string): void {
  const body = JSON.stringify(hint === undefined ? { error } : { error, hint });
  const head = [
    `HTTP/1.1 ${status} ${REASONS[status] ?? "Error"}`,
    "Content-Type: application/json; charset=utf-8",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}
