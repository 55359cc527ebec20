const AGAIN = "[tatara: the worker was restarted, and this step tells again what follows]\n";
const NEWLINE = 0x0a;

/**
 * What a step says once more, because the worker that had heard it was restarted, is left out: `known`
 * is the part of the log that its readers have already. From the first line that is another one on,
 * all is shown.
 */
export function leaveOutEcho(known: Buffer): (bytes: Buffer) => Buffer {
  let at = 0;
  let rest = known;
  return (bytes) => {
    if (at === rest.length) return bytes;
    const same = commonPrefix(rest.subarray(at), bytes);
    at += same;
    if (same === bytes.length) return Buffer.alloc(0);
    if (at === rest.length) return bytes.subarray(same);
    const lineStart = rest.lastIndexOf(NEWLINE, Math.max(0, at - 1)) + 1;
    const line = at === 0 ? Buffer.alloc(0) : rest.subarray(lineStart, at);
    const gap = rest.at(-1) === NEWLINE ? "" : "\n";
    const shown = Buffer.concat([Buffer.from(gap + AGAIN), line, bytes.subarray(same)]);
    rest = Buffer.alloc(0);
    at = 0;
    return shown;
  };
}

function commonPrefix(one: Buffer, other: Buffer): number {
  const most = Math.min(one.length, other.length);
  if (one.subarray(0, most).equals(other.subarray(0, most))) return most;
  let same = 0;
  while (one[same] === other[same]) same += 1;
  return same;
}
