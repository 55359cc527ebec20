import {
  BUILD_MOVES,
  isLegal,
  JOB_MOVES,
  PUBLISH_MOVES,
} from "../../../../src/domain/life/moves.ts";
import type { BuildLife, Write } from "../../../../src/domain/life/records.ts";

/** What is wrong with a write: a move that is in no table, or of a record that is in another state. */
export function illegalMove(life: BuildLife, write: Write): readonly string[] {
  if (!("move" in write)) return [];
  const { table, records } = {
    build: { table: BUILD_MOVES, records: [life.build] },
    job: { table: JOB_MOVES, records: life.jobs },
    publish: { table: PUBLISH_MOVES, records: life.publishes },
  }[write.on];
  const { from, to } = write.move;
  const state = records.find(({ id }) => id === write.id)?.state;
  if (state === from && isLegal(table, from, to)) return [];
  return [`${write.on} ${write.id} is ${state} and was moved from ${from} to ${to}`];
}
