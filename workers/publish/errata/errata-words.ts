import type { Advisory } from "../../../src/shared/package-messages.ts";

export const CVE = /^CVE-\d{4}-\d{4,19}$/;
export const CVES_MAX = 100;

export const TYPES = ["security", "bugfix", "enhancement", "newpackage"] as const;
export const SEVERITIES = ["Critical", "Important", "Moderate", "Low", "None"] as const;
export const REFERENCE_TYPES = ["cve", "bugzilla", "self", "other"] as const;

/** In any case, as people write it. */
export function severityOf(text: string): Advisory["severity"] | undefined {
  return SEVERITIES.find((each) => each.toLowerCase() === text.toLowerCase());
}
