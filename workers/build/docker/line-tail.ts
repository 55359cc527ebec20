const LINE_CHARS_MAX = 2_000;

/** Keeps the last lines of an output, each cut to a length that can be read. */
export function lineTail(count: number) {
  const decoder = new TextDecoder();
  let lines: string[] = [""];
  return {
    push(chunk: Buffer): void {
      const [first = "", ...rest] = decoder.decode(chunk, { stream: true }).split("\n");
      const last = (lines.pop() ?? "") + first;
      // One more than wanted: after a newline the newest line is still empty.
      lines = [...lines, last, ...rest]
        .slice(-count - 1)
        .map((line) => line.slice(0, LINE_CHARS_MAX));
    },
    text(): string {
      const whole = lines.at(-1) === "" ? lines.slice(0, -1) : lines;
      return whole.slice(-count).join("\n");
    },
  };
}
