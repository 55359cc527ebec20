import { firstHit, hitsOf, lastIndex, placeOf, titleOf } from "./matcher.ts";
import type { LogView, Match, Matcher } from "./matcher.ts";

const CLASSIC_STEP = /^Step \d+\/\d+ : (.{1,600})$/;
const CLASSIC_END = /^The command '.{1,2000}' returned a non-zero code: (\d+)$/;
const CLASSIC_OTHER =
  /^((?:COPY|ADD) failed: .{1,500}|(?:dockerfile|Dockerfile) parse error .{1,500}|unknown instruction: .{1,200}|pull access denied .{1,300}|manifest for .{1,300})$/;
const BUILDKIT_END = /^(?:ERROR|error): failed to (?:solve|build)[^:]{0,100}: (.{1,600})$/;
const BUILDKIT_LINE = /^([^\s:]{1,300}):(\d{1,7})$/;

/** An instruction of a Dockerfile that failed; what it ran may have said more. */
export const dockerBuild: Matcher = {
  tool: "docker build",
  rank: "wrapper",
  signs: [
    "returned a non-zero code",
    "failed to solve",
    "COPY failed",
    "ADD failed",
    "parse error",
    "unknown instruction",
    "pull access denied",
    "manifest for",
  ],
  find(log) {
    return buildKit(log) ?? classic(log);
  },
};

function classic(log: LogView): Match | undefined {
  const { lines } = log;
  const ended = firstHit(lines, CLASSIC_END) ?? firstHit(lines, CLASSIC_OTHER);
  if (ended === undefined) return undefined;
  const { at, groups } = ended;
  const step = lines.findLastIndex((line, index) => index < at && CLASSIC_STEP.test(line));
  const instruction = CLASSIC_STEP.exec(lines[step] ?? "")?.[1];
  const isExit = groups[1] !== undefined && /^\d+$/.test(groups[1]);
  const title = isExit && instruction ? `${instruction} exited ${groups[1]}` : (groups[1] ?? "");
  return {
    title: titleOf(title),
    place: placeOf(log, "Dockerfile"),
    at: isExit ? Math.max(at - 1, 0) : at,
    from: Math.max(0, step, at - 15),
    to: at,
    end: at,
  };
}

/** BuildKit ends with the lines of the Dockerfile, the failed one marked with `>>>`. */
function buildKit(log: LogView): Match | undefined {
  const { lines } = log;
  const end = lastIndex(lines, BUILDKIT_END);
  if (end === -1) return undefined;
  const said = BUILDKIT_END.exec(lines[end] ?? "")?.[1] ?? "";
  const from = hitsOf(lines.slice(0, end), BUILDKIT_LINE).at(-1);
  const command =
    /process "(?:\/bin\/sh -c )?(.{1,400})" did not complete successfully: exit code: (\d+)/.exec(
      said,
    );
  const title = command ? `RUN ${command[1]} exited ${command[2]}` : said;
  const start = from === undefined ? Math.max(0, end - 10) : from.at;
  return {
    title: titleOf(title),
    place: from ? placeOf(log, from.groups[1], from.groups[2]) : null,
    at: end,
    from: start,
    to: end,
    end,
  };
}
