import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { pushPayload, send, signedRequest, ZEROS } from "../../support/github-deliveries.ts";
import type { SignedRequest } from "../../support/github-deliveries.ts";
import type { Ledger } from "../ledger.ts";
import type { Random } from "../random.ts";

/** Repos of which no push is built; each delivery leaves a row that says so. */
export const OUTSIDE = "outside";
/** Repos that are Tatara's, and whose branches are deleted all the time: a build each, that is skipped. */
export const INSIDE = "flood";
const REPOS = ["one", "two", "three"] as const;
const SENDERS = 24;
/** Hundreds in a second, all senders together; the machine has other things to do as well. */
const PAUSE_MS = 90;
const AGAIN_MS = 50;
const SEND_MS = 10_000;
/** One in so many deletes a branch, the others are about repos outside. */
const DELETIONS = 1 / 50;
const DOUBLED = 0.05;

/** The forge must have what its deliveries are about. */
export function floodedRepos(): readonly string[] {
  return REPOS.map((name) => `${INSIDE}/${name}`);
}

/** What was answered to one body, however often and under however many ids it was sent. */
export interface Flooded {
  readonly deliveryId: string;
  /** Ids under which the same bytes were sent, and answered 2xx. */
  readonly answeredIds: Set<string>;
  /** Of a deletion: the builds that its answers named. */
  readonly builds: Set<string>;
  readonly isDeletion: boolean;
  answers: number;
}

export interface Flood {
  readonly sent: readonly Flooded[];
  /** When the newest 2xx came, by `performance.now()`. */
  answeredAt(): number;
  /** Sends what is under way until it is answered, and nothing more. */
  stop(): Promise<void>;
}

/** A strong stream of signed deliveries: each is sent again until it has its 2xx, some oftener. */
export function startFlood(options: {
  readonly url: string;
  readonly secret: string;
  readonly ledger: Ledger;
  readonly random: (name: string) => Random;
}): Flood {
  const { secret, ledger } = options;
  const url = `${options.url}/webhooks/github`;
  const stop = new AbortController();
  const sent: Flooded[] = [];
  let answeredAt = 0;

  const deliver = async (request: SignedRequest, facts: Flooded): Promise<void> => {
    for (;;) {
      const answer = await send(url, request).catch(() => undefined);
      if (answer !== undefined && answer.status < 300) {
        answeredAt = performance.now();
        facts.answers += 1;
        facts.answeredIds.add(request.deliveryId);
        const { id } = (answer.body["build"] ?? {}) as { readonly id?: unknown };
        if (typeof id === "string") facts.builds.add(id);
        return;
      }
      await delay(AGAIN_MS);
    }
  };

  const sender = async (random: Random): Promise<void> => {
    while (!stop.signal.aborted) {
      const isDeletion = random.chance(DELETIONS);
      const request = drawn({ random, secret, isDeletion, ledger });
      const { deliveryId } = request;
      const facts = { deliveryId, answeredIds: new Set<string>(), builds: new Set<string>() };
      const flooded: Flooded = { ...facts, isDeletion, answers: 0 };
      sent.push(flooded);
      // A forge's own repeats may overtake each other, and the bytes may come under another id.
      const copies = random.chance(DOUBLED) ? [request, renamed(request)] : [];
      await Promise.all([request, ...copies].map((one) => deliver(one, flooded)));
      await delay(random.integer(PAUSE_MS / 2, PAUSE_MS * 1.5));
    }
  };

  const senders = Array.from({ length: SENDERS }, (_none, index) =>
    sender(options.random(`sender ${index}`)),
  );
  return {
    sent,
    answeredAt: () => answeredAt,
    stop: async () => {
      stop.abort();
      const tooLong = delay(SEND_MS * 6, undefined, { ref: false }).then(() => {
        throw new Error("Deliveries stay without an answer although the server is not hurt.");
      });
      await Promise.race([Promise.all(senders), tooLong]);
    },
  };
}

function drawn(options: {
  readonly random: Random;
  readonly secret: string;
  readonly isDeletion: boolean;
  readonly ledger: Ledger;
}): SignedRequest {
  const { random, secret, isDeletion, ledger } = options;
  const repo = `${isDeletion ? INSIDE : OUTSIDE}/${random.pick(REPOS)}`;
  const sha = (): string => randomUUID().replaceAll("-", "").padEnd(40, "0");
  const ref = `refs/heads/gone-${random.integer(1, 1_000)}`;
  const before = sha();
  const after = isDeletion ? ZEROS : sha();
  // Noted before it is sent: what was taken without an answer made its build as well.
  if (isDeletion)
    ledger.pushes.push({ forge: "github", repo, ref, before, after, kind: "skipped" });
  const told = { repo, ref, before, after, sha: isDeletion ? null : after };
  return signedRequest("push", pushPayload(told), secret);
}

/** The signature does not cover the id. */
function renamed(request: SignedRequest): SignedRequest {
  const deliveryId = randomUUID();
  const headers = { ...request.headers, "x-github-delivery": deliveryId };
  return { ...request, deliveryId, headers };
}
