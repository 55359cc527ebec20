/** What a test runner prints, colours and progress included. */
export function testLog(isFailed: boolean): string {
  const lines = [
    "\u001b[2m$ npm test\u001b[0m",
    "",
    "\u001b[1m\u001b[46m RUN \u001b[0m hello 1.4.0 \u001b[90m/workspace\u001b[39m",
    "",
  ];
  lines.push("downloading  3%\rdownloading 57%\rdownloading 100%");
  for (let number = 1; number <= 198; number += 1) {
    lines.push(
      `\u001b[32m✓\u001b[39m ok ${number} - parses case ${number} \u001b[2m(${(number * 7) % 23} ms)\u001b[22m`,
    );
  }
  lines.push(
    "\u001b[33mwarning\u001b[39m: test/legacy.test.ts is deprecated",
    "\u001b[38;5;208mslow\u001b[0m test/greet.test.ts 1.2 s",
    "",
  );
  if (!isFailed) return `${lines.join("\n")}\n\u001b[32m198 passed\u001b[0m in 4.2 s\n`;
  lines.push(
    "\u001b[41m\u001b[1m FAIL \u001b[0m test/greet.test.ts > greets an empty name",
    "",
    "    at Object.<anonymous> (test/greet.test.ts:41:18)",
    "",
    "\u001b[31mnot ok 41 - greets an empty name\u001b[0m",
    '    expected: \u001b[32m"Hello, stranger"\u001b[0m',
    '    actual:   \u001b[31m"Hello, "\u001b[0m',
    "    at: test/greet.test.ts:41:18",
    "",
    "1..199",
    "\u001b[31m# fail 1\u001b[39m",
    "npm error Lifecycle script `test` failed with error: code 1",
  );
  return `${lines.join("\n")}\n`;
}
