import { expect, test } from "vitest";
import { openClock } from "../../src/shared/clock.ts";

const START = 1_800_000_000_000;
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A machine whose clock is set by hand, and that may sleep. */
function aMachine({ bootedMs = 10 * DAY } = {}) {
  let [wall, monotonic, uptime] = [START, 5_000, bootedMs];
  const pass = (ms: number): void => {
    wall += ms;
    monotonic += ms;
    uptime += ms;
  };
  const clock = openClock({
    wall: () => wall,
    monotonic: () => monotonic,
    uptime: () => uptime,
  });
  return {
    ...clock,
    pass,
    set: (byMs: number) => void (wall += byMs),
    sleep: (ms: number) => {
      wall += ms;
      uptime += ms;
    },
    /** Somebody asks for the time each second, as at work. */
    work: (ms: number, slewMs = 0) => {
      for (let done = 0; done < ms; done += SECOND) {
        pass(SECOND);
        wall += slewMs;
        clock.now();
      }
    },
    wall: () => wall,
  };
}

test("it goes with the machine's clock", () => {
  const machine = aMachine();

  machine.pass(3 * HOUR);

  expect(machine.now()).toBe(START + 3 * HOUR);
  expect(machine.earliest()).toBe(START + 3 * HOUR);
});

test.each([
  ["an hour ahead", HOUR],
  ["an hour back", -HOUR],
  ["90 seconds ahead", 90 * SECOND],
  ["90 seconds back", -90 * SECOND],
  ["a day ahead", DAY],
])("%s and soon back again changes nothing", (_what, byMs) => {
  const machine = aMachine();
  machine.work(MINUTE);

  machine.set(byMs);
  machine.work(10 * MINUTE);
  expect(machine.now()).toBe(START + 11 * MINUTE);
  machine.set(-byMs);
  machine.work(10 * MINUTE);

  expect(machine.now()).toBe(START + 21 * MINUTE);
  expect(machine.now()).toBe(machine.wall());
});

test.each([HOUR, -HOUR])("a clock that stays set by %i ms counts after a while", (byMs) => {
  const machine = aMachine();

  machine.set(byMs);
  machine.work(14 * MINUTE);
  expect(machine.now()).toBe(machine.wall() - byMs);
  machine.work(2 * MINUTE);

  expect(machine.now()).toBe(machine.wall());
});

test("two steps one after the other are not one that has held", () => {
  const machine = aMachine();

  machine.set(HOUR);
  machine.work(10 * MINUTE);
  machine.set(DAY);
  machine.work(10 * MINUTE);

  expect(machine.now()).toBe(START + 20 * MINUTE);
});

test("it follows NTP, which turns the clock slowly", () => {
  const machine = aMachine();

  machine.work(10 * MINUTE, 100);

  expect(machine.now()).toBe(START + 11 * MINUTE);
});

test("it follows a clock that drifted while nobody asked for the time", () => {
  const machine = aMachine();

  machine.pass(DAY);
  machine.set(40 * SECOND);

  expect(machine.now()).toBe(machine.wall());
});

test("a machine that slept has not had its clock set", () => {
  const machine = aMachine();
  machine.work(MINUTE);

  machine.sleep(8 * HOUR);
  expect(machine.now()).toBe(machine.wall());

  // The next night too, and by day it still tells a step.
  machine.work(HOUR);
  machine.sleep(7 * HOUR);
  expect(machine.now()).toBe(machine.wall());
  machine.set(DAY);
  expect(machine.now()).toBe(machine.wall() - DAY);
});

test("a machine without a clock of its own gets the time soon after it was switched on", () => {
  const machine = aMachine({ bootedMs: 30 * SECOND });

  machine.work(MINUTE);
  machine.set(400 * DAY);

  expect(machine.now()).toBe(machine.wall());
});

test("what is removed for its age, or dated, is so by the earlier of both clocks", () => {
  const machine = aMachine();

  machine.set(DAY);
  expect(machine.earliest()).toBe(START);
  machine.set(-DAY - HOUR);

  expect(machine.earliest()).toBe(START - HOUR);
});
