import type { Refusal } from "../../shared/message-parts.ts";

/** A person's wish that cannot be done as it is: the answer to give. Nothing has changed. */
export interface Refused {
  readonly kind: "refused";
  readonly status: 400 | 404 | 409 | 410 | 422;
  readonly error: string;
  readonly hint: string;
  /** One of the user faults, where one fits. */
  readonly code?: Refusal["code"];
  /** Why a channel would not resolve. */
  readonly problems?: readonly Refusal[];
}

export function refused(
  status: Refused["status"],
  error: string,
  hint: string,
  code?: Refusal["code"],
): Refused {
  return { kind: "refused", status, error, hint, ...(code === undefined ? {} : { code }) };
}

export function noSuchChannel(name: string): Refused {
  return refused(
    404,
    `There is no channel ${JSON.stringify(name)}.`,
    "GET /api/channels lists them.",
    "CHANNEL_UNKNOWN",
  );
}

export function isRefused(value: unknown): value is Refused {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "refused";
}
