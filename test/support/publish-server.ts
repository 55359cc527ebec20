import { randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import express from "express";
import type { Request, Response } from "express";
import {
  claimRequest,
  faultMessage,
  LEASE_HEADER,
  PATHS,
  publishCheckRequest,
  publishFailMessage,
  startedRequest,
  switchRequest,
} from "../../src/shared/protocol.ts";
import type {
  FailureCard,
  FaultMessage,
  PublishCheckAnswer,
  PublishGrant,
  SwitchAnswer,
  SwitchRequest,
} from "../../src/shared/protocol.ts";
import { formatNevra } from "../../src/domain/nevra.ts";
import { yumRoutes } from "../../src/server/yum-routes.ts";
import type { ChannelHead } from "../../src/server/yum-routes.ts";
import type { MadeRpm } from "./make-rpm.ts";

export type PublishEnd =
  | { readonly kind: "live"; readonly request: SwitchRequest }
  | { readonly kind: "failed"; readonly failure: FailureCard }
  | { readonly kind: "fault"; readonly fault: FaultMessage }
  | { readonly kind: "handed-back" }
  | { readonly kind: "cancelled" };

export interface Offer {
  readonly packages: readonly { readonly rpm: MadeRpm; readonly target?: string }[];
  readonly channels?: readonly string[];
}

/** The server's part of publishing, in memory, with the real messages and the real yum routes. */
export interface PublishServer extends AsyncDisposable {
  readonly url: string;
  readonly token: string;
  /** Waits to be claimed. */
  offer(offer: Offer): string;
  /** The next grant of this publish, with a new attempt and lease. */
  grant(publishId: string): PublishGrant;
  endOf(publishId: string): PublishEnd | undefined;
  readonly heads: Map<string, ChannelHead>;
  /** Number of bytes requests for packages that were answered. */
  readonly fetches: string[];
  /** Answers in place of the server's own; each is used once. */
  readonly scripted: {
    switchAnswers: ((request: SwitchRequest) => SwitchAnswer | number | undefined)[];
    checkAnswers: (() => number | undefined)[];
    packageAnswers: ((rpm: MadeRpm) => Buffer | number | undefined)[];
    cancel: boolean;
  };
}

interface Row {
  readonly id: string;
  readonly number: number;
  readonly offer: Required<Offer>;
  attempt: number;
  token: string;
  claimed: boolean;
  end: PublishEnd | undefined;
}

const TARGET = "debian12.x86_64";
const LEASE_MS = 25_000;

export async function startPublishServer({ yumDir }: { yumDir: string }): Promise<PublishServer> {
  const token = randomBytes(16).toString("hex");
  const rows = new Map<string, Row>();
  const heads = new Map<string, ChannelHead>();
  const published = new Map<string, { unsigned: string; signed: string; number: number }>();
  const fetches: string[] = [];
  const scripted: PublishServer["scripted"] = {
    switchAnswers: [],
    checkAnswers: [],
    packageAnswers: [],
    cancel: false,
  };

  const grant = (id: string): PublishGrant => {
    const row = rows.get(id);
    if (row === undefined) throw new Error(`There is no publish ${id}.`);
    row.attempt += 1;
    row.token = randomBytes(24).toString("hex");
    row.claimed = true;
    return grantOf(row, heads, url);
  };

  const app = express();
  const address = { yumDir, heads: { channel: async (name: string) => heads.get(name) } };
  app.use("/yum", yumRoutes({ ...address, publicUrlOf: () => url }));
  app.use("/worker", (request, response, next) => {
    if (request.get("authorization") === `Bearer ${token}`) return next();
    response.sendStatus(401);
  });
  app.use(express.json({ limit: "10mb" }));

  app.post(PATHS.publishStarted(), (request, response) => {
    startedRequest.parse(request.body);
    response.json({});
  });
  app.post(PATHS.publishClaim(), (request, response) => {
    claimRequest.parse(request.body);
    const waiting = [...rows.values()].find((row) => !row.claimed);
    if (waiting === undefined) return void response.sendStatus(204);
    response.json(grant(waiting.id));
  });

  const leased =
    (handle: (row: Row, request: Request, response: Response) => void) =>
    (request: Request, response: Response) => {
      const row = rows.get(String(request.params["id"]));
      const holds = row !== undefined && row.token === request.get(LEASE_HEADER);
      if (!holds) return void response.status(409).json({ error: "stale" });
      handle(row, request, response);
    };
  const ending = (read: (request: Request) => PublishEnd) =>
    leased((row, request, response) => {
      row.end = read(request);
      response.sendStatus(204);
    });
  const path = "/worker/v1/publish/:id";

  app.post(
    `${path}/heartbeat`,
    leased((_row, _request, response) => {
      response.json({ leaseMs: LEASE_MS, cancel: scripted.cancel });
    }),
  );
  app.get(
    `${path}/packages/:sha256`,
    leased((row, request, response) => {
      const { sha256 } = request.params;
      const found = row.offer.packages.find(({ rpm }) => rpm.sha256 === sha256);
      if (found === undefined) return void response.sendStatus(404);
      const answer = scripted.packageAnswers.shift()?.(found.rpm) ?? found.rpm.bytes;
      if (typeof answer === "number") return void response.sendStatus(answer);
      fetches.push(found.rpm.fileName);
      response.type("application/octet-stream").send(answer);
    }),
  );
  app.post(
    `${path}/check`,
    leased((_row, request, response) => {
      const asked = publishCheckRequest.parse(request.body);
      const status = scripted.checkAnswers.shift()?.();
      if (status !== undefined) return void response.sendStatus(status);
      const answer: PublishCheckAnswer = {
        packages: asked.packages.map(({ nevra, unsignedSha256 }) => {
          const known = published.get(formatNevra(nevra));
          const isSame = known?.unsigned === unsignedSha256;
          return {
            unsignedSha256,
            verdict: known === undefined ? "new" : isSame ? "same" : "taken",
            signedSha256: isSame ? (known?.signed ?? null) : null,
            takenBy: known && !isSame ? `#${known.number}` : null,
          };
        }),
      };
      response.json(answer);
    }),
  );
  app.post(
    `${path}/switch`,
    leased((row, request, response) => {
      const asked = switchRequest.parse(request.body);
      const answer = scripted.switchAnswers.shift()?.(asked) ?? decide(asked, heads);
      if (typeof answer === "number") return void response.sendStatus(answer);
      if (answer.kind === "cancelled") row.end = { kind: "cancelled" };
      if (answer.kind === "live") {
        for (const { channel, number, targets } of asked.generations) {
          heads.set(channel, { head: number, targets });
        }
        for (const { nevra, unsignedSha256, signedSha256 } of asked.packages) {
          const facts = { unsigned: unsignedSha256, signed: signedSha256, number: row.number };
          published.set(formatNevra(nevra), facts);
        }
        row.end = { kind: "live", request: asked };
      }
      response.json(answer);
    }),
  );
  app.post(
    `${path}/fail`,
    ending(({ body }) => ({ kind: "failed", failure: publishFailMessage.parse(body).failure })),
  );
  app.post(
    `${path}/fault`,
    ending(({ body }) => ({ kind: "fault", fault: faultMessage.parse(body) })),
  );
  app.post(
    `${path}/hand-back`,
    ending(() => ({ kind: "handed-back" })),
  );

  const listener: Server = app.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const url = `http://127.0.0.1:${(listener.address() as AddressInfo).port}`;

  return {
    url,
    token,
    heads,
    fetches,
    scripted,
    grant,
    offer: ({ packages, channels = ["dev"] }) => {
      const id = `p-${randomUUID()}`;
      const offer = { packages, channels };
      const number = rows.size + 1;
      rows.set(id, { id, number, offer, attempt: 0, token: "", claimed: false, end: undefined });
      return id;
    },
    endOf: (id) => rows.get(id)?.end,
    [Symbol.asyncDispose]: async () => {
      listener.closeAllConnections();
      listener.close();
      await once(listener, "close");
    },
  };
}

function grantOf(row: Row, heads: ReadonlyMap<string, ChannelHead>, url: string): PublishGrant {
  return {
    publishId: row.id,
    lease: { token: row.token, attempt: row.attempt, leaseMs: LEASE_MS },
    build: {
      id: `b-${row.number}`,
      repo: "acme/hello",
      number: row.number,
      sha: "0".repeat(40),
      ref: "refs/heads/main",
      defaultBranch: "main",
      url: `${url}/builds/${row.number}`,
    },
    channels: row.offer.channels.map((name) => ({ name, head: heads.get(name)?.head ?? 0 })),
    packages: row.offer.packages.map(({ rpm, target = TARGET }) => ({
      fileName: rpm.fileName,
      sha256: rpm.sha256,
      sizeBytes: rpm.bytes.length,
      target,
    })),
  };
}

function decide(
  { generations }: SwitchRequest,
  heads: ReadonlyMap<string, ChannelHead>,
): SwitchAnswer {
  const headOf = (name: string): number => heads.get(name)?.head ?? 0;
  const isMoved = generations.some(({ channel, base }) => headOf(channel) !== base);
  if (!isMoved) return { kind: "live" };
  const channels = generations.map(({ channel }) => ({ name: channel, head: headOf(channel) }));
  return { kind: "moved", channels };
}
