import { expect, test } from "vitest";
import { buildPage } from "../../../src/server/pages/build.ts";
import { homePage } from "../../../src/server/pages/home.ts";
import { logPage } from "../../../src/server/pages/log.ts";
import type { BuildView } from "../../../src/server/views.ts";
import { aBuild, aJob, aStep, memoryRecords } from "../../support/memory-read-store.ts";
import { aContext, draw, NOW } from "../../support/page-context.ts";
import { sampleBuilds } from "../../support/sample-builds.ts";
import { someStepDetails } from "../../support/sample-jobs.ts";

function build(id: string): BuildView {
  const found = sampleBuilds(NOW).find((one) => one.id === id);
  if (found === undefined) throw new Error(`No sample build ${id}.`);
  return found;
}

const buildHtml = (one: BuildView, context = aContext()): string =>
  draw(buildPage({ build: one, original: undefined, logTail: undefined }, context), context);

test("a server that refuses work says so on its first page, to those who may read it", () => {
  const problems = ["12 MiB are free on the disk with /data, less than 1024: pushes are refused."];
  const context = aContext({ problems });
  const data = { builds: [], repos: [], channels: [], isFirstPage: true, hasMore: false };
  const drawn = draw(homePage({ ...data, state: undefined }, context), context);

  expect(drawn).toMatch(/<b>Nothing is accepted now\.<\/b>\s+<bdi>12 MiB are free/);
});

test("no page has inline scripts or styles, which its policy would refuse", () => {
  for (const one of sampleBuilds(NOW)) {
    const document = buildHtml(one);

    expect(document).not.toMatch(/\sstyle=|<style|\son[a-z]+=|<script(?![^>]*\ssrc=)/);
  }
});

test.each([
  ["bld-failed", "✗ #46 hello: failed", "failed"],
  ["bld-running", "● #47 hello: running", "running"],
  ["bld-passed", "✓ #45 hello: passed", "passed"],
  ["bld-errored", "▲ #44 hello: errored", "errored"],
])("%s says so in title and favicon", (id, title, icon) => {
  const document = buildHtml(build(id));

  expect(document).toContain(`<title>${title} · Tatara</title>`);
  expect(document).toMatch(new RegExp(`rel="icon"[^>]*href="/assets/${icon}.svg"`));
});

test("the failure stands before the steps, with its place, its log line and what it prevented", () => {
  const document = buildHtml(build("bld-failed"));

  expect(document.indexOf('id="failure"')).toBeLessThan(document.indexOf('class="jobs"'));
  expect(document).toContain("test/greet.test.ts:41");
  expect(document).toContain('href="/repos/acme/hello/46/unit#L212"');
  expect(document).toMatch(/not run:\s*<bdi>package<\/bdi>/);
  expect(document).toContain("medium confidence");
  expect(document).toContain('failing since <a href="/repos/acme/hello/44">#44</a>');
  expect(document).toMatch(/Also: <a href="\/repos\/acme\/hello\/46\/unit#L240">.*blank name/);
});

test("a build's own channel is named only where nothing else lists the package", () => {
  const passed = build("bld-passed");
  const [first] = passed.packages;
  if (first === undefined) throw new Error("The sample has no package.");
  const own = { channel: "build-bld-passed", target: "debian12.x86_64" };
  const withListings = (listings: typeof first.listings): string =>
    buildHtml({ ...passed, publish: null, packages: [{ ...first, listings }] });

  const published = withListings([own, ...first.listings]);
  const staged = withListings([own]);

  expect(published).not.toContain('href="/channels/build-bld-passed"');
  expect(published).toContain('href="/channels/dev"');
  expect(staged).toContain('href="/channels/build-bld-passed"');
});

test("a log names its job, and each tab group is one job, where there are several", () => {
  const several = build("bld-several");
  const job = several.jobs.find(({ kind }) => kind === "verify");
  const step = job?.steps[0];
  if (job === undefined || step === undefined) throw new Error("The sample has no verify job.");

  const document = draw(
    logPage({ build: several, chosen: { job, step }, logTail: undefined }, aContext()),
    aContext(),
  );

  const tabs = document.slice(document.indexOf('<nav class="tabs"'), document.indexOf("<log-view"));
  expect(tabs).toContain("<bdi>api el9.x86_64</bdi>");
  expect(tabs).toContain("<bdi>api el9.x86_64 verify</bdi>");
  expect(document.slice(document.indexOf("<log-view"))).toContain("api el9.x86_64 verify");
});

test("the reason of a job is said once, with steps or without", () => {
  const reason = "waits for api";
  const several = build("bld-several");
  const [first] = several.jobs;
  if (first === undefined) throw new Error("The sample has no job.");
  const times = (steps: typeof first.steps): number => {
    const jobs = [{ ...first, state: "queued" as const, reason, steps }, ...several.jobs.slice(1)];
    return buildHtml({ ...several, jobs }).split(reason).length - 1;
  };

  expect([times([]), times(first.steps)]).toEqual([1, 1]);
});

test("what was reused and how a step ended is said once", () => {
  const details = someStepDetails({
    exitCode: 1,
    reuse: [{ what: "layers 2 of 2", savedMs: 22_000 }],
  });
  const failure = { code: "STEP_FAILED", message: "make exited 1", hint: null };
  const nowhere = { file: null, line: null, exitCode: 1 };
  const step = { ...aStep({ name: "image" }), startedAt: NOW, endedAt: NOW, details };
  const steps = [
    {
      ...step,
      state: "passed" as const,
      note: "2 of 2 layers from cache",
      details: { ...details, exitCode: 0 },
    },
    { ...step, name: "unit", state: "failed" as const, failure: { ...failure, ...nowhere } },
    {
      ...step,
      name: "lint",
      state: "passed" as const,
      details: someStepDetails({ reuse: [{ what: "~/.npm from #12", savedMs: 7_000 }] }),
    },
  ];

  const document = buildHtml(
    aBuild({ createdAt: NOW, jobs: [aJob({ id: "job-1", queuedAt: NOW, steps })] }),
  );

  expect(document.split("2 of 2 layers from cache")).toHaveLength(2);
  expect(document).not.toContain("exit status 1");
  expect(document).toContain("~/.npm from #12, saved about 7.0s");
  expect(document).toMatch(/Reused image layers and 1 cache, saved about 51s/);
});

test("our own faults are called ours", () => {
  const document = buildHtml(build("bld-errored"));

  expect(document).toContain("Not your fault");
  expect(document).not.toContain("First failure");
});

test("a published build shows the line that installs exactly its packages", () => {
  const document = buildHtml(build("bld-passed"));

  expect(document).toContain("sudo dnf install hello-1.4.0-1.57.g3f2a9c1.debian12<");
  expect(document).toContain("generation 412");
  expect(document).toContain("4F2A 91C0 7D3E");
});

test("a published build tells its warnings, its generation, and leads on to the next channel", () => {
  const document = buildHtml(build("bld-passed"));

  expect(document).toContain("the distribution must have it");
  expect(document).toContain('href="/channels/dev#g412"');
  expect(document).toContain(
    "/change?kind=promote&amp;build=acme%2Fhello%2345&amp;from=dev&amp;to=testing",
  );
});

test("whoever may only read is offered nothing to do", () => {
  expect(buildHtml(build("bld-running"))).toContain("/cancel");
  expect(buildHtml(build("bld-passed"))).toContain("/rerun");

  const reader = aContext({ visitor: "reader" });

  expect(buildHtml(build("bld-running"), reader)).not.toContain("/cancel");
  expect(buildHtml(build("bld-passed"), reader)).not.toMatch(/\/rerun|\/change/);
});

test("a build that is being stopped cannot be cancelled twice", () => {
  const document = buildHtml({ ...build("bld-running"), cancelRequestedAt: NOW });

  expect(document).toMatch(/<button class="button" disabled>\s*Cancelling/);
  expect(document).toContain("<title>● #47 hello: cancelling");
});

test("an empty server says what to type, with its own address", () => {
  const data = {
    builds: [],
    repos: [],
    channels: [],
    state: undefined,
    isFirstPage: true,
    hasMore: false,
  };

  const document = draw(homePage(data, aContext()));

  expect(document).toContain("git remote add tatara https://ci.example.com/git/acme/hello.git");
  expect(document).toContain("git push tatara main");
});

test("a publish that nobody takes is told where everybody looks first", () => {
  const counts = aContext().counts;
  if (counts === undefined) throw new Error("A context has counts.");
  const data = { builds: [], repos: [], channels: [], state: "failed", isFirstPage: true } as const;
  const page = (hasWorker: boolean): string => {
    const stuck = { publishesWaiting: 2, stuckPublishes: { oldestAt: NOW, hasWorker } };
    const context = aContext({ counts: { ...counts, ...stuck } });
    return draw(homePage({ ...data, hasMore: false }, context), context);
  };

  expect(page(false)).toContain("over 10 minutes (open: 2): no publish worker asks for work.");
  expect(page(true)).toContain("although a publish worker is there. Look at its log.");
});

test("a server without workers says so where builds wait", () => {
  const counts = aContext().counts;
  if (counts === undefined) throw new Error("A context has counts.");
  const context = aContext({ counts: { ...counts, liveWorkers: 0, jobsQueued: 2 } });

  expect(buildHtml(build("bld-queued"), context)).toContain("No build worker is connected.");
});

test("a build says what became of its former attempts, and where their logs are", () => {
  const errored = build("bld-errored");
  const text = buildHtml(errored).replace(/\s+/g, " ");

  expect(text).toContain("attempt 3 on <bdi>worker-1</bdi>");
  expect(text).toMatch(
    /attempt 1 was handed back: <bdi>its worker was stopped<\/bdi> <a href="\/api\/builds\/bld-errored\/log\?job=job-e&(amp;)?attempt=1">log<\/a>/,
  );
  // It had printed nothing.
  expect(text).toMatch(
    /attempt 2 was lost: <bdi>worker worker-2 did not come back<\/bdi>\s?<\/span/,
  );
  const emptied = buildHtml({ ...errored, logsRemovedAt: NOW });
  expect(emptied).not.toContain("attempt=1");
});

test("a build whose workers are drained says so, and not that there are none", () => {
  const counts = { ...memoryRecords().counts, liveWorkers: 0 };
  const context = aContext({ counts });
  const reason = "its worker is drained: w-1; tatara worker resume w-1";
  const waiting = { reason, ahead: null, etaMs: null };

  expect(buildHtml({ ...build("bld-queued"), reason, waiting }, context)).toContain(reason);
  expect(buildHtml(build("bld-queued"), context)).toContain("No build worker is connected.");
});

test("a publish that nobody takes says why in its line", () => {
  const passed = build("bld-passed");
  if (passed.publish === null) throw new Error("The sample has no publish.");
  const waiting = "the publish worker is drained: p-1; tatara worker resume p-1";
  const publish = { ...passed.publish, state: "queued", waiting } as const;

  expect(buildHtml({ ...passed, state: "running", publish })).toContain(waiting);
});
