/** What all reports of a job may take together; the server holds a build to the same. */
export interface ReportBudget {
  bytesLeft: number;
  testsLeft: number;
}

export const REPORT_BYTES_MAX = 32 * 1024 * 1024;
export const REPORT_TESTS_MAX = 100_000;

export function openReportBudget(): ReportBudget {
  return { bytesLeft: REPORT_BYTES_MAX, testsLeft: REPORT_TESTS_MAX };
}
