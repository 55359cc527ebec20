import { afterAll, beforeAll, expect, test } from "vitest";
import { makeRpm } from "../support/make-rpm.ts";
import type { TreePackage } from "../support/segment-tree.ts";
import { startYumRig } from "../support/yum-rig.ts";
import type { YumRig } from "../support/yum-rig.ts";

const TARGET = "el9.x86_64";
let rig: YumRig;
let packages: readonly TreePackage[];

beforeAll(async () => {
  rig = await startYumRig();
  packages = await rig.pool(
    await Promise.all(["one", "two", "three"].map((name) => makeRpm({ name }))),
  );
});
afterAll(async () => {
  await rig[Symbol.asyncDispose]();
});

async function ask(client: string, file: string, method = "GET"): Promise<string> {
  const headers = { "user-agent": client };
  const address = `${rig.url}/yum/dev/${TARGET}/${file}`;
  return await (await fetch(address, { method, headers })).text();
}

const publish = (count: number) =>
  rig.publish({ [TARGET]: { segments: [], tail: packages.slice(0, count) } });
const revisionOf = (index: string) => /<revision>(\d+)</.exec(index)?.[1];

test("a client that fetches the signature first gets the index that it fits, once", async () => {
  await publish(1);
  await ask("ZYpp 17.25.7", "repodata/repomd.xml", "HEAD");
  const signature = await ask("ZYpp 17.25.7", "repodata/repomd.xml.asc");
  await publish(2);

  const index = await ask("ZYpp 17.25.7", "repodata/repomd.xml");
  const next = await ask("ZYpp 17.25.7", "repodata/repomd.xml");

  expect(revisionOf(index)).toBe("1");
  expect(signature).toBe(await ask("other", "g/1/repodata/repomd.xml.asc"));
  expect(revisionOf(next)).toBe("2");
});

test("a client that fetches the index after its headers gets the newest", async () => {
  await ask("ZYpp 17.36.7", "repodata/repomd.xml", "HEAD");
  await publish(3);

  const index = await ask("ZYpp 17.36.7", "repodata/repomd.xml");
  await publish(1);
  const signature = await ask("ZYpp 17.36.7", "repodata/repomd.xml.asc");

  expect(revisionOf(index)).toBe("3");
  expect(signature).toBe(await ask("other", "g/3/repodata/repomd.xml.asc"));
});
