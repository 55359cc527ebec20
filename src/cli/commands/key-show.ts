import { isExpired, roleOf } from "../../yum/keys/key-ring.ts";
import type { KeyRing, RingKey } from "../../yum/keys/key-ring.ts";
import { statusOf } from "../../yum/keys/key-status.ts";
import type { Ink, Line } from "../print.ts";

const ROLES = ["signing", "next", "previous"] as const;
const ROLE_COLUMNS = 10;
const INK = { signing: "green", next: "blue", previous: "dim" } as const satisfies Record<
  (typeof ROLES)[number],
  Ink
>;

/** For other programs: the public status, and what was retired. */
export function keyFactsOf(ring: KeyRing, now: number): object {
  return { ...statusOf(ring, now), retired: ring.retired };
}

/** The key that signs first, then the one that will, then the older ones; all are in the served file. */
export function showRing(ring: KeyRing, now: number): readonly Line[] {
  const keys = ROLES.flatMap((role) => ring.keys.filter((key) => roleOf(key, ring, now) === role));
  const retired = ring.retired.map(({ fingerprint, retiredAt }): Line => [
    { ink: "dim", text: "retired".padEnd(ROLE_COLUMNS) },
    `${fingerprint}   on ${day(retiredAt)}, hosts do not get it`,
  ]);
  const warnings = statusOf(ring, now)?.warnings ?? [];
  const warned = warnings.flatMap(({ message, hint }): Line[] => [
    [{ ink: "yellow", text: "warn".padEnd(ROLE_COLUMNS) }, message],
    [" ".repeat(ROLE_COLUMNS), hint],
  ]);
  return [...keys.flatMap((key) => linesOf(key, ring, now)), ...retired, ...warned];
}

function linesOf(key: RingKey, ring: KeyRing, now: number): readonly Line[] {
  const role = roleOf(key, ring, now);
  const made = `created ${day(key.createdAt)}, ${expiryOf(key, now)}`;
  const served = `in the key file since ${day(key.servedSince)}`;
  const from = Math.max(key.signsFrom, key.servedSince);
  const signs = { signing: "signs since", next: "signs from", previous: "signed from" }[role];
  return [
    [{ ink: INK[role], text: role.padEnd(ROLE_COLUMNS) }, key.fingerprint],
    [" ".repeat(ROLE_COLUMNS), `${made}; ${served}; ${signs} ${time(from)}`],
  ];
}

function expiryOf(key: RingKey, now: number): string {
  if (key.expiresAt === null) return "never expires";
  return `${isExpired(key, now) ? "expired" : "expires"} ${day(key.expiresAt)}`;
}

function day(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}

function time(at: number): string {
  return new Date(at).toISOString().slice(0, 16).replace("T", " ");
}
