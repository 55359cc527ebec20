import type { BuildView } from "../views.ts";
import type { RouteDeps } from "./web-deps.ts";

const KNOWN_MAX = 64;
/** What is told late, or not at all, is seen by then. */
const KNOWN_MS = 2_000;

/**
 * Builds by their id, each read once until it changes: a log that a hundred people watch is asked for a
 * thousand times a second, by the same names each time.
 */
export function knownBuilds({
  read,
  live,
  now,
}: Pick<RouteDeps, "read" | "live" | "now">): (id: string) => Promise<BuildView | undefined> {
  const known = new Map<string, { readonly build: Promise<BuildView | undefined>; at: number }>();
  live.onBuild((id) => void known.delete(id));
  return (id) => {
    const found = known.get(id);
    if (found !== undefined && now() - found.at < KNOWN_MS) return found.build;
    const [oldest] = known.keys();
    if (known.size >= KNOWN_MAX && oldest !== undefined) known.delete(oldest);
    const build = read.buildById(id);
    // Who asks after a change reads anew, though this one may not have been answered yet.
    known.set(id, { build, at: now() });
    build.catch(() => known.delete(id));
    return build;
  };
}
