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
