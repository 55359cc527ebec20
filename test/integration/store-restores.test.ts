import { expect, test } from "vitest";
import { insertChannel, markYanked, requestChange } from "../../src/server/store/changes.ts";
import { aStore } from "../support/a-store.ts";
import { aPackage, change, claim, publish, switchTo, TARGET } from "../support/store-rig.ts";

const asked = { by: "admin", note: "" };
const nothing = { add: [], advisories: [], extras: [], rewrite: false };
const removalOf = (nevra: string) =>
  ({
    ...asked,
    kind: "edit",
    channels: ["dev"],
    request: {
      edits: [{ ...nothing, channel: "dev", remove: [{ target: TARGET, nevra }] }],
      yank: null,
    },
  }) as const;
const restoreOf = (channel: string, from: { channel: string; number: number }) =>
  ({ ...asked, kind: "restore", channels: [channel], request: { channel, from } }) as const;

test("an undo that waited does not bring back what was refused since", async () => {
  await using held = await aStore();
  const { store } = held;
  await publish(store, [aPackage(), aPackage({ name: "b" })]);
  await change(store, removalOf("a-1-1.noarch"), {});
  const undo = restoreOf("dev", { channel: "dev", number: 1 });
  const publishId = await store.write((tx) => requestChange(tx, undo));
  held.advance(1);
  await store.write((tx) => markYanked(tx, ["a-1-1.noarch"], { reason: "CVE-1", refuse: true }));
  await claim(store, "undo");

  const { answer } = await switchTo(store, { publishId, token: "undo", base: 2, packages: [] });

  const message = "a-1-1.noarch was yanked: CVE-1.";
  expect(answer).toMatchObject({
    kind: "refused",
    publishes: [{ publishId, why: "taken", refusal: { message } }],
  });
});

test("a fork does not begin with what was yanked before it was made", async () => {
  await using held = await aStore();
  const { store } = held;
  await publish(store, [aPackage()]);
  const from = { channel: "dev", number: 1 };
  await store.write((tx) =>
    insertChannel(tx, { name: "topic", parent: { name: "dev", number: 1 } }),
  );
  const publishId = await store.write((tx) => requestChange(tx, restoreOf("topic", from)));
  await store.write((tx) => markYanked(tx, ["a-1-1.noarch"], { reason: "", refuse: false }));
  await claim(store, "fork");
  const fork = { publishId, token: "fork", channel: "topic", base: 0, packages: [] };

  expect((await switchTo(store, fork)).answer).toMatchObject({
    kind: "refused",
    publishes: [{ refusal: { message: "a-1-1.noarch was yanked." } }],
  });
});
