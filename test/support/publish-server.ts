import { randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import express from "express";
import type { Request, Response } from "express";
import type { z } from "zod";
import { DEFAULT_CHANNEL_SETTINGS } from "../../src/shared/channel-settings.ts";
import type { ChannelSettings } from "../../src/shared/channel-settings.ts";
import { claimRequest, faultMessage, startedRequest } from "../../src/shared/worker-messages.ts";
import { LEASE_HEADER, PATHS } from "../../src/shared/protocol.ts";
import {
  publishCheckRequest,
  publishDoneMessage,
  publishFailMessage,
  publishProgressMessage,
  switchRequest,
} from "../../src/shared/publish-messages.ts";
import { publishGrant } from "../../src/shared/publish-grants.ts";
import type { FailureCard } from "../../src/shared/message-parts.ts";
import type { FaultMessage } from "../../src/shared/worker-messages.ts";
import type { GrantedChannel, PublishGrant } from "../../src/shared/publish-grants.ts";
import type {
  PublishCheckAnswer,
  PublishCheckRequest,
  SwitchAnswer,
  SwitchRequest,
} from "../../src/shared/publish-messages.ts";
import { formatNevra } from "../../src/domain/nevra.ts";
import { yumRoutes } from "../../src/server/yum/routes.ts";
import type { ChannelHead } from "../../src/server/yum/context.ts";
import type { MadeRpm } from "./make-rpm.ts";

export type PublishEnd =
  | { readonly kind: "live"; readonly request: SwitchRequest; readonly publish: SwitchedPublish }
  | { readonly kind: "done"; readonly report: readonly string[] }
  | { readonly kind: "failed"; readonly failure: FailureCard }
  | { readonly kind: "fault"; readonly fault: FaultMessage }
  | { readonly kind: "handed-back" }
  | { readonly kind: "cancelled" };

export type SwitchedPublish = SwitchRequest["publishes"][number];

/** A build's packages. */
export interface Offer {
  readonly packages: readonly { readonly rpm: MadeRpm; readonly target?: string }[];
  readonly channels?: readonly string[];
  readonly settings?: Partial<ChannelSettings>;
  readonly errata?: string | null;
  readonly message?: string;
}

type GrantBase = Pick<PublishGrant, "publishId" | "lease">;

/** The server's part of publishing, in memory, with the real messages and the real yum routes. */
export interface PublishServer extends AsyncDisposable {
  readonly url: string;
  readonly token: string;
  /** Waits to be claimed. */
  offer(offer: Offer): string;
  /** The same for any other kind of grant. */
  offerGrant(make: (base: GrantBase) => PublishGrant): string;
  /** A channel as a grant tells of it now. */
  channel(name: string, settings?: Partial<ChannelSettings>): GrantedChannel;
  /** The next grant of this publish, with a new attempt and lease. */
  grant(publishId: string): PublishGrant;
  endOf(publishId: string): PublishEnd | undefined;
  readonly heads: Map<string, ChannelHead>;
  /** Every switch that was answered `live`, in order. */
  readonly switches: SwitchRequest[];
  /** What was said about progress. */
  readonly progress: z.infer<typeof publishProgressMessage>[];
  /** Number of bytes requests for packages that were answered. */
  readonly fetches: string[];
  /** Answers in place of the server's own; each is used once. */
  readonly scripted: {
    switchAnswers: ((request: SwitchRequest) => SwitchAnswer | number | undefined)[];
    checkAnswers: ((
      request: PublishCheckRequest,
    ) => number | Partial<PublishCheckAnswer> | undefined)[];
    packageAnswers: ((rpm: MadeRpm) => Buffer | number | undefined)[];
    cancel: boolean;
  };
}

interface Row {
  readonly id: string;
  readonly number: number;
  readonly make: (base: GrantBase) => PublishGrant;
  readonly rpms: readonly MadeRpm[];
  attempt: number;
  token: string;
  claimed: boolean;
  end: PublishEnd | undefined;
}

interface Known {
  readonly unsigned: string;
  readonly signed: string;
  readonly number: number;
}

const TARGET = "debian12.x86_64";
const LEASE_MS = 25_000;

export async function startPublishServer({ yumDir }: { yumDir: string }): Promise<PublishServer> {
  const token = randomBytes(16).toString("hex");
  const rows = new Map<string, Row>();
  const heads = new Map<string, ChannelHead>();
  const published = new Map<string, Known>();
  const switches: SwitchRequest[] = [];
  const progress: PublishServer["progress"] = [];
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
    const lease = { token: row.token, attempt: row.attempt, leaseMs: LEASE_MS };
    return row.make({ publishId: id, lease });
  };
  const channel: PublishServer["channel"] = (name, settings = {}) => ({
    name,
    head: heads.get(name)?.head ?? 0,
    settings: { ...DEFAULT_CHANNEL_SETTINGS, ...settings },
  });

  const app = express();
  const served = { channel: async (name: string) => heads.get(name) };
  const address = { yumDir, heads: served, refused: async () => false };
  app.use("/yum", yumRoutes({ ...address, publicUrlOf: () => url }));
  app.use("/worker", (request, response, next) => {
    if (request.get("authorization") === `Bearer ${token}`) return next();
    response.sendStatus(401);
  });
  app.use(express.json({ limit: "100mb" }));

  app.post(PATHS.publishStarted(), (request, response) => {
    startedRequest.parse(request.body);
    response.json({});
  });
  app.post(PATHS.publishClaim(), (request, response) => {
    claimRequest.parse(request.body);
    const waiting = [...rows.values()].find((row) => !row.claimed);
    if (waiting === undefined) return void response.sendStatus(204);
    response.json(publishGrant.parse(grant(waiting.id)));
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
  app.post(
    `${path}/progress`,
    leased((_row, request, response) => {
      progress.push(publishProgressMessage.parse(request.body));
      response.sendStatus(204);
    }),
  );
  app.get(
    `${path}/packages/:sha256`,
    leased((row, request, response) => {
      const { sha256 } = request.params;
      const found = row.rpms.find((rpm) => rpm.sha256 === sha256);
      if (found === undefined) return void response.sendStatus(404);
      const answer = scripted.packageAnswers.shift()?.(found) ?? found.bytes;
      if (typeof answer === "number") return void response.sendStatus(answer);
      fetches.push(found.fileName);
      response.type("application/octet-stream").send(answer);
    }),
  );
  app.post(
    `${path}/check`,
    leased((_row, request, response) => {
      const asked = publishCheckRequest.parse(request.body);
      const answer = scripted.checkAnswers.shift()?.(asked);
      if (typeof answer === "number") return void response.sendStatus(answer);
      response.json({ ...check(asked, published), ...answer });
    }),
  );
  app.post(PATHS.publishSwitch(), (request, response) => {
    const asked = switchRequest.parse(request.body);
    const answer =
      scripted.switchAnswers.shift()?.(asked) ?? decide(asked, { rows, heads, published });
    if (typeof answer === "number") return void response.sendStatus(answer);
    if (answer.kind === "refused") {
      for (const { publishId, why } of answer.publishes) {
        const row = rows.get(publishId);
        if (row !== undefined && why === "cancelled") row.end = { kind: "cancelled" };
      }
    }
    if (answer.kind === "live") {
      switches.push(asked);
      for (const { channel: name, number, targets } of asked.generations) {
        heads.set(name, { head: number, targets });
      }
      for (const publish of asked.publishes) {
        const row = rows.get(publish.publishId);
        for (const { nevra, unsignedSha256, signedSha256 } of publish.packages) {
          const known = {
            unsigned: unsignedSha256,
            signed: signedSha256,
            number: row?.number ?? 0,
          };
          published.set(formatNevra(nevra), known);
        }
        if (row !== undefined) row.end = { kind: "live", request: asked, publish };
      }
    }
    response.json(answer);
  });
  app.post(
    `${path}/done`,
    ending(({ body }) => ({ kind: "done", report: publishDoneMessage.parse(body).report })),
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

  const addRow = (make: Row["make"], rpms: Row["rpms"]): string => {
    const id = `p-${randomUUID()}`;
    const number = rows.size + 1;
    rows.set(id, { id, number, make, rpms, attempt: 0, token: "", claimed: false, end: undefined });
    return id;
  };
  return {
    url,
    token,
    heads,
    switches,
    progress,
    fetches,
    scripted,
    grant,
    channel,
    offer: (offer) => {
      const number = rows.size + 1;
      const rpms = offer.packages.map(({ rpm }) => rpm);
      return addRow((base) => buildGrantOf(base, offer, { number, url, channel }), rpms);
    },
    offerGrant: (make) => addRow(make, []),
    endOf: (id) => rows.get(id)?.end,
    [Symbol.asyncDispose]: async () => {
      listener.closeAllConnections();
      listener.close();
      await once(listener, "close");
    },
  };
}

function buildGrantOf(
  base: GrantBase,
  offer: Offer,
  { number, url, channel }: Pick<PublishServer, "url" | "channel"> & { readonly number: number },
): PublishGrant {
  const { packages, channels = ["dev"], settings, errata = null, message = "A commit" } = offer;
  return {
    ...base,
    kind: "build",
    build: {
      id: `b-${number}`,
      repo: "acme/hello",
      number,
      sha: "0".repeat(40),
      ref: "refs/heads/main",
      defaultBranch: "main",
      event: "push",
      pullRequest: null,
      trust: "trusted",
      url: `${url}/builds/${number}`,
    },
    message,
    errata,
    channels: channels.map((name) => channel(name, settings)),
    packages: packages.map(({ rpm, target = TARGET }) => ({
      fileName: rpm.fileName,
      sha256: rpm.sha256,
      sizeBytes: rpm.bytes.length,
      target,
    })),
  };
}

function check(
  asked: PublishCheckRequest,
  published: ReadonlyMap<string, Known>,
): PublishCheckAnswer {
  const packages = asked.packages.map(({ nevra, unsignedSha256 }) => {
    const known = published.get(formatNevra(nevra));
    const isSame = known?.unsigned === unsignedSha256;
    return {
      unsignedSha256,
      verdict:
        known === undefined ? ("new" as const) : isSame ? ("same" as const) : ("taken" as const),
      signedSha256: isSame ? known.signed : null,
      takenBy: known && !isSame ? `#${known.number}` : null,
    };
  });
  return { packages, refusals: [], warnings: [] };
}

interface Records {
  readonly rows: ReadonlyMap<string, Row>;
  readonly heads: ReadonlyMap<string, ChannelHead>;
  readonly published: ReadonlyMap<string, Known>;
}

function decide(request: SwitchRequest, { rows, heads, published }: Records): SwitchAnswer {
  type Refused = Extract<SwitchAnswer, { kind: "refused" }>["publishes"];
  const refused = request.publishes.flatMap(({ publishId, leaseToken, packages }): Refused => {
    if (rows.get(publishId)?.token !== leaseToken) {
      return [{ publishId, why: "stale", refusal: null }];
    }
    const taken = packages.find(({ nevra, unsignedSha256 }) => {
      const known = published.get(formatNevra(nevra));
      return known !== undefined && known.unsigned !== unsignedSha256;
    });
    if (taken === undefined) return [];
    const message = `${formatNevra(taken.nevra)} was published meanwhile.`;
    const refusal = { code: "NEVRA_TAKEN" as const, message, hint: "Raise the release." };
    return [{ publishId, why: "taken", refusal }];
  });
  if (refused.length > 0) return { kind: "refused", publishes: refused };
  const headOf = (name: string): number => heads.get(name)?.head ?? 0;
  const isMoved = request.generations.some(({ channel, base }) => headOf(channel) !== base);
  if (!isMoved) return { kind: "live" };
  const channels = request.generations.map(({ channel }) => ({
    name: channel,
    head: headOf(channel),
  }));
  return { kind: "moved", channels };
}
