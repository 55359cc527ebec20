import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { LogKey } from "../../src/server/views.ts";
import { memoryReadStore } from "../support/memory-read-store.ts";
import { sampleRecords } from "../support/sample-records.ts";
import { ADMIN_TOKEN, startWebServer, type WebServer } from "../support/web-server.ts";
import { until } from "../support/until.ts";

const BEARER = { Authorization: `Bearer ${ADMIN_TOKEN}` };
const LOG: LogKey = { buildId: "bld-failed", jobId: "job-f", attempt: 1, step: "unit" };
const HTML = { Accept: "text/html" };

async function get(server: WebServer, path: string, headers: Record<string, string> = BEARER) {
  return await fetch(server.url + path, { headers, redirect: "manual" });
}

async function json(server: WebServer, path: string): Promise<Record<string, unknown>> {
  const response = await get(server, path);
  return { status: response.status, ...((await response.json()) as object) };
}

describe("headers", () => {
  test("pages allow nothing inline, no frame, and no other server", async () => {
    await using server = await startWebServer();

    const policy = (await get(server, "/", { ...HTML, ...BEARER })).headers.get(
      "content-security-policy",
    );

    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).toContain("require-trusted-types-for 'script'");
    expect(policy).not.toContain("unsafe");
  });

  test("assets are good for ever, and open to everybody", async () => {
    await using server = await startWebServer();
    const login = await (await get(server, "/login", {})).text();
    const addresses = login.match(/\/assets\/[\w.-]+/g) ?? [];

    for (const address of addresses) {
      const response = await get(server, address, {});
      expect(response.status).toBe(200);
      expect(response.headers.get("cache-control")).toContain("immutable");
      expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    }
    expect(addresses.length).toBeGreaterThanOrEqual(3);
    expect((await get(server, "/assets/none.js", BEARER)).status).toBe(404);
  });
});

describe("builds", () => {
  test("are listed, newest first, with filters and a limit", async () => {
    await using server = await startWebServer();

    const { builds: all } = (await json(server, "/api/builds?limit=3")) as {
      builds: { number: number }[];
    };
    const failed = await json(server, "/api/builds?repo=acme/hello&state=failed&limit=1");

    expect(all.map(({ number }) => number)).toEqual([48, 47, 46]);
    expect(failed).toMatchObject({ builds: [{ repo: "acme/hello", number: 46, state: "failed" }] });
  });

  test.each(["limit=0", "limit=many", "limit=201", "state=done", "repo=../etc", "before=never"])(
    "%s is refused with a reason",
    async (query) => {
      await using server = await startWebServer();

      expect(await json(server, `/api/builds?${query}`)).toMatchObject({
        status: 400,
        error: expect.stringMatching(/is /),
      });
    },
  );

  test("one has its jobs, steps, failure card, and instants that people can read", async () => {
    await using server = await startWebServer();

    const build = await json(server, "/api/builds/bld-failed");

    expect(build).toMatchObject({
      id: "bld-failed",
      repo: "acme/hello",
      number: 46,
      state: "failed",
      url: `${server.url}/repos/acme/hello/46`,
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      failure: { code: "STEP_FAILED", file: "test/greet.test.ts", line: 41, step: "unit" },
      jobs: [
        {
          target: "debian12.x86_64",
          steps: [{ name: "checkout", state: "passed" }, {}, {}, {}, {}],
        },
      ],
      packages: [],
      timings: { ranMs: 71_000, waitedMs: 3_000 },
    });
    expect(await json(server, "/api/repos/acme/hello/builds/46")).toEqual(build);
  });

  test("a build that is not there is a 404 with a way on", async () => {
    await using server = await startWebServer();

    for (const path of ["/api/builds/none", "/api/builds/none/log", "/api/repos/a/b/builds/1"]) {
      expect(await json(server, path)).toMatchObject({ status: 404, hint: expect.any(String) });
    }
  });

  test("actions answer with what they did", async () => {
    await using server = await startWebServer();
    const post = async (path: string) => {
      const response = await fetch(server.url + path, { method: "POST", headers: BEARER });
      return { status: response.status, ...((await response.json()) as object) };
    };

    expect(await post("/api/builds/bld-running/cancel")).toEqual({
      status: 202,
      result: "cancelling",
    });
    expect(await post("/api/builds/bld-failed/rerun")).toEqual({
      status: 201,
      id: "bld-passed",
      number: 45,
      url: `${server.url}/repos/acme/hello/45`,
    });
  });

  test("actions that are not possible say so and change nothing", async () => {
    await using server = await startWebServer({
      act: {
        cancel: () => Promise.resolve("already-final"),
        rerun: () => Promise.resolve("not-possible"),
      },
    });
    const post = (path: string) => fetch(server.url + path, { method: "POST", headers: BEARER });

    expect((await post("/api/builds/bld-failed/cancel")).status).toBe(409);
    expect((await post("/api/builds/bld-running/rerun")).status).toBe(409);
  });
});

describe("logs", () => {
  test("are the bytes as they came, from any place", async () => {
    await using server = await startWebServer();
    const bytes = Uint8Array.of(0x61, 0xff, 0x00, 0x1b, 0x5b, 0x33, 0x31, 0x6d, 0x0a);
    server.logs.set(LOG, bytes);
    const address = "/api/builds/bld-failed/log?job=job-f&step=unit";
    const read = async (more: string) =>
      new Uint8Array(await (await get(server, address + more)).arrayBuffer());

    expect(await read("")).toEqual(bytes);
    expect(await read("&from=3")).toEqual(bytes.subarray(3));
    expect(await read("&tail=2")).toEqual(bytes.subarray(-2));
    expect(await read("&from=99")).toEqual(new Uint8Array());
  });

  test("are plain text that no browser interprets, and a download when asked for", async () => {
    await using server = await startWebServer();

    const shown = await get(server, "/api/builds/bld-failed/log?step=unit");
    const saved = await get(server, "/api/builds/bld-failed/log?step=unit&format=raw");

    expect(shown.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(shown.headers.get("x-content-type-options")).toBe("nosniff");
    expect(shown.headers.get("content-security-policy")).toContain("sandbox");
    expect(saved.headers.get("content-disposition")).toBe(
      "attachment; filename=acme-hello-46-unit.log",
    );
  });

  test("of a service beside a step are found under the step's name, and no others", async () => {
    await using server = await startWebServer();
    const log = { buildId: "bld-several", jobId: "job-s1", attempt: 1, step: "unit-22~db" };
    server.logs.set(log, Buffer.from("ready to accept connections\n"));
    const address = "/api/builds/bld-several/log?step=";

    for (const name of ["unit-22~db", "unit-22/db"]) {
      const response = await get(server, address + encodeURIComponent(name));
      expect(await response.text()).toBe("ready to accept connections\n");
    }
    for (const name of ["unit-22~web", "package~db", "unit-22~..", "nothing~db"]) {
      expect((await get(server, address + encodeURIComponent(name))).status).toBe(404);
    }
  });

  test("without a step are those of all steps that ran, each under its name", async () => {
    await using server = await startWebServer();

    const text = await (await get(server, "/api/builds/bld-failed/log")).text();

    const heads = text.match(/^==> .* <==$/gm);
    expect(heads).toEqual(["==> checkout <==", "==> image <==", "==> lint <==", "==> unit <=="]);
  });

  test("of an attempt that was lost are found by its number, and no others", async () => {
    await using server = await startWebServer();
    const log = { buildId: "bld-errored", jobId: "job-e", attempt: 1, step: "image" };
    server.logs.set(log, "what it had printed\n");
    const path = "/api/builds/bld-errored/log";

    const all = await (await get(server, `${path}?attempt=1`)).text();
    const one = await (await get(server, `${path}?attempt=1&step=image&tail=8`)).text();
    const rows = await json(server, `${path}/rows?attempt=1&step=image`);
    const none = await json(server, `${path}?attempt=4`);

    expect(all).toBe("==> checkout <==\n==> image <==\nwhat it had printed\n");
    expect(one).toBe("printed\n");
    expect(rows).toMatchObject({ totalLines: 1 });
    expect(await (await get(server, `${path}?step=image`)).text()).toContain("a line of output");
    expect(none).toMatchObject({ status: 404, hint: "There is: 1, 2, 3." });
    expect(await json(server, `${path}?attempt=1&step=unit`)).toMatchObject({ status: 404 });
  });

  test("of a step that is not there name those that are", async () => {
    await using server = await startWebServer();

    expect(await json(server, "/api/builds/bld-failed/log?step=none")).toMatchObject({
      status: 404,
      hint: "Its steps: checkout, image, lint, unit, package.",
    });
    expect(await json(server, "/api/builds/bld-failed/log?from=3")).toMatchObject({ status: 400 });
    expect(await json(server, "/api/builds/bld-failed/log?step=unit&from=-1")).toMatchObject({
      status: 400,
    });
  });

  test("rows come as they are drawn", async () => {
    await using server = await startWebServer();
    server.logs.set(LOG, "one\n\u001b[31m<two>\u001b[0m\nthree\n");

    const rows = await json(
      server,
      "/api/builds/bld-failed/log/rows?job=job-f&step=unit&from=1&count=1",
    );

    expect(rows).toMatchObject({
      from: 1,
      totalRows: 3,
      totalLines: 3,
      rows: [[2, '<span class="f1">&lt;two&gt;</span>']],
    });
  });
});

describe("events", () => {
  test("carry the build after each change, tell how long logs are, and end with its final state", async () => {
    await using server = await startWebServer();
    const response = await get(server, "/api/builds/bld-running/events");
    const events = eventsOf(response);

    const first = await events.next();
    const log = { ...LOG, buildId: "bld-running", jobId: "job-r" };
    server.live.logGrew(log, 4_711);
    const grown = await events.next();
    const at = server.records.builds.findIndex(({ id }) => id === "bld-running");
    const running = server.records.builds[at];
    if (running === undefined) throw new Error("The sample has a running build.");
    server.records.builds[at] = { ...running, state: "passed", endedAt: Date.now() };
    server.live.buildChanged("bld-running");
    const last = await events.next();
    const end = await events.next();

    expect(first.value).toMatchObject({ name: "build", data: { state: "running" } });
    expect(grown.value).toMatchObject({ name: "log", data: { step: "unit", sizeBytes: 4_711 } });
    expect(last.value).toMatchObject({ name: "build", data: { state: "passed" } });
    expect(end.done).toBe(true);
    await until(() => server.live.listeners(), 0);

    const headers = { ...BEARER, "Last-Event-ID": last.value?.id ?? "" };
    const again = await get(server, "/api/builds/bld-running/events", headers);
    expect(again.status).toBe(204);
  });

  test("a reader that is gone before its stream opens leaves nothing open", async () => {
    const sample = sampleRecords(Date.now());
    const read = memoryReadStore(sample.records);
    const asked = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    const buildById: typeof read.buildById = async (id) => {
      asked.resolve();
      await gone.promise;
      return await read.buildById(id);
    };
    await using server = await startWebServer({ read: { ...read, buildById } });
    const reader = new AbortController();
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
    const { signal } = reader;
    const stream = fetch(`${server.url}/api/builds/bld-running/events`, { headers, signal });
    await asked.promise;

    reader.abort();
    await expect(stream).rejects.toThrow();
    await delay(50);
    gone.resolve();
    await delay(50);

    expect(server.live.listeners()).toBe(0);
  });

  test("a server that stops ends its streams", async () => {
    const stopping = new AbortController();
    await using server = await startWebServer({ stopping: stopping.signal });
    const response = await get(server, "/api/builds/bld-running/events");
    const events = eventsOf(response);
    await events.next();

    stopping.abort();

    expect((await events.next()).done).toBe(true);
  });
});

describe("files that a build made", () => {
  test("leave as downloads, whatever is in them", async () => {
    const dir = await mkdtemp(join(tmpdir(), "tatara-artifact-"));
    const path = join(dir, "file");
    await writeFile(path, "<script>");
    const open = (sha256: string) =>
      Promise.resolve(sha256 === "b".repeat(64) ? { path, sizeBytes: 8 } : undefined);
    await using server = await startWebServer({ artifacts: { open } });
    const base = "/api/builds/bld-unpublished/artifacts";

    const response = await get(
      server,
      `${base}/website-2.0-1.fc43.noarch.rpm?target=fedora-43.x86_64`,
    );
    const gone = await get(server, `${base}/website-2.0-1.el9.noarch.rpm`);
    const other = await get(server, `${base}/..%2f..%2fetc%2fpasswd`);

    expect(await response.text()).toBe("<script>");
    expect(response.headers.get("content-disposition")).toContain("attachment");
    expect(response.headers.get("content-type")).toBe("application/x-rpm");
    expect(response.headers.get("content-security-policy")).toContain("sandbox");
    expect([gone.status, other.status]).toEqual([404, 404]);
    await rm(dir, { recursive: true });
  });
});

interface ReceivedEvent {
  readonly name: string;
  readonly id: string | undefined;
  readonly data: unknown;
}

/** Server-sent events as they arrive; comments and `retry` are left out. */
async function* eventsOf(response: Response): AsyncGenerator<ReceivedEvent> {
  let text = "";
  for await (const chunk of response.body ?? []) {
    text += new TextDecoder().decode(chunk as Uint8Array);
    const blocks = text.split("\n\n");
    text = blocks.pop() ?? "";
    for (const block of blocks) {
      const name = /^event: (.*)$/m.exec(block)?.[1];
      const data = /^data: (.*)$/m.exec(block)?.[1] ?? "null";
      const id = /^id: (.*)$/m.exec(block)?.[1];
      if (name !== undefined) yield { name, id, data: JSON.parse(data) as unknown };
    }
  }
}
