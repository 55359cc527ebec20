import { expect, test } from "vitest";
import { cancelBuild, findBuild } from "../../src/server/store/builds.ts";
import {
  advisoriesFor,
  deleteChannel,
  insertChannel,
  listedIn,
  requestChange,
} from "../../src/server/store/changes.ts";
import { claimStatuses } from "../../src/server/store/outbox.ts";
import { switchPublishes } from "../../src/server/store/publish-switch.ts";
import { readStore } from "../../src/server/store/read.ts";
import { aPush, aStore } from "../support/a-store.ts";
import {
  aPackage,
  aRunningPublish,
  change,
  claim,
  publish,
  switchOf,
  switchTo,
  TARGET,
} from "../support/store-rig.ts";

const SOURCE = `${TARGET}-source`;
const yankOf = (nevra: string, refuse = false) =>
  ({
    kind: "edit",
    channels: ["dev"],
    by: "admin",
    note: "",
    request: {
      edits: [
        {
          channel: "dev",
          add: [],
          remove: [{ target: TARGET, nevra }],
          advisories: [],
          extras: [],
          rewrite: false,
        },
      ],
      yank: { reason: "it eats data", refuse },
    },
  }) as const;

test("a build passes when its publish is live; said again after a lost answer nothing changes", async () => {
  await using held = await aStore();
  const { store } = held;
  const { buildId, publishId, grant } = await aRunningPublish(store);

  expect(grant).toMatchObject({ channels: [{ name: "dev", head: 0 }] });
  expect((await findBuild(store, buildId))?.state).toBe("running");
  const first = await switchTo(store, { publishId, token: "p-token", base: 0 });
  const again = await switchTo(store, { publishId, token: "p-token", base: 0 });

  expect(first.answer).toEqual({ kind: "live" });
  expect(again.answer).toEqual({ kind: "live" });
  expect((await findBuild(store, buildId))?.state).toBe("passed");
  const statuses = await store.write(claimStatuses);
  expect(statuses).toMatchObject([{ state: "success", description: "passed; published to dev" }]);
  const view = await readStore(store, { liveSince: () => 0 }).buildById(buildId);
  expect(view?.publish).toMatchObject({
    state: "live",
    generations: [{ channel: "dev", number: 1 }],
    durationMs: 80,
    keyFingerprint: "AA",
  });
});

test("a switch that was built on an older generation is told to assemble again", async () => {
  await using held = await aStore();
  const { store } = held;
  const { publishId } = await aRunningPublish(store);
  await store.db.updateTable("channels").set({ head: 7 }).where("name", "=", "dev").execute();

  const switched = await switchTo(store, { publishId, token: "p-token", base: 0 });

  expect(switched.answer).toEqual({ kind: "moved", channels: [{ name: "dev", head: 7 }] });
  expect(await store.db.selectFrom("packages").selectAll().execute()).toEqual([]);
});

test("all publishes that waited share one generation and one transaction", async () => {
  await using held = await aStore();
  const { store } = held;
  const one = await aRunningPublish(store, "t-1", aPush({ repo: "acme/one" }));
  held.advance(1);
  const two = await aRunningPublish(store, "t-2", aPush({ repo: "acme/two" }));
  const first = switchOf({ ...one, base: 0, packages: [aPackage({ name: "one" })] });
  const second = switchOf({ ...two, base: 0, packages: [aPackage({ name: "two" })] });
  const batch = { ...first, publishes: [...first.publishes, ...second.publishes] };

  const { answer, changes } = await store.write((tx) => switchPublishes(tx, batch));

  expect(answer).toEqual({ kind: "live" });
  expect(changes.map(({ buildId }) => buildId)).toEqual([one.buildId, two.buildId]);
  const channel = await readStore(store, { liveSince: () => 0 }).channelByName("dev");
  expect(channel?.generations).toMatchObject([
    {
      number: 1,
      causes: [{ build: { repo: "acme/one" } }, { build: { repo: "acme/two" } }],
      added: ["one-1-1.noarch", "two-1-1.noarch"],
    },
  ]);
  expect((await findBuild(store, two.buildId))?.state).toBe("passed");
});

test("one stale publish of a batch moves nothing, and is named", async () => {
  await using held = await aStore();
  const { store } = held;
  const one = await aRunningPublish(store, "t-1");
  const two = await aRunningPublish(store, "t-2");
  const first = switchOf({ ...one, base: 0, packages: [aPackage({ name: "one" })] });
  const second = switchOf({ ...two, token: "t-0", base: 0, packages: [] });
  const batch = { ...first, publishes: [...first.publishes, ...second.publishes] };

  const { answer } = await store.write((tx) => switchPublishes(tx, batch));

  expect(answer).toEqual({
    kind: "refused",
    publishes: [{ publishId: two.publishId, why: "stale", refusal: null }],
  });
  expect((await findBuild(store, one.buildId))?.state).toBe("running");
  expect(await listedIn(store, { channel: "dev" })).toEqual([]);
});

test("a NEVRA that another build took since the check is refused in the switch itself", async () => {
  await using held = await aStore();
  const { store } = held;
  await publish(store, [aPackage()]);
  const second = await aRunningPublish(store, "p-token-2");
  const packages = [aPackage({ content: "9".repeat(64) })];

  const switched = await switchTo(store, { ...second, base: 1, packages });

  expect(switched.answer).toMatchObject({
    kind: "refused",
    publishes: [
      {
        publishId: second.publishId,
        why: "taken",
        refusal: { code: "NEVRA_TAKEN", message: expect.stringContaining("acme/hello #1") },
      },
    ],
  });
  expect((await findBuild(store, second.buildId))?.state).toBe("running");
});

test("two builds of one batch with the same NEVRA and other content: the second is refused", async () => {
  await using held = await aStore();
  const { store } = held;
  const one = await aRunningPublish(store, "t-1");
  const two = await aRunningPublish(store, "t-2");
  const first = switchOf({ ...one, base: 0 });
  const second = switchOf({ ...two, base: 0, packages: [aPackage({ content: "9".repeat(64) })] });
  const batch = { ...first, publishes: [...first.publishes, ...second.publishes] };

  const { answer } = await store.write((tx) => switchPublishes(tx, batch));

  expect(answer).toMatchObject({
    kind: "refused",
    publishes: [{ publishId: two.publishId, why: "taken" }],
  });
});

test("a content that two publishes signed at the same time goes live with the first one's bytes", async () => {
  await using held = await aStore();
  const { store } = held;
  const second = await aRunningPublish(store, "t-2");
  await publish(store, [aPackage()]);
  const packages = [{ ...aPackage(), signedSha256: "9".repeat(64) }];

  const { answer } = await switchTo(store, { ...second, base: 1, packages });

  // Its next attempt finds what is signed already.
  const { publishId } = second;
  const publishes = [{ publishId, why: "stale", refusal: null }];
  expect(answer).toEqual({ kind: "refused", publishes });
});

test("a cancel before the switch wins, a cancel after it is too late", async () => {
  await using held = await aStore();
  const { store } = held;
  const { buildId, publishId } = await aRunningPublish(store);

  const cancel = await store.write((tx) => cancelBuild(tx, buildId, "ops"));
  const switched = await switchTo(store, { publishId, token: "p-token", base: 0 });
  const again = await switchTo(store, { publishId, token: "p-token", base: 0 });
  const late = await store.write((tx) => cancelBuild(tx, buildId, "ops"));

  expect(cancel.result).toBe("cancelling");
  const refused = { kind: "refused", publishes: [{ publishId, why: "cancelled", refusal: null }] };
  expect(switched.answer).toEqual(refused);
  expect(again.answer).toEqual(refused);
  expect((await findBuild(store, buildId))?.state).toBe("cancelled");
  expect(late.result).toBe("already-final");
});

test("a publish to a channel that was deleted meanwhile ends with its build", async () => {
  await using held = await aStore();
  const { store } = held;
  const { buildId, publishId } = await aRunningPublish(store);
  await store.write((tx) => deleteChannel(tx, "dev"));

  const { answer } = await switchTo(store, { publishId, token: "p-token", base: 0 });

  expect(answer).toMatchObject({ kind: "refused", publishes: [{ why: "cancelled" }] });
  expect(await findBuild(store, buildId)).toMatchObject({ state: "failed" });
});

test("a package is listed in each of its targets, and its repo owns the name", async () => {
  await using held = await aStore();
  const { store } = held;
  const source = aPackage({ name: "a", arch: "src", targets: [SOURCE] });
  await publish(store, [aPackage({ targets: [TARGET, "el9.x86_64"] }), source]);

  const listed = await listedIn(store, { channel: "dev" });

  expect(listed.map(({ target, nevra }) => `${target} ${nevra}`).toSorted()).toEqual([
    `${TARGET} a-1-1.noarch`,
    `${SOURCE} a-1-1.src`,
    "el9.x86_64 a-1-1.noarch",
  ]);
  expect(await store.db.selectFrom("packageNames").select(["name", "repo"]).execute()).toEqual([
    { name: "a", repo: "acme/hello" },
  ]);
});

test("what was published before keeps who published it first", async () => {
  await using held = await aStore();
  const { store } = held;
  const first = await publish(store, [aPackage()]);
  held.advance(1_000);

  await publish(store, [aPackage(), aPackage({ version: "2" })]);

  const found = await readStore(store, { liveSince: () => 0 }).packageByNevra("a-1-1.noarch");
  expect(found).toMatchObject({ buildId: first.buildId, buildNumber: 1 });
  expect(await listedIn(store, { channel: "dev", nevras: ["a-1-1.noarch"] })).toMatchObject([
    { sinceGeneration: 1 },
  ]);
});

test("an advisory is told with its packages; another repo cannot take its id", async () => {
  await using held = await aStore();
  const { store } = held;
  const advisory = {
    id: "ACME-1",
    type: "security",
    severity: "Important",
    title: "A hole",
    description: "",
    issuedAt: 1,
    references: [],
    rebootSuggested: false,
  } as const;
  const told = (title: string, nevra: string) => [
    { ...advisory, references: [], title, nevras: [nevra] },
  ];
  await publish(store, [aPackage()], { advisories: told("A hole", "a-1-1.noarch") });
  await publish(store, [aPackage({ version: "2" })], {
    advisories: told("A hole, mended", "a-2-1.noarch"),
  });
  await publish(store, [aPackage({ name: "b" })], {
    repo: "evil/corp",
    advisories: told("Nothing to see", "b-1-1.noarch"),
  });

  const found = await advisoriesFor(store, ["a-1-1.noarch", "a-2-1.noarch", "b-1-1.noarch"]);

  expect(found).toMatchObject([
    { id: "ACME-1", title: "A hole, mended", nevras: ["a-1-1.noarch", "a-2-1.noarch"] },
  ]);
});

test("a yank goes live with its generation: unlisted, marked, and refused if that was asked", async () => {
  await using held = await aStore();
  const { store } = held;
  await publish(store, [aPackage()]);

  const { answer, number } = await change(store, yankOf("a-1-1.noarch", true), {});

  expect(answer).toEqual({ kind: "live" });
  expect(await listedIn(store, { channel: "dev" })).toEqual([]);
  expect(await listedIn(store, { channel: "dev", at: number - 1 })).toHaveLength(1);
  const found = await readStore(store, { liveSince: () => 0 }).packageByNevra("a-1-1.noarch");
  expect(found).toMatchObject({
    listings: [],
    yanked: { reason: "it eats data", refused: true },
  });
});

test("what was yanked is not published again, neither by a rerun nor by a change that waited", async () => {
  await using held = await aStore();
  const { store } = held;
  await publish(store, [aPackage()]);
  await change(store, yankOf("a-1-1.noarch"), {});
  const rerun = await aRunningPublish(store, "t-1");

  const { answer } = await switchTo(store, { ...rerun, base: 2, packages: [aPackage()] });

  expect(answer).toMatchObject({
    kind: "refused",
    publishes: [
      { why: "taken", refusal: { code: "NEVRA_TAKEN", message: expect.stringMatching(/yanked/) } },
    ],
  });
});

test("an undo brings back what was listed, and what was yanked is no longer", async () => {
  await using held = await aStore();
  const { store } = held;
  await publish(store, [aPackage()]);
  await publish(store, [aPackage({ version: "2" }), aPackage({ name: "b" })]);
  await change(store, yankOf("a-1-1.noarch"), {});
  const from = { channel: "dev", number: 1 };
  const request = { channel: "dev", from };

  const undo = await change(store, {
    kind: "restore",
    channels: ["dev"],
    request,
    by: "admin",
    note: "",
  });

  const at = async (number: number) =>
    (await listedIn(store, { channel: "dev", at: number })).map(({ nevra }) => nevra).toSorted();
  expect(undo.answer).toEqual({ kind: "live" });
  expect(await at(4)).toEqual(["a-1-1.noarch"]);
  expect(await at(3)).toEqual(["a-2-1.noarch", "b-1-1.noarch"]);
  expect(await at(2)).toEqual(["a-1-1.noarch", "a-2-1.noarch", "b-1-1.noarch"]);
  const found = await readStore(store, { liveSince: () => 0 }).packageByNevra("a-1-1.noarch");
  expect(found?.yanked).toBeNull();
});

test("an import belongs to no build and owns no name", async () => {
  await using held = await aStore();
  const { store } = held;
  const folder = { target: TARGET, folder: "/srv/old", foreignSignatures: "keep" } as const;
  await store.write((tx) => insertChannel(tx, { name: "base" }));
  const publishId = await store.write((tx) =>
    requestChange(tx, {
      kind: "import",
      channels: ["base"],
      request: { channel: "base", ...folder },
      by: "admin",
      note: "",
    }),
  );
  await claim(store, "t-1");
  const packages = [aPackage({ name: "old" }), aPackage({ name: "older" })];

  const wish = { publishId, token: "t-1", base: 0, channel: "base", packages };
  const { answer } = await switchTo(store, wish);

  expect(answer).toEqual({ kind: "live" });
  const found = await readStore(store, { liveSince: () => 0 }).packageByNevra("old-1-1.noarch");
  expect(found).toMatchObject({ repo: "", buildId: null, buildNumber: null });
  expect(await store.db.selectFrom("packageNames").selectAll().execute()).toEqual([]);
});

test("comps and modules that a change brings are kept until they are taken away", async () => {
  await using held = await aStore();
  const { store } = held;
  const edit = (text: string | null) =>
    ({
      kind: "edit",
      channels: ["dev"],
      by: "admin",
      note: "",
      request: {
        edits: [
          {
            channel: "dev",
            add: [],
            remove: [],
            advisories: [],
            extras: [{ target: TARGET, type: "group", text }],
            rewrite: false,
          },
        ],
        yank: null,
      },
    }) as const;
  const extras = () => store.db.selectFrom("extras").select(["target", "text"]).execute();

  await change(store, edit("<comps/>"));
  await change(store, edit("<comps>2</comps>"));
  expect(await extras()).toEqual([{ target: TARGET, text: "<comps>2</comps>" }]);
  await change(store, edit(null));
  expect(await extras()).toEqual([]);
});
