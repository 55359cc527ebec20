import { lookup as systemLookup, type LookupAddress } from "node:dns";
import { request as plain, type IncomingMessage, type RequestOptions } from "node:http";
import { request as secure } from "node:https";
import type { LookupFunction } from "node:net";
import { internalKind, isAddress, isInternalName } from "../domain/internal-address.ts";

/**
 * The door to addresses that somebody else has named: a pipeline file, a Dockerfile, a server that
 * redirects. What an operator has configured does not come through it.
 */
export interface Outbound {
  /**
   * Why nobody of ours may connect there, as a sentence; undefined: it may be. For doors behind which
   * another program connects, and resolves the name once more.
   */
  refusal(host: string, port?: string): Promise<string | undefined>;
  /**
   * Reads what an operator's address answers. A redirect on the same host is followed as it is; one to
   * another host only to a public address, resolved once: it is that address that is connected to.
   * Throws Error with a sentence.
   */
  get(url: URL, signal: AbortSignal): Promise<IncomingMessage>;
}

const INTERNAL_HOSTS_SETTING = "TATARA_INTERNAL_HOSTS";
const REDIRECTS_MAX = 10;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export type Lookup = (host: string, done: LookupDone) => void;
type LookupDone = (err: Error | null, found: readonly LookupAddress[]) => void;

export function openOutbound({
  internalHosts,
  lookup = (host, done) =>
    systemLookup(host, { all: true, verbatim: true }, (err, found) => done(err, found ?? [])),
}: {
  /** `host` or `host:port` that may be internal: the operator said so. */
  readonly internalHosts: readonly string[];
  /** Tests bring one that changes its mind. */
  readonly lookup?: Lookup;
}): Outbound {
  const allowed = new Set(internalHosts.map((host) => host.toLowerCase()));
  const isAllowed = (host: string, port = ""): boolean =>
    allowed.has(host) || allowed.has(`${host}:${port}`);
  const guarded: LookupFunction = (host, options, done) => {
    lookup(host, (err, found) => {
      const refused = err === null ? whyNot(host, found) : undefined;
      if (err !== null || refused !== undefined) return done(err ?? new Error(refused), "", 0);
      const [first] = found;
      if (first === undefined) return done(new Error(`${host} has no address.`), "", 0);
      if (options.all === true) done(null, [...found]);
      else done(null, first.address, first.family);
    });
  };

  return {
    refusal: async (host, port) => {
      const name = plainHost(host);
      if (isAllowed(name, port)) return undefined;
      const known = refusalOfName(name);
      if (known !== undefined || isAddress(name)) return known;
      const { promise, resolve } = Promise.withResolvers<readonly LookupAddress[]>();
      // A name that is unknown here may be known to the engine's proxy; it is no address of ours.
      lookup(name, (err, found) => resolve(err === null ? found : []));
      return whyNot(name, await promise);
    },
    get: async (start, signal) => {
      let url = start;
      let isTrusted = true;
      for (let count = 0; count <= REDIRECTS_MAX; count += 1) {
        const answer = await ask(url, isTrusted ? {} : { lookup: guarded }, signal);
        const { statusCode = 0, headers } = answer;
        if (!REDIRECTS.has(statusCode) || headers.location === undefined) return answer;
        answer.destroy();
        const next = URL.parse(headers.location, url.href);
        if (next === null || !/^https?:$/.test(next.protocol)) {
          throw new Error(
            `${url.href} leads to ${headers.location.slice(0, 200)}, which is no web address.`,
          );
        }
        const host = plainHost(next.hostname);
        isTrusted = isSameHost(start, next) || isAllowed(host, next.port);
        const refused = isTrusted ? undefined : refusalOfName(host);
        if (refused !== undefined) throw new Error(`${start.href} leads there: ${refused}`);
        url = next;
      }
      throw new Error(`${start.href} leads on and on, more than ${REDIRECTS_MAX} times.`);
    },
  };
}

/** The port may only become that of https. */
function isSameHost(start: URL, next: URL): boolean {
  if (next.hostname !== start.hostname) return false;
  return next.port === start.port || (next.protocol === "https:" && next.port === "");
}

/** As addresses are compared: without brackets, capitals and the dot of the root. */
function plainHost(host: string): string {
  return host
    .toLowerCase()
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "");
}

/** What can be said without asking anybody. */
function refusalOfName(host: string): string | undefined {
  // As browsers and C libraries read it: numbers of any base, short forms, letters that stand for others.
  const read = isAddress(host) ? host : URL.parse(`http://${host}/`)?.hostname;
  if (read === undefined) return worded(host, "no known form");
  const plain = plainHost(read);
  if (isInternalName(plain)) return worded(host, "this machine or its network");
  return isAddress(plain) ? whyNot(host, [{ address: plain, family: 0 }]) : undefined;
}

function whyNot(host: string, found: readonly LookupAddress[]): string | undefined {
  for (const { address } of found) {
    const kind = internalKind(address);
    if (kind !== undefined) return worded(host, kind, address);
  }
  return undefined;
}

function worded(host: string, kind: string, address = host): string {
  const place = address === host ? host : `${host} (${address})`;
  return (
    `${place} is an address of ${kind}, which only an operator may name: ` +
    `${INTERNAL_HOSTS_SETTING}=${host} allows it.`
  );
}

async function ask(url: URL, more: RequestOptions, signal: AbortSignal): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const send = url.protocol === "https:" ? secure : plain;
  // A connection of its own: one that is kept was opened under other rules.
  send(url, { agent: false, signal, ...more }, resolve)
    .once("error", reject)
    .end();
  return await promise;
}
