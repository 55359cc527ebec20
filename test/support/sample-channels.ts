import type { Changes } from "../../src/server/changes/changes.ts";
import { refused } from "../../src/server/changes/refused.ts";
import type { ChannelView, PackageView } from "../../src/server/views.ts";
import {
  aCause,
  aGeneration,
  anEmptyChannel,
  aPackage,
  type MemoryRecords,
} from "./memory-read-store.ts";
import { aPlan, aResult } from "./sample-changes.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const ON = "debian12.x86_64";

/** Packages in every channel, some promoted, one yanked; channels of branches; an empty one. */
export function fillChannels(records: MemoryRecords, now: number): void {
  records.packages.push(...helloVersions(now), ...others(now));
  const { channels } = records;
  channels.length = 0;
  channels.push(dev(now), testing(now), stable(now), anEmptyChannel("nightly"), ...branches(now));
  records.changes.push(
    aResult({ report: ["Hosts that have 1.3.2 keep it until they upgrade."] }),
    aResult({
      publishId: "p-refused",
      state: "failed",
      generations: [],
      durationMs: null,
      reason:
        "hello-1.4.0-1.x86_64 needs libgreet.so.2()(64bit), which nothing in stable provides.",
    }),
    aResult({ publishId: "p-waiting", state: "queued", generations: [], durationMs: null }),
  );
}

const everywhere = ["dev", "testing", "stable"].map((channel) => ({ channel, target: ON }));

function helloVersions(now: number): readonly PackageView[] {
  const publishedAt = now - 30 * MINUTE;
  return [
    aPackage({
      publishedAt,
      listings: [
        { channel: "dev", target: ON },
        { channel: "acme.hello.feature-new-greeting", target: ON },
      ],
    }),
    aPackage({
      publishedAt,
      arch: "src",
      listings: [{ channel: "dev", target: `${ON}-source` }],
    }),
    aPackage({
      publishedAt: publishedAt - 5 * HOUR,
      release: "1.56.g8d02f4e.debian12",
      buildNumber: 41,
      listings: everywhere.slice(0, 2),
    }),
    aPackage({
      publishedAt: publishedAt - 9 * HOUR,
      release: "1.55.g51c09aa.debian12",
      buildNumber: 40,
      listings: [],
      yanked: { at: publishedAt - 8 * HOUR, reason: "eats configuration files", refused: true },
    }),
    aPackage({
      publishedAt: publishedAt - 20 * DAY,
      version: "1.3.2",
      release: "1.debian12",
      buildNumber: 31,
      listings: everywhere.slice(2),
    }),
  ];
}

function others(now: number): readonly PackageView[] {
  const publishedAt = now - 30 * MINUTE;
  const [inDev, inTesting, inStable] = everywhere;
  const names = [
    "greeter-themes",
    "hello-libs",
    "libgreet",
    "libgreet-devel",
    "rotate-logs",
    "website",
  ];
  const listings = [inDev, inTesting, inStable].filter((place) => place !== undefined);
  return [
    aPackage({
      publishedAt,
      name: "hello-doc",
      arch: "noarch",
      sizeBytes: 240_110,
      summary: "Documentation of hello",
    }),
    ...names.map((name, index) =>
      aPackage({
        publishedAt: publishedAt - index * DAY,
        name,
        version: `2.${index}`,
        release: "1.debian12",
        summary: `What ${name} is for, in one line`,
        sizeBytes: 9_000 * (index + 1) ** 3,
        buildNumber: index === 5 ? null : 30 - index,
        repo: index === 5 ? "" : "acme/hello",
        listings: listings.slice(0, 3 - (index % 2)),
      }),
    ),
  ];
}

function dev(now: number): ChannelView {
  const at = now - 30 * MINUTE;
  const added = ["hello-1.4.0-1.57.g3f2a9c1.debian12", "hello-doc-1.4.0-1.57.g3f2a9c1.debian12"];
  return {
    ...anEmptyChannel("dev"),
    head: 412,
    updatedAt: at,
    targets: [
      { name: ON, packages: 10 },
      { name: `${ON}-source`, packages: 1 },
    ],
    generations: [
      aGeneration({
        number: 412,
        createdAt: at,
        added: [`${added[0]}.x86_64`, `${added[0]}.src`, `${added[1]}.noarch`],
        targets: { [ON]: 412, [`${ON}-source`]: 412 },
      }),
      aGeneration({
        number: 411,
        createdAt: at - 5 * HOUR,
        added: ["hello-1.4.0-1.56.g8d02f4e.debian12.x86_64"],
      }),
      aGeneration({
        number: 410,
        createdAt: at - 8 * HOUR,
        isPinned: true,
        causes: [
          aCause({
            kind: "edit",
            build: null,
            by: "admin",
            note: "hello-1.4.0-1.55.g51c09aa.debian12.x86_64: gone from dev; eats configuration files",
          }),
        ],
        removed: ["hello-1.4.0-1.55.g51c09aa.debian12.x86_64"],
      }),
      ...Array.from({ length: 9 }, (_, index) =>
        aGeneration({
          number: 409 - index,
          createdAt: at - (9 + index * 7) * HOUR,
          isKept: index < 7,
          added: ["a", "b", "c", "d", "e", "f"].map(
            (letter) => `part-${letter}-1.${index}-1.x86_64`,
          ),
          removed: index % 3 === 0 ? ["old-0.9-1.x86_64"] : [],
        }),
      ),
    ],
  };
}

function testing(now: number): ChannelView {
  const at = now - 5 * HOUR;
  return {
    ...anEmptyChannel("testing"),
    head: 57,
    updatedAt: at,
    targets: [{ name: ON, packages: 7 }],
    generations: [
      aGeneration({
        number: 57,
        createdAt: at,
        causes: [
          aCause({
            kind: "edit",
            build: null,
            by: "admin",
            note: "hello-1.4.0-1.56.g8d02f4e.debian12.x86_64: dev → testing; for the release",
          }),
        ],
        added: ["hello-1.4.0-1.56.g8d02f4e.debian12.x86_64"],
      }),
      aGeneration({ number: 56, createdAt: at - DAY, added: ["libgreet-2.2-1.debian12.x86_64"] }),
    ],
  };
}

function stable(now: number): ChannelView {
  const at = now - 3 * DAY;
  const { settings } = anEmptyChannel("stable");
  return {
    ...anEmptyChannel("stable"),
    head: 32,
    updatedAt: at,
    settings: {
      ...settings,
      repos: ["acme/*", "tools/rotate-logs"],
      retention: { keepVersions: 10, maxAgeDays: 365, keepTagged: true },
    },
    targets: [{ name: ON, packages: 24_816 }],
    generations: [
      aGeneration({
        number: 32,
        createdAt: at,
        targets: { [ON]: 32, [`${ON}-base`]: 12, [`${ON}-updates`]: 32 },
        causes: [
          aCause({
            publishId: "p-done",
            kind: "edit",
            build: null,
            by: "admin",
            note: "hello-1.3.2-1.debian12.x86_64: testing → stable; verified on three hosts",
          }),
        ],
        added: ["hello-1.3.2-1.debian12.x86_64"],
      }),
      aGeneration({ number: 31, createdAt: at - 9 * DAY }),
    ],
  };
}

function branches(now: number): readonly ChannelView[] {
  const child = (name: string, some: Partial<ChannelView>): ChannelView => ({
    ...anEmptyChannel(name),
    parent: { name: "dev", number: 410 },
    ...some,
  });
  return [
    child("acme.hello.feature-new-greeting", {
      head: 4,
      updatedAt: now - 2 * HOUR,
      expiresAt: now + 6 * DAY,
      targets: [{ name: ON, packages: 11 }],
      generations: [aGeneration({ number: 4, createdAt: now - 2 * HOUR })],
    }),
    child("acme.hello.pr-12", { head: 1, updatedAt: now - 26 * HOUR, expiresAt: now + 0.4 * DAY }),
  ];
}

const PROBLEM = {
  code: "REQUIRES_UNSATISFIED",
  message:
    "hello-1.4.0-1.57.g3f2a9c1.debian12.x86_64 needs libgreet, which dev has in libgreet-2.2-1.debian12.x86_64 and testing has not.",
  hint: "Promote libgreet-2.2-1.debian12.x86_64 with it.",
} as const;

/** Plans that show what a sheet can show; nothing is ever done. */
export function sampleChanges(records: MemoryRecords): Pick<Changes, "plan" | "apply" | "find"> {
  const gone = {
    channel: "stable",
    target: ON,
    nevra: "hello-1.3.2-1.debian12.x86_64",
    replaces: "hello-1.3.2-1.debian12.x86_64",
    leaves: null,
  };
  const plans = {
    promote: aPlan({
      channels: [{ name: "testing", head: 57 }],
      title: "3 packages: dev → testing",
      problems: [PROBLEM],
      confirm: null,
    }),
    undo: aPlan({
      kind: "undo",
      title: "stable: back to what generation 31 listed, as generation 33",
      channels: [{ name: "stable", head: 32 }],
      add: [],
      remove: [gone],
      warnings: ["Hosts that have upgraded keep what they have: dnf distro-sync takes them back."],
      confirm: "stable",
    }),
    yank: aPlan({
      kind: "yank",
      title: "hello-1.3.2-1.debian12.x86_64: gone from dev, stable",
      channels: [
        { name: "dev", head: 412 },
        { name: "stable", head: 32 },
      ],
      add: [],
      remove: [{ ...gone, channel: "dev" }, gone],
      confirm: "hello",
    }),
  };
  return {
    plan: ({ kind }) =>
      Promise.resolve(
        kind === "promote" || kind === "undo" || kind === "yank"
          ? plans[kind]
          : refused(400, "No sample of this.", "Ask for another."),
      ),
    apply: () => Promise.resolve(refused(409, "Samples cannot be changed.", "Nothing to do.")),
    find: (id) => Promise.resolve(records.changes.find(({ publishId }) => publishId === id)),
  };
}
