import fc from "fast-check";
import { abandon, calmDown } from "./calm.ts";
import { RULES, type Rules } from "./rules.ts";
import { World } from "./world.ts";

/** All that can happen, with three drawn numbers to say to whom and how. */
const HAPPENINGS = {
  push: ({ people }: World, a: number, b: number) => people.push(a, b),
  ask: ({ buildWorkers }: World, a: number, b: number) => buildWorkers.ask(a, b % 8 === 7),
  act: ({ buildWorkers }: World, a: number, b: number, c: number) => buildWorkers.act(a, b, c),
  beat: ({ buildWorkers }: World, a: number) => buildWorkers.beat(a),
  crash: ({ buildWorkers }: World, a: number) => buildWorkers.crash(a),
  goodbye: ({ buildWorkers }: World, a: number) => buildWorkers.goodbye(a),
  comeBack: ({ buildWorkers }: World, a: number) => buildWorkers.comeBack(a),
  restart: ({ buildWorkers }: World, a: number) => buildWorkers.restart(a),
  askPublish: ({ publishWorkers }: World, a: number, b: number) =>
    publishWorkers.ask(a, b % 8 === 7),
  publish: ({ publishWorkers }: World, a: number, b: number, c: number) =>
    publishWorkers.finish(a, b, c),
  beatPublish: ({ publishWorkers }: World, a: number) => publishWorkers.beat(a),
  crashPublisher: ({ publishWorkers }: World, a: number) => publishWorkers.crash(a),
  askPost: ({ forge }: World, a: number) => forge.ask(a),
  post: ({ forge }: World, a: number, b: number) => forge.post(a, b),
  land: ({ forge }: World, a: number) => forge.land(a),
  arrive: ({ network }: World, a: number, b: number) => network.arrive(a, b),
  cancel: ({ people }: World, a: number) => people.cancel(a),
  rerun: ({ people }: World, a: number) => people.rerun(a),
  supersede: ({ people }: World, a: number) => people.supersede(a),
  wait: ({ clock }: World, a: number, b: number) => clock.wait(b % 4 === 0 ? a * 10_000 : a * 500),
  jump: ({ clock }: World, a: number) => clock.jump(a),
  serverDies: ({ server }: World) => server.die(),
  serverStarts: ({ server }: World) => server.start(),
} as const satisfies Record<string, (world: World, a: number, b: number, c: number) => unknown>;
export type Happening = keyof typeof HAPPENINGS;

const WEIGHTS: Readonly<Record<Happening, number>> = {
  push: 4,
  ask: 10,
  act: 40,
  beat: 4,
  crash: 2,
  goodbye: 1,
  comeBack: 3,
  restart: 4,
  askPublish: 8,
  publish: 8,
  beatPublish: 1,
  crashPublisher: 1,
  askPost: 8,
  post: 9,
  land: 2,
  arrive: 7,
  cancel: 2,
  rerun: 1,
  supersede: 1,
  wait: 6,
  jump: 1,
  serverDies: 1,
  serverStarts: 2,
};
const NAMES = Object.keys(HAPPENINGS) as Happening[];
const BAG: readonly Happening[] = NAMES.flatMap((name) =>
  Array.from({ length: WEIGHTS[name] }, () => name),
);

export type Told = readonly [Happening, number, number, number];

/** One thing that happens to the world; afterwards all promises must hold. */
class Command implements fc.Command<object, World> {
  readonly told: Told;

  constructor(told: Told) {
    this.told = told;
  }

  check(): boolean {
    return true;
  }

  run(_model: object, world: World): void {
    happen(world, this.told);
  }

  toString(): string {
    return JSON.stringify(this.told);
  }
}

export class Broken extends Error {
  override readonly name = "Broken";
}

function happen(world: World, [name, a, b, c]: Told): void {
  HAPPENINGS[name](world, a, b, c);
  world.promises.check();
  refuse(world);
}

function refuse({ promises }: World): void {
  if (promises.broken.length > 0) throw new Broken(promises.broken.join("; "));
}

/** How it ends: workers come and do all that is left, or nobody ever comes. */
export function leaveAlone(world: World, isAbandoned: boolean): void {
  if (isAbandoned) abandon(world);
  else calmDown(world);
  world.promises.checkEnd(world.forge);
  refuse(world);
}

const HAPPENINGS_MAX = 200;

/** What a number of schedules came to, for those who publish figures. */
export interface Tally {
  schedules: number;
  /** Pushes that were answered 2xx. */
  accepted: number;
  builds: number;
  /** Crashes, losses, repetitions, jumps of clocks, answers of a broken forge. */
  faults: number;
}

export function newTally(): Tally {
  return { schedules: 0, accepted: 0, builds: 0, faults: 0 };
}

/** Schedules as fast-check draws them, under the real rules or broken ones. */
export function schedules(rules: Rules = RULES, tally: Tally = newTally()) {
  const command = fc.nat({ max: 2 ** 31 - 1 }).map((drawn) => new Command(toldBy(drawn)));
  const commands = fc.commands([command], { maxCommands: HAPPENINGS_MAX, size: "max" });
  return fc.property(commands, fc.nat({ max: 3 }), (happenings, end) => {
    const world = new World(rules);
    fc.modelRun(() => ({ model: {}, real: world }), happenings);
    leaveAlone(world, end === 3);
    tally.schedules += 1;
    tally.accepted += world.lives.deliveries.length;
    tally.builds += world.lives.builds.length;
    tally.faults += world.faults;
  });
}

export interface Found {
  /** Which schedule of the seed, from 0. */
  readonly index: number;
  readonly what: string;
  /** The smallest schedule that does it, as `regressions.json` keeps it. */
  readonly case: KeptSchedule;
}

export interface KeptSchedule {
  /** What it broke when it was found. */
  readonly name: string;
  /** The planted bug that it finds; none: it was found in the real rules. */
  readonly bug?: string;
  readonly happenings: readonly Told[];
  readonly isAbandoned: boolean;
}

/** Runs so many schedules of a seed. Undefined: all promises held. */
export function findBroken(
  wish: {
    readonly seed: number;
    readonly count: number;
    readonly rules?: Rules;
    /** False: it is enough to know that there is one. */
    readonly isShrunk?: boolean;
  },
  tally: Tally = newTally(),
): Found | undefined {
  const { seed, count: numRuns, rules, isShrunk = true } = wish;
  const run = fc.check(schedules(rules, tally), { seed, numRuns, endOnFailure: !isShrunk });
  if (!run.failed) return undefined;
  const [happenings, end] = run.counterexample ?? [[], 0];
  const index = Number((run.counterexamplePath ?? "0").split(":")[0]);
  const what = run.errorInstance instanceof Error ? run.errorInstance.message : "it fell over";
  const told = [...happenings].map((one) => JSON.parse(String(one)) as Told);
  return { index, what, case: { name: what, happenings: told, isAbandoned: end === 3 } };
}

/** One drawn number says it all, since a schedule has many of them and drawing is what takes time. */
function toldBy(drawn: number): Told {
  const name = BAG[drawn % BAG.length] ?? "wait";
  const rest = Math.floor(drawn / BAG.length);
  return [name, rest % 100, Math.floor(rest / 100) % 100, Math.floor(rest / 10_000) % 100];
}

/** A kept schedule, played again. Throws what it breaks. */
export function replay({ happenings, isAbandoned }: KeptSchedule, rules: Rules = RULES): void {
  const world = new World(rules);
  for (const one of happenings) happen(world, one);
  leaveAlone(world, isAbandoned);
}

/** What to type to see a schedule break again; chunks count their seeds from the suite's. */
export function replayLine(seed: number, { index }: Found): string {
  return `npm run torture -- --suite simulation --seed ${seed} --count ${index + 1}`;
}
