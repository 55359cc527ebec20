import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import {
  BUILD_MOVES,
  JOB_MOVES,
  PUBLISH_MOVES,
  STEP_MOVES,
  type BuildMove,
  type JobMove,
  type PublishMove,
} from "../../../src/domain/life/moves.ts";
import { FINAL_STATES, type State } from "../../../src/domain/states.ts";

const STORE = new URL("../../../src/server/store/", import.meta.url);
const KEEPER = "write-down.ts";
const FILES = readdirSync(STORE).filter((name) => name.endsWith(".ts") && name !== KEEPER);

test("nothing leaves a final state", () => {
  for (const state of FINAL_STATES) {
    expect([BUILD_MOVES[state], JOB_MOVES[state], STEP_MOVES[state]]).toEqual([[], [], []]);
  }
  const { live, failed, errored, cancelled } = PUBLISH_MOVES;
  expect([live, failed, errored, cancelled].flat()).toEqual([]);
});

test("a move that is in no table does not compile", () => {
  const state = "running" as State;
  // @ts-expect-error A final state is never left.
  const reopened: JobMove = { from: "passed", to: "running" };
  // @ts-expect-error A build never goes back to the queue; its job does.
  const requeued: BuildMove = { from: "running", to: "queued" };
  // @ts-expect-error Nobody can make live what nobody runs.
  const unrun: PublishMove = { from: "queued", to: "live" };
  // @ts-expect-error Who has not looked at the state cannot say what becomes of it.
  const blind: JobMove = { from: state, to: "passed" };
  expect([reopened, requeued, unrun, blind]).toHaveLength(4);
});

test.each(FILES)("%s changes no state of a build, job, step or publish by itself", (name) => {
  const text = readFileSync(new URL(name, STORE), "utf8");

  expect(changesOfState(text)).toEqual([]);
});

test("the keeper of states is found out by the same search", () => {
  const text = readFileSync(new URL(KEEPER, STORE), "utf8");

  expect(changesOfState(text).length).toBeGreaterThan(3);
});

/** Statements that update one of the tables and name its column `state` among what they set. */
function changesOfState(text: string): readonly string[] {
  const updates = text.matchAll(
    /\.updateTable\("(?:builds|jobs|steps|publishes)"\)[\s\S]*?(?:\.execute|;\n)/g,
  );
  const sets = [...updates].flatMap(([statement]) =>
    [...statement.matchAll(/\.set\([\s\S]*?\)\n/g)].map(([set]) => set),
  );
  return sets.filter((set) => /\bstate\b\s*[:,}]/.test(set));
}
