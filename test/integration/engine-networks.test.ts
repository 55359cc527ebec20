import { expect, test } from "vitest";
import { never, realEngine } from "../support/engine-rig.ts";
import { startPrivateEngine } from "../support/private-engine.ts";

const owner = (jobId: string) => {
  return { jobId, attempt: 1, step: "NETWORK", workerId: "networks", repo: "acme/hello" };
};

test("where the engine has no network left, a job waits until another one's is removed", async () => {
  await using host = await startPrivateEngine({ hasOneNetwork: true });
  const engine = realEngine({ socketPath: host.socketPath });
  const make = (jobId: string, signal = never) =>
    engine.createNetwork(owner(jobId), { egress: "internet" }, signal);
  const first = await make("j-first");

  const stop = new AbortController();
  const cancelled = make("j-cancelled", stop.signal).catch((err: unknown) => err);
  stop.abort(new Error("cancelled"));
  expect(await cancelled).toBeInstanceOf(Error);

  let isMade = false;
  const second = make("j-second").finally(() => (isMade = true));
  await expect(make("j-third", AbortSignal.timeout(3_000))).rejects.toThrow(/abort|timeout/i);
  expect(isMade).toBe(false);
  await engine.removeAllOf({ jobId: "j-first", attempt: 1 }, never);

  const made = await second;
  expect(made.id).not.toBe(first.id);
  await engine.removeAllOf({ jobId: "j-second", attempt: 1 }, never);
  expect(await host.everything()).toEqual([]);
});
