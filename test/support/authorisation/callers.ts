import { adminSession, SESSION_MS } from "../../../src/server/auth.ts";
import type { TestServer } from "../start-server.ts";

/** What a request carries to say who sends it. */
export type Credentials = Readonly<Record<string, string>>;

/** Every kind of sender that the product knows, and those that it must not take for one. */
export const CALLERS = [
  "nobody",
  "admin",
  "wrong token",
  "admin by basic",
  "admin without scheme",
  "build worker",
  "publish worker",
  "report worker",
  "lease without worker",
  "own page",
  "other site's page",
  "page without origin",
  "expired page",
  "signed-out page",
  "page signed out of a link",
  "sign-in link as cookie",
  "clone credential",
  "clone credential of another repo",
  "ended clone credential",
] as const;

export type Caller = (typeof CALLERS)[number];

const OWN = { "sec-fetch-site": "same-origin" };

export interface CallerFacts {
  readonly server: TestServer;
  readonly lease: string;
  /** Cookies of browsers that signed in: one still is, two were and signed out. */
  readonly cookies: {
    readonly signedIn: string;
    readonly signedOut: string;
    readonly outOfLink: string;
  };
  readonly linkToken: string;
  readonly clones: { readonly own: string; readonly other: string; readonly ended: string };
}

export function credentialsOf(facts: CallerFacts): Readonly<Record<Caller, Credentials>> {
  const { server, cookies, clones } = facts;
  const { adminToken } = server;
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  const longAgo = () => Date.now() - SESSION_MS - 3_600_000;
  return {
    nobody: {},
    admin: bearer(adminToken),
    "wrong token": bearer("no-token-of-this-server-0123456789"),
    "admin by basic": { authorization: basic("dev1", adminToken) },
    "admin without scheme": { authorization: adminToken },
    "build worker": bearer(server.buildToken),
    "publish worker": bearer(server.publishToken),
    "report worker": bearer(server.reportToken),
    "lease without worker": { ...bearer(facts.lease), "x-tatara-lease": facts.lease },
    "own page": { cookie: cookies.signedIn, ...OWN },
    "other site's page": { cookie: cookies.signedIn, "sec-fetch-site": "cross-site" },
    "page without origin": { cookie: cookies.signedIn },
    "expired page": { cookie: `tatara=${adminSession({ adminToken, now: longAgo })}`, ...OWN },
    "signed-out page": { cookie: cookies.signedOut, ...OWN },
    "page signed out of a link": { cookie: cookies.outOfLink, ...OWN },
    "sign-in link as cookie": { cookie: `tatara=${facts.linkToken}`, ...OWN },
    "clone credential": { authorization: clones.own },
    "clone credential of another repo": { authorization: clones.other },
    "ended clone credential": { authorization: clones.ended },
  };
}

export function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}
