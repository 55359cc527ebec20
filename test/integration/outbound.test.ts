import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { UserFault } from "../../src/domain/faults.ts";
import { cloneOf } from "../../src/server/credentials.ts";
import { parseGithubDelivery } from "../../src/server/webhook/github.ts";
import { githubHooks } from "../../src/shared/forges/github-hooks.ts";
import { githubForge } from "../../src/shared/forges/github.ts";
import { openOutbound, type Lookup } from "../../src/shared/outbound.ts";
import { refuseInsideDockerfile } from "../../workers/build/outside-images.ts";
import { openGit } from "../../workers/build/source/git.ts";
import { openMirrors } from "../../workers/build/source/mirrors.ts";
import { openBaseRepositories } from "../../src/yum/base-repositories/base-repositories.ts";
import { pushPayload, ZEROS } from "../support/github-deliveries.ts";
import {
  INTERNAL_HOSTS,
  NAMES_THAT_LEAD_INSIDE,
  ODD_ADDRESSES,
  PUBLIC_HOSTS,
} from "../support/internal-places.ts";

const HOSTS = [...Object.values(INTERNAL_HOSTS).flat(), ...Object.keys(NAMES_THAT_LEAD_INSIDE)];
const never = new AbortController().signal;
const SHA = "a".repeat(40);
/** What is let out may wait for an address that nobody has. */
const LIMIT_MS = 10_000;

/** Answers for the names of the table; of nothing else anything is known. */
const lookup: Lookup = (host, done) => {
  const address = NAMES_THAT_LEAD_INSIDE[host];
  if (address === undefined) return done(new Error(`${host} is not known here.`), []);
  done(null, [{ address, family: address.includes(":") ? 6 : 4 }]);
};
const outbound = openOutbound({ internalHosts: [], lookup });

/** What listens inside: whoever connects is counted, whatever it says then. */
let inside: Server;
let port: number;
let hits = 0;

beforeAll(async () => {
  inside = createServer((_request, response) => response.end("inside"));
  inside.on("connection", () => {
    hits += 1;
  });
  inside.listen(0);
  await once(inside, "listening");
  ({ port } = inside.address() as AddressInfo);
});
beforeEach(() => {
  hits = 0;
});
afterAll(async () => {
  inside.closeAllConnections();
  inside.close();
  await once(inside, "close");
});

/** Every form of the table, as an address of the listener. */
function addresses(): readonly string[] {
  const odd = ["127.0.0.1", "localhost", "[::1]"].flatMap((host) =>
    ODD_ADDRESSES.map((form) => form.replaceAll("HOST", host).replaceAll("PORT", String(port))),
  );
  return [...HOSTS.map((host) => `http://${host}:${port}/x`), ...new Set(odd)];
}

/** A public place that the operator has named; it sends everybody on. */
async function aRedirector(headers: (path: string) => Record<string, string>, status = 302) {
  const server = createServer((request, response) => {
    response.writeHead(status, headers(request.url ?? "")).end("[]");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** Which of the forms a path `/<n>…` stands for; bytes that no header can have are left out. */
function formAt(forms: readonly string[], path: string): string {
  const form = forms[Number(/\d+/.exec(path)?.[0])] ?? "";
  // oxlint-disable-next-line no-control-regex -- those are what a header cannot have
  return Buffer.from(form.replaceAll(/[\u0000-\u001f]/g, "")).toString("latin1");
}

test("the table has more than two hundred forms", () => {
  expect(new Set(addresses()).size).toBeGreaterThan(300);
  expect(new Set(HOSTS).size).toBeGreaterThan(200);
});

describe("hosts", () => {
  test("inside are refused, and the refusal says what allows them", async () => {
    const refused = await Promise.all(HOSTS.map((host) => outbound.refusal(host, String(port))));

    expect(HOSTS.filter((_host, at) => refused[at] === undefined)).toEqual([]);
    expect(refused.filter((text) => !text?.includes("TATARA_INTERNAL_HOSTS="))).toEqual([]);
  });

  test("outside are not, nor are those that an operator has named", async () => {
    const some = openOutbound({ internalHosts: ["10.0.0.1", "lan.example:5000"], lookup });
    const heard = await Promise.all([
      ...PUBLIC_HOSTS.map((host) => outbound.refusal(host)),
      some.refusal("10.0.0.1", "5000"),
      some.refusal("lan.example", "5000"),
    ]);

    expect(heard.filter((text) => text !== undefined)).toEqual([]);
    expect(await some.refusal("lan.example", "5001")).toContain("10.0.0.1");
    expect(await some.refusal("10.0.0.2")).toContain("10.0.0.2");
  });
});

describe("redirects of a mirror", () => {
  test("lead nowhere inside, whatever form they have", async () => {
    const forms = addresses();
    await using mirror = await aRedirector((path) => ({ location: formAt(forms, path) }));

    const ends = await Promise.allSettled(
      forms.map((_form, at) =>
        outbound.get(new URL(`${mirror.url}/${at}/repomd.xml`), AbortSignal.timeout(LIMIT_MS)),
      ),
    );

    const reached = forms.filter((_form, at) => {
      const end = ends[at];
      return end?.status === "fulfilled" && end.value.statusCode === 200;
    });
    expect({ hits, reached }).toEqual({ hits: 0, reached: [] });
  });

  test("are followed where they stay on their host, or where an operator allows it", async () => {
    const known = openOutbound({ internalHosts: [`127.0.0.1:${port}`] });
    await using mirror = await aRedirector((path) =>
      path === "/here" ? { location: "/there" } : { location: `http://127.0.0.1:${port}/x` },
    );

    const end = await known.get(new URL(`${mirror.url}/here`), never);
    end.destroy();

    expect(end.statusCode).toBe(200);
    expect(hits).toBe(1);
  });

  test("a name that changes its answer is asked once, and its first answer is where we go", async () => {
    const asked: string[] = [];
    const gone = new AbortController();
    const rebinding: Lookup = (host, done) => {
      asked.push(host);
      const address = asked.length === 1 ? "93.184.216.34" : "127.0.0.1";
      done(null, [{ address, family: 4 }]);
      gone.abort(new Error("The first answer is nobody's here."));
    };
    await using mirror = await aRedirector(() => ({ location: `http://rebind.example:${port}/x` }));
    const { get } = openOutbound({ internalHosts: [], lookup: rebinding });

    await expect(get(new URL(mirror.url), gone.signal)).rejects.toThrow();
    // The second answer would be the listener: it is refused as well.
    await expect(get(new URL(mirror.url), never)).rejects.toThrow("TATARA_INTERNAL_HOSTS");

    expect({ hits, asked }).toEqual({ hits: 0, asked: ["rebind.example", "rebind.example"] });
  });

  test("are what a base repository's reader follows", async () => {
    await using mirror = await aRedirector(() => ({ location: `http://127.0.0.1:${port}/x` }));
    const declared = [{ target: "el9.x86_64", urls: [mirror.url] }];
    const bases = openBaseRepositories({ declared, now: Date.now, get: outbound.get });

    const { warnings } = await bases.of("el9.x86_64");
    await bases.close();

    expect(warnings.join()).toContain("TATARA_INTERNAL_HOSTS=127.0.0.1");
    expect(hits).toBe(0);
  });
});

describe("a forge", () => {
  test("sends neither statuses nor page after page to another host", async () => {
    const forms = addresses();
    await using api = await aRedirector((path) => {
      const form = formAt(forms, path);
      return { location: form, link: `<${form}>; rel="next"` };
    }, 307);
    await using listing = await aRedirector(
      (path) => ({
        "content-type": "application/json",
        link: `<${formAt(forms, path)}>; rel="next"`,
      }),
      200,
    );
    const forge = githubForge({ apiUrl: api.url, token: "a-token", now: Date.now });
    const hooks = githubHooks({
      apiUrl: listing.url,
      token: "a-token",
      publicUrl: undefined,
      now: Date.now,
    });

    const status = {
      sha: SHA,
      context: "tatara",
      state: "success",
      description: "",
      targetUrl: "",
    } as const;
    for (let at = 0; at < forms.length; at += 1) {
      await forge.postStatus({ ...status, repo: `acme/${at}` }, never);
      await hooks.failedDeliveries(`acme/${at}`, never);
    }

    expect(hits).toBe(0);
  });

  test("tells no place in its payloads that anybody contacts", () => {
    const settings = {
      ownUrl: "https://ci.example",
      githubUrl: "https://forge.example",
      githubReadToken: undefined,
    };
    for (const form of [...addresses(), ...HOSTS, ...HOSTS.map((host) => `${host}/x`)]) {
      const facts = {
        repo: "acme/hello",
        ref: "refs/heads/main",
        before: ZEROS,
        after: SHA,
        sha: SHA,
      };
      const payload = pushPayload(facts) as { repository: object };
      const lied = everywhere(payload, form);
      for (const one of [
        lied,
        { ...payload, repository: { ...payload.repository, full_name: form } },
      ]) {
        const delivery = parseGithubDelivery("push", one);
        if (delivery.kind !== "push") continue;
        const { repo, forge } = delivery.push;
        const { url } = cloneOf(
          { job: {}, build: { repo, forge } } as Parameters<typeof cloneOf>[0],
          settings,
        );
        expect(new URL(url).origin).toBe("https://forge.example");
        expect(new URL(url).pathname).toBe(`/${repo}.git`);
      }
    }
  });
});

/** The payload with every address that it has replaced. */
function everywhere(payload: object, form: string): unknown {
  return JSON.parse(JSON.stringify(payload), (_key, value: unknown) =>
    typeof value === "string" && /^(?:https?|git|ssh):|@/.test(value) ? form : value,
  );
}

describe("git", () => {
  test("fetches from none of them, starts no program and follows no redirect", async () => {
    const dir = await mkdtemp(join(tmpdir(), "tatara-outbound-"));
    const git = openGit({ path: process.env["PATH"] ?? "" });
    const forms = addresses();
    await using forge = await aRedirector((path) => ({ location: formAt(forms, path) }));
    const mirrors = openMirrors({ dir, git, httpPrefixes: [forge.url], fetchMs: LIMIT_MS });
    const fetch = async (url: string) =>
      await mirrors
        .fetch(
          { repo: "acme/hello", url, authorization: null, ref: "refs/heads/main", sha: SHA },
          never,
        )
        .catch((err: unknown) => err);
    // Plain http is only for who is named, and https finds no certificate: git itself is asked for some.
    const asked = [
      ...ODD_ADDRESSES.map((form) =>
        form.replaceAll("HOST", "127.0.0.1").replaceAll("PORT", String(port)),
      ),
      ...forms.filter((_form, at) => at % 24 === 0),
      ...forms.flatMap((_form, at) => (at % 24 === 0 ? [`${forge.url}/${at}`] : [])),
    ].filter((url) => !url.toLowerCase().startsWith("https:") && !url.includes("\0"));

    const ends = [];
    for (const url of asked) ends.push(await fetch(url));
    await rm(dir, { recursive: true });

    expect(ends.filter((end) => !(end instanceof Error))).toEqual([]);
    expect(hits).toBe(0);
  });
});

describe("what a stranger's Dockerfile names for the engine", () => {
  const asked: string[] = [];
  const engine = {
    findImage: (name: string) => {
      asked.push(name);
      return Promise.reject(new UserFault("IMAGE_UNKNOWN", "It is not here.", { hint: "-" }));
    },
  };
  const deps = { engine, outbound };
  // As registries are written; what no name of an image can have is refused before.
  const registries = HOSTS.filter((host) => /^[a-zA-Z0-9][a-zA-Z0-9.-]*$/.test(host));

  test("a Dockerfile that names one, or lets ADD go there, is refused with its line", async () => {
    const lines = HOSTS.flatMap((host) => [
      `ADD http://${host}:${port}/x /x`,
      ...(registries.includes(host)
        ? [`FROM ${host}:${port}/a`, `COPY --from=${host}:${port}/a /a /b`]
        : []),
    ]);
    const tricks = [
      "ADD --chown=1:1 HTTP://127.0.0.1/x /x",
      'ADD ["http://127.0.0.1/x", "/x"]',
      "ADD a.txt \\\n  # a comment\n  http://localhost/x /x",
      "ARG HOST=127.0.0.1\nADD http://${HOST}/x /x",
      "ARG A=http://127.0.0\nENV B=$A.1/x\nADD $B /x",
      "ADD ${UNKNOWN:-http://127.0.0.1}/x /x",
      "ADD $FROM_THE_BASE_IMAGE /x",
      "ADD http://$FROM_THE_BASE_IMAGE/x /x",
      "ADD git@127.0.0.1:acme/x.git /x",
      "ADD git://10.0.0.1/x.git#main /x",
      "RUN --mount=type=bind,from=127.0.0.1:5000/x,target=/x true",
      "# escape=`\nADD `\nhttp://127.0.0.1/x /x",
      "ADD http://public.example@127.0.0.1/x /x",
    ];
    const passed: string[] = [];
    for (const text of [...lines, ...tricks]) {
      const file = { path: "Dockerfile", text: `FROM node:24\n${text}\n`, args: {} };
      const end = await refuseInsideDockerfile(deps, file, never).catch((err: unknown) => err);
      if (end === undefined) passed.push(text);
      else expect(end).toMatchObject({ file: "Dockerfile", code: "DOCKERFILE_INVALID" });
    }
    expect(passed).toEqual([]);
  });

  test("what is public, is in the commit or is a stage stays as it is", async () => {
    const text = [
      "ARG VERSION=1",
      "FROM 93.184.216.34:5000/acme/base:${VERSION} AS build",
      "ARG BASE",
      "ADD https://93.184.216.34/a-${VERSION}-$UNKNOWN.tar.gz /a",
      "ADD src/ lib.tar.gz /b/",
      "COPY --from=build /x /y",
      "RUN echo ADD http://127.0.0.1/ && curl http://127.0.0.1/",
      "COPY ${VERSION}/a $BASE /",
    ].join("\n");

    await refuseInsideDockerfile(deps, { path: "Dockerfile", text, args: { BASE: "b" } }, never);
    // `tatara run`: the file is the operator's own.
    const own = { engine, outbound: undefined };
    await refuseInsideDockerfile(
      own,
      { path: "Dockerfile", text: "ADD http://127.0.0.1/x /x", args: {} },
      never,
    );
  });
});
