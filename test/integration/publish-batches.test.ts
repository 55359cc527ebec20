import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Stopped } from "../../src/domain/stop.ts";
import { serverClient } from "../../src/shared/server-client.ts";
import { claimPublishes } from "../../workers/publish/claim-publishes.ts";
import { makeRpm, makeRpms } from "../support/make-rpm.ts";
import type { MadeRpm } from "../support/make-rpm.ts";
import { listed, live } from "../support/publish-ends.ts";
import { fastClock, makeKeysDir, startPublishRig } from "../support/publish-rig.ts";
import type { PublishRig } from "../support/publish-rig.ts";
import type {
  PublishCheckRequest,
  SwitchAnswer,
  SwitchRequest,
} from "../../src/shared/publish-messages.ts";
import type { PublishEnd } from "../support/publish-server.ts";

const TARGET = "el9.x86_64";
const never = new AbortController().signal;
let keys: Awaited<ReturnType<typeof makeKeysDir>>;

beforeAll(async () => {
  keys = await makeKeysDir();
});
afterAll(async () => {
  await keys[Symbol.asyncDispose]();
});

const makeAll = (...names: readonly string[]) =>
  Promise.all(names.map((name) => makeRpm({ name })));
const offer = (rig: PublishRig, rpm: MadeRpm): string =>
  rig.server.offer({ packages: [{ rpm, target: TARGET }] });

/**
 * Publishes that meet in one turn: the turn before is held at its switch until all of them are ready.
 * `answer`: to the switch that carries them, in place of the server's own.
 */
async function together(
  rig: PublishRig,
  rpms: readonly MadeRpm[],
  answer: (request: SwitchRequest) => SwitchAnswer | number | undefined = () => undefined,
): Promise<readonly (PublishEnd | undefined)[]> {
  const { scripted } = rig.server;
  const before = await makeRpm({ name: "before" });
  const publish = async (rpm: MadeRpm, onPrepared?: () => void) => {
    const id = offer(rig, rpm);
    await rig.publisher.publish(rig.server.grant(id), never, onPrepared);
    return rig.server.endOf(id);
  };
  let isHeld = true;
  const hold = (): number | undefined => {
    if (isHeld) scripted.switchAnswers.unshift(hold);
    return isHeld ? 503 : undefined;
  };
  const asked = new Promise<void>((resolve) => {
    scripted.switchAnswers.push(() => {
      resolve();
      return hold();
    });
  });
  const first = publish(before);
  await asked;
  const preparing: Promise<void>[] = [];
  const ends = rpms.map((rpm) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    preparing.push(promise);
    return publish(rpm, resolve);
  });
  await Promise.all(preparing);
  isHeld = false;
  scripted.switchAnswers.push(answer);
  live(await first);
  return await Promise.all(ends);
}

describe("publishes that are ready together", () => {
  test("share one generation and one switch", async () => {
    await using rig = await startPublishRig(keys);

    const ends = await together(rig, await makeAll("a", "b", "c", "d", "e"));

    const numbers = ends.map((end) => live(end).generations.map(({ number }) => number));
    expect(numbers).toEqual(Array.from({ length: 5 }, () => [2]));
    expect(rig.server.switches).toHaveLength(2);
    expect(rig.server.switches[1]?.publishes).toHaveLength(5);
    expect(await listed(rig, "dev", 2)).toHaveLength(6);
    expect(await rig.files("staging")).toEqual([]);
  });

  test("with the same content sign it once", async () => {
    await using rig = await startPublishRig({ ...keys, now: fastClock() });
    const [rpm] = await makeAll("same");
    if (rpm === undefined) throw new Error("no RPM");

    const ends = await together(rig, [rpm, rpm, rpm]);

    const digests = ends.map((end) => live(end).packages.map(({ signedSha256 }) => signedSha256));
    expect(new Set(digests.flat()).size).toBe(1);
    expect(await rig.files("pool")).toHaveLength(2);
  });

  test("with other content for one NEVRA: the first has it, the second is refused, the rest is live", async () => {
    await using rig = await startPublishRig(keys);
    const one = await makeRpm({ name: "twin", content: "one" });
    const two = await makeRpm({ name: "twin", content: "two" });
    const [other] = await makeAll("other");
    if (other === undefined) throw new Error("no RPM");

    const ends = await together(rig, [one, two, other]);

    expect(ends.filter((end) => end?.kind === "live")).toHaveLength(2);
    const failed = ends.find((end) => end?.kind === "failed");
    expect(failed).toMatchObject({ failure: { code: "NEVRA_TAKEN" } });
    expect(await listed(rig, "dev", rig.server.heads.get("dev")?.head ?? 0)).toHaveLength(3);
  });

  test("are not taken down by one that cannot be staged", async () => {
    await using rig = await startPublishRig(keys);
    const listedTwin = await makeRpm({ name: "twin", content: "one" });
    await rig.publish([], { packages: [{ rpm: listedTwin, target: TARGET }] });
    const other = await makeRpm({ name: "other" });
    const twin = await makeRpm({ name: "twin", content: "two" });
    // A server that has forgotten: only the channel itself still knows.
    const forgetful = ({ packages }: PublishCheckRequest) => ({
      packages: packages.map(({ unsignedSha256 }) => {
        return { unsignedSha256, verdict: "new" as const, signedSha256: null, takenBy: null };
      }),
    });
    rig.server.scripted.checkAnswers.push(forgetful, forgetful, forgetful);

    const ends = await together(rig, [twin, other]);

    expect(ends).toMatchObject([
      { kind: "failed", failure: { code: "NEVRA_TAKEN" } },
      { kind: "live" },
    ]);
    expect(await listed(rig, "dev", rig.server.heads.get("dev")?.head ?? 0)).toEqual([
      `${TARGET}/twin-1.0-1.noarch`,
      `${TARGET}/before-1.0-1.noarch`,
      `${TARGET}/other-1.0-1.noarch`,
    ]);
  });

  test("lose only those whom the server refuses", async () => {
    await using rig = await startPublishRig(keys);
    const rpms = await makeAll("stays", "cancelled", "taken");

    const ends = await together(rig, rpms, ({ publishes }) => {
      const idOf = (rpm: MadeRpm | undefined) =>
        publishes.find(({ packages }) => packages[0]?.unsignedSha256 === rpm?.sha256)?.publishId ??
        "";
      const refusal = { code: "NEVRA_TAKEN", message: "It is taken.", hint: "Raise it." } as const;
      return {
        kind: "refused",
        publishes: [
          { publishId: idOf(rpms[1]), why: "cancelled", refusal: null },
          { publishId: idOf(rpms[2]), why: "taken", refusal },
        ],
      };
    });

    expect(ends).toMatchObject([
      { kind: "live" },
      { kind: "cancelled" },
      { kind: "failed", failure: { code: "NEVRA_TAKEN", title: "It is taken." } },
    ]);
    expect(await listed(rig, "dev", rig.server.heads.get("dev")?.head ?? 0)).toEqual([
      `${TARGET}/before-1.0-1.noarch`,
      `${TARGET}/stays-1.0-1.noarch`,
    ]);
  });

  test("leave in its place what may be live, when no answer to their switch is heard", async () => {
    await using rig = await startPublishRig(keys);
    const { heads, switches } = rig.server;

    await together(rig, await makeAll("one", "two"), ({ generations }) => {
      // It has switched, and something in between says otherwise.
      for (const { channel, number, targets } of generations)
        heads.set(channel, { head: number, targets });
      return 404;
    });

    const [{ number } = { number: 0 }] = switches.at(-1)?.generations ?? [];
    expect(heads.get("dev")?.head).toBeGreaterThan(number);
    const packages = await listed(rig, "dev", heads.get("dev")?.head ?? 0);
    expect(packages.toSorted()).toEqual([
      `${TARGET}/before-1.0-1.noarch`,
      `${TARGET}/one-1.0-1.noarch`,
      `${TARGET}/two-1.0-1.noarch`,
    ]);
  });

  test("do not wait for one that is stopped", async () => {
    await using rig = await startPublishRig(keys);
    const [rpm] = await makeAll("stopped");
    if (rpm === undefined) throw new Error("no RPM");
    const stop = new AbortController();
    const id = offer(rig, rpm);
    rig.server.scripted.switchAnswers.push(() => {
      stop.abort(new Stopped("cancelled"));
      return 503;
    });

    await rig.publisher.publish(rig.server.grant(id), stop.signal);

    expect(rig.server.endOf(id)).toEqual({ kind: "handed-back" });
    expect((await rig.publish(await makeAll("next")))?.kind).toBe("live");
  });
});

test("a hundred requests at once come out as a few generations", async () => {
  await using rig = await startPublishRig(keys);
  const sections = Array.from({ length: 99 }, (_, i) => [
    `%package n${i}`,
    "Summary: x",
    `%description n${i}`,
    "x",
    `%files n${i}`,
  ]).flat();
  const rpms = (await makeRpms({ name: "many", sections })).slice(0, 100);
  const ids = rpms.map((rpm) => offer(rig, rpm));
  const shutdown = new AbortController();
  const { url, token } = rig.server;
  const server = serverClient({ url, token });
  const claimer = claimPublishes(
    { server, worker: "w", publish: (...args) => rig.publisher.publish(...args) },
    shutdown.signal,
  );

  await claimer.takeAll();
  while (ids.some((id) => rig.server.endOf(id) === undefined)) await claimer.idle();

  expect(ids.map((id) => rig.server.endOf(id)?.kind)).toEqual(ids.map(() => "live"));
  const head = rig.server.heads.get("dev")?.head ?? 0;
  expect(head).toBeLessThanOrEqual(40);
  expect(await listed(rig, "dev", head)).toHaveLength(100);
  shutdown.abort(new Stopped("shutdown"));
});
