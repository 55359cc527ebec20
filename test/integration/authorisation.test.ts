import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SHELL_PROTOCOL } from "../../src/shared/shell-frames.ts";
import { routesOf } from "../support/app-routes.ts";
import {
  aCalledWorld,
  WEBHOOK_SECRET,
  type CalledWorld,
} from "../support/authorisation/called-world.ts";
import { CALLERS, type Caller, type Credentials } from "../support/authorisation/callers.ts";
import { GUARDED, ROUTES } from "../support/authorisation/route-table.ts";
import {
  visitAll,
  visitLeases,
  visitNowhere,
  type Visited,
} from "../support/authorisation/visit-all.ts";
import { pushPayload, send, signedRequest, ZEROS } from "../support/github-deliveries.ts";

let world: CalledWorld;

beforeAll(async () => {
  world = await aCalledWorld();
});

afterAll(() => world[Symbol.asyncDispose]());

test("every route of the app is in the table, and nothing else is", () => {
  const { routes, guards } = routesOf(world.server.app);

  expect(Object.keys(ROUTES).toSorted()).toEqual(routes);
  expect([...GUARDED]).toEqual(guards);
});

test("each caller hears at each route what the table says", async () => {
  const visited = await visitAll(world, { mayAnybodyRead: false });

  expect(visited.length).toBeGreaterThan(Object.keys(ROUTES).length * CALLERS.length);
  expect(visited.filter(isOther)).toEqual([]);
});

test("where anybody may read, nobody may do more than that", async () => {
  await using open = await aCalledWorld({ TATARA_ANONYMOUS_READ: "true" });
  const callers: Caller[] = [
    "nobody",
    "wrong token",
    "build worker",
    "expired page",
    "signed-out page",
    "other site's page",
    "clone credential",
  ];

  const visited = await visitAll(open, { mayAnybodyRead: true, callers });

  expect(visited.filter(isOther)).toEqual([]);
});

test("what a lease opens is open to its holder alone", async () => {
  const visited = await visitLeases(world);

  expect(visited.filter(isOther)).toEqual([]);
});

test("methods and addresses without a route are nobody's way in", async () => {
  const visited = await visitNowhere(world);

  expect(visited.filter(({ heard }) => heard < 400)).toEqual([]);
});

test("a delivery is let in by its signature, and by nothing else", async () => {
  const url = `${world.server.url}/webhooks/github`;
  const sha = "f".repeat(40);
  const facts = { repo: "acme/hooked", ref: "refs/heads/main", before: ZEROS, after: sha, sha };
  const signed = signedRequest("push", pushPayload(facts), WEBHOOK_SECRET);
  const forged = signedRequest("push", pushPayload(facts), `${WEBHOOK_SECRET}x`);
  const admin = { ...forged, headers: { ...forged.headers, ...world.callers.admin } };
  const changed = { ...signed, body: signed.body.replace("hooked", "hacked") };

  const heard = [];
  for (const request of [forged, admin, changed, signed]) {
    heard.push((await send(url, request)).status);
  }

  expect(heard).toEqual([401, 401, 401, 202]);
});

test.each([
  ["/api/builds/b-none/shell?step=unit", "admin"],
  ["/worker/v1/build/shells/x-none", "build worker"],
] as const)("the connection %s is opened to %s alone", async (path, opener) => {
  const heard = await Promise.all(
    CALLERS.map(async (caller) => {
      const status = await upgrade(world.server.url, path, world.callers[caller]);
      return [caller, status] as const;
    }),
  );

  // Who is let in hears that nothing of that name waits.
  const expected = CALLERS.map((caller) => [caller, caller === opener ? 404 : 401] as const);
  expect(heard).toEqual(expected);
});

test.each(["/api/builds/%zz/shell", "//", "/worker/v1/build/shells/%00", "/api/builds/%00/shell"])(
  "a connection to %s is refused, and nothing fails",
  async (path) => {
    expect(await upgrade(world.server.url, path, world.callers.admin)).toBeOneOf([400, 404]);
  },
);

/** The status that a request for a shell's connection is answered with. */
async function upgrade(url: string, path: string, credentials: Credentials): Promise<number> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const headers = { host: hostname, connection: "Upgrade", upgrade: SHELL_PROTOCOL };
  const lines = Object.entries({ ...headers, ...credentials }).map(
    ([name, value]) => `${name}: ${value}`,
  );
  socket.write(`GET ${path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
  const answer = await text(socket);
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);
}

function isOther({ expected, heard }: Visited): boolean {
  return expected !== heard;
}
