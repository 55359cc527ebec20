/**
 * What the rpm of a target can do, told from the target's name: `el9.x86_64`, `fedora-43.x86_64`.
 * Of a distribution that is not listed the newest is believed.
 */

/** The first releases with rpm 4.15, which knows `^` in versions, and with 4.19, which adds users. */
const SINCE: Readonly<Record<string, { readonly caret: number; readonly users: number }>> = {
  el: { caret: 9, users: 10 },
  "fedora-": { caret: 31, users: 39 },
  debian: { caret: 11, users: 13 },
  ubuntu: { caret: 21, users: 24 },
  amzn: { caret: 2_023, users: Number.POSITIVE_INFINITY },
};

export function hasCaret(target: string): boolean {
  return isSince(target, "caret");
}

/** Reads sysusers files itself: no scriptlet has to add the users. */
export function addsUsers(target: string): boolean {
  return isSince(target, "users");
}

/** Packages for rpm on Debian find no systemd macros there, nor a package called systemd. */
export function hasSystemdMacros(target: string): boolean {
  return !/^(?:debian|ubuntu)/.test(target);
}

function isSince(target: string, ability: "caret" | "users"): boolean {
  const [, family = "", release = ""] = /^([a-z-]+?-?)(\d+)/.exec(target) ?? [];
  const since = SINCE[family];
  return since === undefined || Number(release) >= since[ability];
}
