import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { ForgeDouble } from "../support/forge-double.ts";
import { pushPayload, send, signedRequest, ZEROS } from "../support/github-deliveries.ts";
import type { SignedRequest } from "../support/github-deliveries.ts";
import type { Tatara } from "../support/start-tatara.ts";
import type { Ledger } from "./ledger.ts";
import type { Random } from "./random.ts";
import { samplePush } from "./sample-push.ts";
import type { PushKind } from "./sample-push.ts";

const TRIES_MAX = 60;
const RETRY_MS = 500;
const MAIN = "refs/heads/main";

/** Makes one commit in its repo, and pushes it until Tatara has said yes. */
export type Pusher = (kind: PushKind) => Promise<void>;

interface PusherOptions {
  readonly repo: string;
  readonly tatara: Tatara;
  readonly ledger: Ledger;
  readonly random: Random;
}

/** Like a person at the terminal: an error is answered by pushing again. */
export async function ownPusher({ repo, tatara, ledger }: PusherOptions): Promise<Pusher> {
  const tree = await tatara.createRepo(repo, { "README.md": `# ${repo}\n` });
  let serial = 0;
  let before = ZEROS;
  return async (kind) => {
    serial += 1;
    const { files, message } = samplePush(repo, serial, kind);
    const after = await tree.commit(files, message);
    await persistently(() => tree.push());
    ledger.pushes.push({ forge: "own", repo, ref: MAIN, before, after, kind });
    before = after;
  };
}

/** Like GitHub, with somebody who presses "redeliver" when the page shows a failed delivery. */
export async function githubPusher(
  options: PusherOptions & { readonly forge: ForgeDouble; readonly secret: string },
): Promise<Pusher> {
  const { repo, tatara, ledger, random, forge, secret } = options;
  const hosted = await forge.addRepo(repo, { files: { "README.md": `# ${repo}\n` } });
  const url = `${tatara.url}/webhooks/github`;
  const deliver = async (request: SignedRequest, first: string): Promise<void> => {
    await persistently(async () => {
      const { status } = await send(url, request);
      if (status >= 300) throw new Error(`${repo}: a delivery was answered ${status}`);
    });
    ledger.deliveries.push({ deliveryId: request.deliveryId, sameBodyAs: first });
  };

  let serial = 0;
  return async (kind) => {
    serial += 1;
    const { files, message } = samplePush(repo, serial, kind);
    const push = await hosted.commit(files, { message });
    const request = signedRequest("push", pushPayload(push), secret);
    const { deliveryId } = request;
    await deliver(request, deliveryId);
    const { ref, before, after } = push;
    ledger.pushes.push({ forge: "github", repo, ref, before, after, kind });
    if (random.chance(0.3)) await deliver(request, deliveryId);
    if (random.chance(0.2)) await deliver(renamed(request), deliveryId);
  };
}

/** The signature does not cover the id. */
function renamed(request: SignedRequest): SignedRequest {
  const deliveryId = randomUUID();
  const headers = { ...request.headers, "x-github-delivery": deliveryId };
  return { ...request, deliveryId, headers };
}

/** As a person does who sees an error: again, until it works. */
export async function persistently(work: () => Promise<unknown>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await work();
      return;
    } catch (err) {
      if (tries === TRIES_MAX) throw err;
      await delay(RETRY_MS);
    }
  }
}
