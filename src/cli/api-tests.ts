/** What the command line reads of a build's tests; docs/reference/reports.md has every field. */
export interface ApiTests {
  readonly number: number;
  readonly url: string;
  readonly summary: {
    readonly passed: number;
    readonly failed: number;
    readonly errored: number;
    readonly skipped: number;
    readonly durationMs: number;
    readonly steps?: readonly {
      readonly jobId: string;
      readonly step: string;
      readonly title: string;
    }[];
    readonly coverage: { readonly percent: number; readonly change: number | null } | null;
  } | null;
  readonly failed: readonly ApiTest[];
  readonly flaky: readonly ApiTest[];
  readonly tests: readonly ApiTest[];
  readonly hasMore: boolean;
}

export interface ApiTest {
  readonly job?: string | null;
  readonly step?: string;
  readonly title: string;
  readonly state: "passed" | "failed" | "errored" | "skipped";
  readonly durationMs: number | null;
  readonly message: string;
  readonly details: string;
  readonly file: string | null;
  readonly line: number | null;
  readonly failingSince: number | null;
}

/** From a server of ours: only what decides is looked at. */
export function isTests(value: unknown): value is ApiTests {
  const { number, failed, tests } = (value ?? {}) as Partial<Record<string, unknown>>;
  return typeof number === "number" && Array.isArray(failed) && Array.isArray(tests);
}
