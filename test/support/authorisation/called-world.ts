import { z } from "zod";
import { LEASE_HEADER, PATHS, PROTOCOL } from "../../../src/shared/protocol.ts";
import { aGitWorkTree } from "../git-work-tree.ts";
import { pushPayload, send, signedRequest, ZEROS } from "../github-deliveries.ts";
import { until } from "../until.ts";
import { aServer, type TestServer } from "../start-server.ts";
import { credentialsOf, type Caller, type Credentials } from "./callers.ts";

export const WEBHOOK_SECRET = "a-webhook-secret-of-32-characters";
export const REPO = "acme/hello";
const OWN_REPO = "acme/own";
const OTHER_REPO = "acme/other";
/** Nobody listens there: what would ask the forge fails at once. */
const NO_FORGE = "http://127.0.0.1:9";

const granted = z.object({
  jobId: z.string(),
  lease: z.object({ token: z.string() }),
  build: z.object({ id: z.string(), repo: z.string(), number: z.number() }),
  clone: z.object({ authorization: z.string().nullable() }),
});
export type Granted = z.infer<typeof granted>;

/** A server with a record of every kind that an address can name, and somebody of every kind. */
export interface CalledWorld extends AsyncDisposable {
  readonly server: TestServer;
  readonly callers: Readonly<Record<Caller, Credentials>>;
  /** A build that waits, of `REPO`; its number is 1. */
  readonly buildId: string;
  /** A file that every page needs. */
  readonly assetName: string;
  readonly leases: { readonly foreign: Granted; readonly ended: Granted };
  /** A job that has just been claimed. */
  newLease(): Promise<Granted>;
  /** A publish that has just been claimed. */
  newPublish(): Promise<{ readonly publishId: string; readonly token: string }>;
}

export async function aCalledWorld(settings: Record<string, string> = {}): Promise<CalledWorld> {
  // It moves when it is told to: no lease runs out while the machine has much else to do.
  const clock = { at: Date.now() };
  const some = {
    TATARA_GITHUB_WEBHOOK_SECRET: WEBHOOK_SECRET,
    TATARA_GITHUB_URL: NO_FORGE,
    TATARA_GITHUB_API_URL: NO_FORGE,
    TATARA_SWEEP_SECONDS: "0",
    ...settings,
  };
  const server = await aServer(some, () => clock.at);
  try {
    return await fill(server, clock);
  } catch (err) {
    await server[Symbol.asyncDispose]();
    throw err;
  }
}

interface Clock {
  at: number;
}

async function fill(server: TestServer, clock: Clock): Promise<CalledWorld> {
  const ask = posterTo(server);
  // A push to the own remote is ready a moment after git has gone.
  const claim = async (): Promise<Granted> => {
    let answer: unknown;
    const ofJobs = { worker: "w1", protocol: PROTOCOL, arch: "x86_64" };
    const isGranted = async (): Promise<boolean> => {
      answer = await ask(PATHS.buildClaim(), server.buildToken, ofJobs);
      return answer !== undefined;
    };
    await until(isGranted, true);
    return granted.parse(answer);
  };
  let pushes = 0;
  const newLease = async (): Promise<Granted> => {
    pushes += 1;
    await push(server, `more-${pushes}`);
    return await claim();
  };
  const newPublish = async () => {
    await ask("/api/sweeps", server.adminToken, {});
    const grant = await ask(PATHS.publishClaim(), server.publishToken, {
      worker: "p1",
      protocol: PROTOCOL,
    });
    const { publishId, lease } = z
      .object({ publishId: z.string(), lease: z.object({ token: z.string() }) })
      .parse(grant);
    return { publishId, token: lease.token };
  };

  const signedIn = await signInByToken(server);
  // Two tokens of the same millisecond are the same one.
  clock.at += 1;
  const signedOut = await signInByToken(server);
  await signOut(server, signedOut);
  const { cookie: outOfLink, linkToken } = await signInByLink(server);
  await signOut(server, outOfLink);

  await pushToOwn(server, OWN_REPO);
  const own = await claim();
  await pushToOwn(server, OTHER_REPO);
  const other = await claim();
  await pushToOwn(server, "acme/third");
  const ended = await claim();
  await handBack(server, ended);
  const foreign = await newLease();
  const buildId = await push(server, "main");

  const authorization = (grant: Granted): string => grant.clone.authorization ?? "";
  return {
    server,
    callers: credentialsOf({
      server,
      lease: own.lease.token,
      cookies: { signedIn, signedOut, outOfLink },
      linkToken,
      clones: {
        own: authorization(own),
        other: authorization(other),
        ended: authorization(ended),
      },
    }),
    buildId,
    assetName: await assetOf(server),
    leases: { foreign, ended },
    newLease,
    newPublish,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

function posterTo(server: TestServer) {
  return async (path: string, token: string, body: object): Promise<unknown> => {
    const response = await fetch(server.url + path, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  };
}

async function handBack(server: TestServer, { jobId, lease }: Granted): Promise<void> {
  const response = await fetch(server.url + PATHS.handBack(jobId), {
    method: "POST",
    headers: { authorization: `Bearer ${server.buildToken}`, [LEASE_HEADER]: lease.token },
  });
  if (!response.ok) throw new Error(`A job could not be handed back: ${response.status}`);
}

let shas = 0;

async function push(server: TestServer, branch: string): Promise<string> {
  shas += 1;
  const sha = shas.toString(16).padStart(40, "a");
  const facts = { repo: REPO, ref: `refs/heads/${branch}`, before: ZEROS, after: sha, sha };
  const request = signedRequest("push", pushPayload(facts), WEBHOOK_SECRET);
  const { status, body } = await send(`${server.url}/webhooks/github`, request);
  if (status !== 202) throw new Error(`A push was answered ${status}.`);
  return z.object({ build: z.object({ id: z.string() }) }).parse(body).build.id;
}

async function pushToOwn(server: TestServer, repo: string): Promise<void> {
  await using tree = await aGitWorkTree({ token: server.adminToken });
  await tree.commit({ "README.md": repo }, "the first");
  const url = `${server.url}/git/${repo}.git`;
  const { code, output } = await tree.git("push", "--quiet", url, "main");
  if (code !== 0) throw new Error(`git push said ${output}`);
}

async function assetOf(server: TestServer): Promise<string> {
  const page = await (await fetch(`${server.url}/login`)).text();
  const [, name] = /\/assets\/([^"]+)/.exec(page) ?? [];
  if (name === undefined) throw new Error("The page names no assets.");
  return name;
}

async function signInByToken(server: TestServer): Promise<string> {
  const response = await fetch(`${server.url}/login`, {
    method: "POST",
    headers: { "sec-fetch-site": "same-origin" },
    body: new URLSearchParams({ token: server.adminToken }),
    redirect: "manual",
  });
  return cookieOf(response);
}

async function signInByLink(server: TestServer) {
  const linkToken = new URL(server.loginUrl).searchParams.get("t") ?? "";
  const response = await fetch(server.loginUrl, { redirect: "manual" });
  return { cookie: cookieOf(response), linkToken };
}

async function signOut(server: TestServer, cookie: string): Promise<void> {
  const response = await fetch(`${server.url}/logout`, {
    method: "POST",
    headers: { cookie, "sec-fetch-site": "same-origin" },
    redirect: "manual",
  });
  if (response.status !== 303) throw new Error(`Signing out was answered ${response.status}.`);
}

function cookieOf(response: Response): string {
  const cookie = response.headers.get("set-cookie")?.split(";")[0];
  if (response.status !== 303 || cookie === undefined) {
    throw new Error(`Signing in was answered ${response.status}.`);
  }
  return cookie;
}
