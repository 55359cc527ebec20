import { expect, test } from "vitest";
import { InfraFault } from "../../../../src/domain/faults.ts";
import { watchEngine } from "../../../../workers/build/engine-watch.ts";
import { silentLogger } from "../../../support/silent-logger.ts";
import { until } from "../../../support/until.ts";

const never = new AbortController().signal;

function anEngine() {
  const state = { isAway: false, asked: 0 };
  const answers = async (): Promise<void> => {
    state.asked += 1;
    if (state.isAway) throw new InfraFault("ENGINE_UNAVAILABLE", "nobody there");
  };
  const said: (string | null)[] = [];
  const onChange = (trouble: string | null) => void said.push(trouble);
  return {
    state,
    said,
    watch: watchEngine({ engine: { answers }, logger: silentLogger, onChange }),
  };
}

test("an engine that goes away and comes back is told once each, however many wait", async () => {
  const { state, said, watch } = anEngine();
  state.isAway = true;

  const waiting = Promise.all([watch.ready(never), watch.ready(never), watch.ready(never)]);
  await until(() => said.length, 1);
  state.isAway = false;
  await waiting;

  expect(said).toEqual(["Docker is unavailable: nobody there", null]);
});

test("who gives up waiting ends nobody else's wait", async () => {
  const { state, said, watch } = anEngine();
  const first = new AbortController();
  state.isAway = true;

  const waiting = [watch.ready(first.signal), watch.ready(never)] as const;
  await until(() => said.length, 1);
  first.abort(new Error("cancelled"));
  await expect(waiting[0]).rejects.toThrow("cancelled");
  state.isAway = false;

  await waiting[1];
});

test("who comes later gives up by himself", async () => {
  const { state, said, watch } = anEngine();
  const [first, second] = [new AbortController(), new AbortController()];
  state.isAway = true;

  const waiting = [watch.ready(first.signal), watch.ready(second.signal)] as const;
  await until(() => said.length, 1);
  second.abort(new Error("cancelled"));
  await expect(waiting[1]).rejects.toThrow("cancelled");
  first.abort(new Error("over"));

  await expect(waiting[0]).rejects.toThrow("over");
  const { asked } = state;
  await new Promise((resolve) => setTimeout(resolve, 700));
  // Nobody waits any more, so nobody asks.
  expect(state.asked).toBe(asked);
});

test("claims that come together ask it once; a suspicion makes the next one ask", async () => {
  const { state, watch } = anEngine();

  await watch.ready(never);
  await watch.ready(never);
  expect(state.asked).toBe(1);
  watch.suspect();
  await watch.ready(never);
  expect(state.asked).toBe(2);
});

test("an idle worker notices too", async () => {
  const { state, said, watch } = anEngine();
  const stop = new AbortController();
  state.isAway = true;

  const looking = watch.lookForever(stop.signal);
  await until(() => said.length, 1);
  stop.abort(new Error("over"));

  await looking;
});
