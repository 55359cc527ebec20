/** What the reports of one step say, one row for each attempt. */
export interface TestReportRow {
  /** Grows: of two, the later one has the higher. */
  id: number;
  buildId: string;
  jobId: string;
  attempt: number;
  step: string;
  /** As people read the step: `unit (node 22)`. */
  title: string;
  repo: string;
  /** "" without projects. */
  project: string;
  /** Whose history it is part of: the build's ref, and one for all tags. */
  branch: string;
  /** The build's. */
  number: number;
  sha: string | null;
  createdAt: number;
  /** All parts are there. */
  isComplete: 0 | 1;
  /** Results that were sent, tests with one name counted each. */
  received: number;
  passed: number;
  failed: number;
  errored: number;
  skipped: number;
  durationMs: number;
  linesCovered: number | null;
  linesTotal: number | null;
  filesJson: string;
  problemsJson: string;
  /** `TestChanges` against the report before it on the branch; null: there is none. */
  changesJson: string | null;
  /** Its runs are deleted; the sums stay. */
  sweptAt: number | null;
}

export interface TestReportPartRow {
  reportId: number;
  part: number;
}

/** A test of a repo, the same one through all builds. */
export interface TestRow {
  /** Made from everything that names it. */
  id: string;
  repo: string;
  project: string;
  step: string;
  suite: string;
  className: string;
  name: string;
  file: string | null;
  /** Build that saw it first. */
  firstNumber: number;
}

export interface TestRunRow {
  testId: string;
  reportId: number;
  /** 0 skipped, 1 passed, 2 passed at a second try, 3 errored, 4 failed: of two results of one test the worse counts. */
  state: number;
  isRetried: number;
  durationMs: number | null;
}

export interface TestFailureRow {
  reportId: number;
  testId: string;
  message: string;
  details: string;
  file: string | null;
  line: number | null;
}
