import { describe, expect, test } from "vitest";
import { logRows } from "../../../src/server/log-html.ts";
import { buildPage } from "../../../src/server/pages/build.ts";
import { changeResultPage } from "../../../src/server/pages/change-result.ts";
import { changeSheet } from "../../../src/server/pages/change-sheet.ts";
import { channelPage } from "../../../src/server/pages/channel.ts";
import { channelsPage } from "../../../src/server/pages/channels.ts";
import { errorPage, notFound } from "../../../src/server/pages/error.ts";
import { homePage } from "../../../src/server/pages/home.ts";
import { logPage } from "../../../src/server/pages/log.ts";
import { loginPage } from "../../../src/server/pages/login.ts";
import { packagePage } from "../../../src/server/pages/package.ts";
import { packagesPage } from "../../../src/server/pages/packages.ts";
import { repoPage } from "../../../src/server/pages/repo.ts";
import { reposPage } from "../../../src/server/pages/repos.ts";
import type { BuildView } from "../../../src/server/views.ts";
import {
  aBuild,
  aGeneration,
  aJob,
  anEmptyChannel,
  aPackage,
  aStep,
} from "../../support/memory-read-store.ts";
import { aContext, draw, NOW } from "../../support/page-context.ts";
import { aPlan, aResult, someDetails } from "../../support/sample-changes.ts";

describe("text from outside", () => {
  const HOSTILE = `"'><img src=x onerror=alert(1)></script><!--\u202e&lt;\0`;

  /** One of everything, with the same text wherever text comes from outside. */
  function everyPage(text: string): readonly string[] {
    const full = aBuildOf(text);
    const failure = { ...full, publish: null };
    const channel = {
      ...anEmptyChannel(text),
      head: 1,
      targets: [
        { name: text, packages: 1 },
        { name: `${text}2`, packages: 1 },
      ],
    };
    const { packages } = full;
    const repo = { name: text, forge: "own", defaultBranch: text, createdAt: NOW } as const;
    const rows = logRows(new TextEncoder().encode(`${text}\n`));
    const logTail = { from: 5, rows, totalRows: 6, totalLines: 6, sizeBytes: 99 };
    const original = { repo: text, number: 3 };
    const list = { builds: [failure, full, full], state: undefined, hasMore: true };
    const [job] = full.jobs;
    const [step] = job?.steps ?? [];
    if (job === undefined || step === undefined) throw new Error("The sample has a step.");
    const context = aContext({
      path: `/?${text}`,
      publicUrl: `https://ci.example.com/${text}`,
      counts: {
        jobsQueued: 1,
        jobsRunning: 0,
        publishesWaiting: 0,
        statusesWaiting: 0,
        oldestQueuedAt: NOW,
        parkedForges: [{ forge: "github", reason: text }],
        refusedStatuses: { count: 1, last: { repo: text, number: 1, reason: text } },
        stuckPublishes: null,
        stuckStatuses: { oldestAt: NOW, repo: text, problem: text },
        liveWorkers: 0,
        troubles: [{ worker: "w", trouble: text }],
      },
    });
    const cause = { publishId: text, kind: text, by: text, note: text };
    const generation = aGeneration({
      number: 1,
      createdAt: NOW,
      targets: { [text]: 1, [`${text}-updates`]: 1 },
      causes: [
        { ...cause, build: null },
        { ...cause, build: { id: text, repo: text, number: 1 } },
      ],
      added: [text],
      removed: [text, text, text, text, text],
    });
    const filled = {
      ...channel,
      updatedAt: NOW,
      generations: [{ ...generation, number: 2 }, generation],
    };
    const child = {
      ...channel,
      name: `${text}2`,
      parent: { name: text, number: 1 },
      expiresAt: NOW,
    };
    const channels = [filled, child];
    const page = { wanted: text, isFirst: false, nextAfter: text };
    const yanked = { at: NOW, reason: text, refused: false };
    const one = aPackageOf(text);
    const details = detailsOf(text);
    const line = { channel: text, target: text, nevra: text, replaces: text, leaves: text };
    const plan = aPlan({
      title: text,
      channels: [{ name: text, head: 1 }],
      add: [line],
      remove: [line],
      problems: [{ code: "REQUIRES_UNSATISFIED", message: text, hint: text }],
      warnings: [text],
      confirm: text,
    });
    const yank = {
      kind: "yank",
      packages: [text] as string[],
      channel: null,
      refuseDownloads: true,
      note: text,
    } as const;
    const promote = {
      kind: "promote",
      packages: [text] as string[],
      build: text,
      all: true,
      from: text,
      to: text,
      force: true,
      note: text,
    } as const;
    const result = aResult({
      publishId: text,
      generations: [{ channel: text, number: 1 }],
      reason: text,
      report: [text],
    });
    const made = [{ channel: text, head: 1, generation }];
    return [
      buildPage({ build: failure, original, logTail }, context),
      buildPage({ build: { ...full, failure: null }, original, logTail }, context),
      buildPage(
        { build: { ...full, failure: null, publish: null, packages: [] }, original, logTail },
        context,
      ),
      buildPage(
        { build: { ...full, failure: null, publish: null, state: "skipped" }, original, logTail },
        context,
      ),
      logPage({ build: full, chosen: { job, step }, logTail }, context),
      logPage(
        {
          build: full,
          chosen: { job, step: { ...step, startedAt: null, state: "skipped" } },
          logTail,
        },
        context,
      ),
      homePage({ ...list, repos: [repo], channels, isFirstPage: true }, context),
      reposPage({ repos: [repo], wanted: text }, context),
      reposPage({ repos: [], wanted: text }, context),
      repoPage({ ...list, repo }, context),
      repoPage({ ...list, builds: [], repo }, context),
      channelsPage({ channels, line: [filled], promotions: [], keyFingerprint: text }, context),
      channelPage(
        {
          channel: { ...filled, parent: { name: text, number: 1 }, expiresAt: NOW },
          packages: { ...page, versions: packages },
          keyFingerprint: text,
          target: undefined,
        },
        context,
      ),
      channelPage(
        {
          channel: filled,
          packages: { ...page, versions: [] },
          keyFingerprint: text,
          target: text,
        },
        context,
      ),
      packagesPage(
        {
          ...page,
          names: [
            { name: text, summary: text, repo: text, newest: { dev: text }, publishedAt: NOW },
          ],
        },
        context,
      ),
      packagesPage({ ...page, names: [] }, context),
      packagePage(
        {
          versions: [one, { ...one, yanked }],
          chosen: one,
          details,
          filesFrom: 0,
          build: full,
          keyFingerprint: text,
        },
        context,
      ),
      packagePage(
        {
          versions: [{ ...one, yanked }],
          chosen: { ...one, yanked, buildId: null, buildNumber: null, listings: [] },
          details: undefined,
          filesFrom: 0,
          build: undefined,
          keyFingerprint: text,
        },
        context,
      ),
      changeSheet({ request: promote, plan, notice: text, back: `/${text}` }),
      changeSheet({ request: yank, plan, notice: null, back: `/${text}` }),
      changeResultPage({ result, made }, context),
      changeResultPage({ result: { ...result, state: "failed" }, made: [] }, context),
      loginPage({ next: `/${text}`, problem: "none" }),
      errorPage(notFound(`There is no page at ${text}`)),
    ].map((page) => draw(page, context));
  }

  function aPackageOf(text: string) {
    return aPackage({
      publishedAt: NOW,
      nevra: text,
      name: text,
      version: text,
      release: text,
      arch: text,
      summary: text,
      license: text,
      signedSha256: text,
      fileName: text,
      repo: text,
      listings: [
        { channel: text, target: text },
        { channel: "dev", target: text },
      ],
    });
  }

  function detailsOf(text: string) {
    return someDetails({
      description: text,
      url: text,
      vendor: text,
      sourceRpm: text,
      relations: {
        requires: [text],
        provides: [text],
        conflicts: [text],
        obsoletes: [],
        suggests: [],
        enhances: [],
        recommends: [],
        supplements: [],
      },
      files: [
        {
          path: text,
          kind: "file",
          mode: "0644",
          sizeBytes: 1,
          linkTarget: text,
          user: text,
          group: text,
        },
      ],
      scripts: [{ kind: text, interpreter: text, text }],
      changelog: [{ author: text, at: NOW, text }],
      signedBy: [text],
    });
  }

  function aBuildOf(text: string): BuildView {
    const failure = { message: text, hint: text, file: text, line: 1, exitCode: 1 };
    const step = aStep({
      name: text,
      state: "failed",
      note: text,
      startedAt: NOW,
      endedAt: NOW,
      failure: { code: "STEP_FAILED", ...failure },
    });
    const job = aJob({
      id: text,
      target: text,
      reason: text,
      worker: text,
      attempt: 2,
      queuedAt: NOW,
    });
    const steps = [step, { ...step, name: `${text}2`, state: "skipped" as const }];
    return aBuild({
      id: text,
      repo: text,
      sha: text,
      ref: `refs/heads/${text}`,
      message: `${text}\n\n${text}`,
      authorName: text,
      pusher: text,
      reason: text,
      note: text,
      rerunOf: text,
      state: "failed",
      createdAt: NOW,
      startedAt: NOW,
      endedAt: NOW,
      jobs: [
        { ...job, state: "failed", steps },
        { ...job, id: `${text}2`, state: "queued" },
      ],
      failure: {
        kind: "code",
        code: "STEP_FAILED",
        step: text,
        title: text,
        excerpt: text,
        file: text,
        line: 1,
        logLine: 1,
        hint: text,
        confidence: "low",
        evidence: "log",
        newSince: 1,
        also: [{ title: `${text}3`, logLine: 1 }],
        problems: `${text}2`,
      },
      publish: {
        state: "live",
        channels: [text],
        generations: [{ channel: text, number: 1 }],
        startedAt: NOW,
        endedAt: NOW,
        durationMs: 1,
        keyFingerprint: text,
        warnings: [text],
      },
      packages: [aPackageOf(text)],
      artifacts: [{ jobId: text, fileName: text, sizeBytes: 1, sha256: text, target: text }],
    });
  }

  /** Elements with the names of their attributes, without the marks of deceiving characters. */
  function structureOf(document: string): readonly string[] {
    const marked = document.replaceAll(/<b class="mk">U\+[0-9A-F]+<\/b>/g, "");
    return [...marked.matchAll(/<(\/?[a-z][\w-]*|!)([^<>]*)>/gi)].map(
      ([, name, rest = ""]) => `${name}${rest.replaceAll(/="[^"]*"/g, "=")}`,
    );
  }

  test("makes no element and no attribute on any page", () => {
    const benign = everyPage("text");
    const hostile = everyPage(HOSTILE);

    for (const [index, document] of hostile.entries()) {
      expect(structureOf(document)).toEqual(structureOf(benign[index] ?? ""));
    }
  });

  test("is shown with its deceiving characters in sight", () => {
    for (const document of everyPage(HOSTILE)) {
      expect(document).not.toContain("<img");
      expect(document).not.toContain("\u202e");
      expect(document).not.toContain("\0");
    }
  });
});
