/**
 * Schedules as cron writes them: minute, hour, day, month, weekday, in UTC. Lists, ranges, steps and
 * three-letter names; where day and weekday are both limited, either is enough, as everywhere.
 */
export interface Cron {
  readonly minutes: ReadonlySet<number>;
  readonly hours: ReadonlySet<number>;
  readonly days: ReadonlySet<number>;
  readonly months: ReadonlySet<number>;
  /** 0 is Sunday. */
  readonly weekdays: ReadonlySet<number>;
  readonly isAnyDay: boolean;
  readonly isAnyWeekday: boolean;
}

export type ParsedCron =
  | { readonly kind: "cron"; readonly cron: Cron }
  /** In words that begin with the field: `minute 61 is not within 0-59`. */
  | { readonly kind: "problem"; readonly problem: string };

/** Words for what most people want: in the small hours, when nobody waits. */
export const CRON_WORDS = { nightly: "0 3 * * *", weekly: "0 3 * * 0" } as const;

/** `nightly` → `0 3 * * *`; anything else is returned as it is, its spaces made single. */
export function cronText(text: string): string {
  const plain = text.trim().replace(/\s+/g, " ");
  return Object.entries(CRON_WORDS).find(([word]) => word === plain)?.[1] ?? plain;
}

interface Field {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly words: readonly string[];
}

const MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split(" ");
const WEEKDAYS = "SUN MON TUE WED THU FRI SAT".split(" ");
const FIELDS = [
  { name: "minute", min: 0, max: 59, words: [] },
  { name: "hour", min: 0, max: 23, words: [] },
  { name: "day", min: 1, max: 31, words: [] },
  { name: "month", min: 1, max: 12, words: MONTHS },
  { name: "weekday", min: 0, max: 7, words: WEEKDAYS },
] as const satisfies readonly Field[];

export function parseCron(text: string): ParsedCron {
  const parts = cronText(text).split(" ");
  if (parts.length !== FIELDS.length || parts[0] === "") {
    const count = parts[0] === "" ? 0 : parts.length;
    return { kind: "problem", problem: `${count} of the five fields are there` };
  }
  const sets: ReadonlySet<number>[] = [];
  for (const [index, field] of FIELDS.entries()) {
    const values = fieldValues(field, parts[index] ?? "");
    if (typeof values === "string") return { kind: "problem", problem: values };
    sets.push(values);
  }
  const [minutes = EMPTY, hours = EMPTY, days = EMPTY, months = EMPTY, weekdays = EMPTY] = sets;
  // Sunday is 0 and 7.
  const daysOfWeek = new Set([...weekdays].map((day) => day % 7));
  const cron: Cron = {
    minutes,
    hours,
    days,
    months,
    weekdays: daysOfWeek,
    isAnyDay: days.size === 31,
    isAnyWeekday: daysOfWeek.size === 7,
  };
  if (nextTick(cron, 0) !== undefined) return { kind: "cron", cron };
  return { kind: "problem", problem: "there is no such day in any year" };
}

const EMPTY: ReadonlySet<number> = new Set();

function fieldValues(field: Field, text: string): ReadonlySet<number> | string {
  const values = new Set<number>();
  for (const part of text.split(",")) {
    const range = rangeOf(field, part);
    if (typeof range === "string") return range;
    for (let value = range.from; value <= range.to; value += range.step) values.add(value);
  }
  return values;
}

function rangeOf(field: Field, part: string) {
  const [, range = "", stepText] = /^([^/]+)(?:\/(\d{1,4}))?$/.exec(part) ?? [];
  const [first = "", last] =
    range === "*" ? [String(field.min), String(field.max)] : range.split("-");
  const from = valueOf(field, first);
  if (typeof from === "string") return from;
  const openEnd = stepText === undefined ? from : field.max;
  const to = last === undefined ? openEnd : valueOf(field, last);
  if (typeof to === "string") return to;
  if (range.split("-").length > 2) return `${field.name} "${part}" cannot be read`;
  if (to < from) return `${field.name} ${range} ends before it begins`;
  const step = Number(stepText ?? 1);
  if (step < 1) return `${field.name} "${part}": a step is at least 1`;
  return { from, to, step };
}

function valueOf({ name, min, max, words }: Field, text: string): number | string {
  const word = words.indexOf(text.toUpperCase());
  if (word >= 0) return word + (words.length === MONTHS.length ? 1 : 0);
  if (!/^\d{1,4}$/.test(text)) return `${name} "${text}" cannot be read`;
  const value = Number(text);
  return value >= min && value <= max ? value : `${name} ${value} is not within ${min}-${max}`;
}

/** The same schedule in the fewest words that any other reader of cron understands: stars and lists. */
export function plainCron(cron: Cron): string {
  const list = (values: ReadonlySet<number>, count: number): string =>
    values.size === count ? "*" : sorted(values).join(",");
  const { minutes, hours, days, months, weekdays } = cron;
  const [time, date] = [`${list(minutes, 60)} ${list(hours, 24)}`, list(days, 31)];
  return `${time} ${date} ${list(months, 12)} ${list(weekdays, 7)}`;
}

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** From one 29 February to the next are at most eight years. */
const DAYS_MAX = 9 * 366;

/** The first instant after `afterMs` (epoch) that the schedule names; undefined: there is none. */
export function nextTick(cron: Cron, afterMs: number): number | undefined {
  const startMs = (Math.floor(afterMs / MINUTE_MS) + 1) * MINUTE_MS;
  const firstDayMs = Math.floor(startMs / DAY_MS) * DAY_MS;
  for (let day = 0; day < DAYS_MAX; day += 1) {
    const dayMs = firstDayMs + day * DAY_MS;
    if (!isDay(cron, new Date(dayMs))) continue;
    const found = firstInDay(cron, dayMs, startMs);
    if (found !== undefined) return found;
  }
  return undefined;
}

function isDay(cron: Cron, date: Date): boolean {
  if (!cron.months.has(date.getUTCMonth() + 1)) return false;
  const isDate = cron.days.has(date.getUTCDate());
  const isWeekday = cron.weekdays.has(date.getUTCDay());
  if (cron.isAnyDay || cron.isAnyWeekday) return isDate && isWeekday;
  return isDate || isWeekday;
}

function firstInDay({ hours, minutes }: Cron, dayMs: number, startMs: number): number | undefined {
  for (const hour of sorted(hours)) {
    for (const minute of sorted(minutes)) {
      const at = dayMs + (hour * 60 + minute) * MINUTE_MS;
      if (at >= startMs) return at;
    }
  }
  return undefined;
}

function sorted(values: ReadonlySet<number>): readonly number[] {
  return [...values].toSorted((a, b) => a - b);
}
