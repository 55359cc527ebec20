import { randomBytes } from "node:crypto";
import type { KnownSecret } from "../../src/invariants/world.ts";
import type { Tatara } from "../support/start-tatara.ts";
import { persistently } from "./pushers.ts";
import type { Pusher } from "./pushers.ts";
import { CANARY_NAME } from "./sample-push.ts";

/** A repo whose test prints its secret in several spellings; nobody may ever find it. */
export const CANARY_REPO = "own/canary";

/** Plants a secret, and pushes what prints it. Returns what must be found nowhere. */
export async function plantCanary(tatara: Tatara, push: Pusher): Promise<KnownSecret> {
  const value = randomBytes(24).toString("base64url");
  // A repo is known from its first push on.
  await push("skipped");
  const path = `/api/repos/${CANARY_REPO}/secrets/${CANARY_NAME}`;
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ value });
  await persistently(() => tatara.api(path, { method: "PUT", headers, body }));
  await push("passing");
  return { name: CANARY_NAME, value };
}
