import { describe, expect, test } from "vitest";
import { cardPlace } from "../../../src/domain/failure-card.ts";
import { failureCard as failureCardMessage } from "../../../src/shared/message-parts.ts";
import { HOSTILE_LOGS } from "../../support/hostile-logs.ts";
import { cardOf } from "../../support/log-card.ts";

describe("what runners print", () => {
  test.each<[string, string, string, string]>([
    [
      "TAP of node:test",
      `TAP version 13
# Subtest: greets a name
ok 1 - greets a name
  ---
  duration_ms: 0.6
  ...
# Subtest: greets an empty name
not ok 2 - greets an empty name
  ---
  duration_ms: 1.2
  location: '/workspace/test/greet.test.js:41:1'
  failureType: 'testCodeFailure'
  error: |-
    Expected values to be strictly equal:
    'Hello, ' !== 'Hello, stranger'
  ...
1..2
# tests 2
# pass 1
# fail 1
`,
      "unit > greets an empty name",
      "test/greet.test.js:41",
    ],
    [
      "node:test's spec reporter",
      `✔ greets a name (0.5ms)
✖ greets an empty name (1.2ms)
ℹ tests 2
ℹ fail 1

✖ failing tests:

test at test/greet.test.js:40:1
✖ greets an empty name (1.2ms)
  AssertionError [ERR_ASSERTION]: Expected values to be strictly equal:
  'Hello, ' !== 'Hello, stranger'
      at TestContext.<anonymous> (file:///workspace/test/greet.test.js:41:10)
      at Test.runInAsyncScope (node:async_hooks:206:9)
`,
      "unit > greets an empty name",
      "test/greet.test.js:41",
    ],
    [
      "vitest, in colours",
      "\u001b[31m\u001b[1m\u001b[7m FAIL \u001b[27m\u001b[22m\u001b[39m test/greet.test.js\u001b[2m > \u001b[22mgreets an empty name\n\u001b[31m\u001b[1mAssertionError\u001b[22m: expected 'a' to be 'b'\u001b[39m\n\u001b[36m \u001b[2m❯\u001b[22m test/greet.test.js:\u001b[2m41:20\u001b[22m\u001b[39m\n",
      "unit > test/greet.test.js > greets an empty name",
      "test/greet.test.js:41",
    ],
    [
      "jest",
      `FAIL test/greet.test.js
  ● greet › empty name

    expect(received).toBe(expected)

      at Object.<anonymous> (test/greet.test.js:41:20)

Tests:       1 failed, 1 passed, 2 total
`,
      "unit > greet › empty name",
      "test/greet.test.js:41",
    ],
    [
      "pytest",
      `______________________ test_empty ______________________

    def test_empty():
>       assert greet("") == "Hello, stranger"
E       AssertionError: assert 'Hello, ' == 'Hello, stranger'

tests/test_greet.py:41: AssertionError
=================== short test summary info ====================
FAILED tests/test_greet.py::test_empty - AssertionError: assert 'Hello, '
================= 1 failed, 1 passed in 0.02s ==================
`,
      "unit > tests/test_greet.py::test_empty - AssertionError: assert 'Hello, '",
      "tests/test_greet.py:41",
    ],
    [
      "Python's unittest",
      `F.
======================================================================
FAIL: test_empty (test_greet.GreetTest)
----------------------------------------------------------------------
Traceback (most recent call last):
  File "/workspace/tests/test_greet.py", line 41, in test_empty
    self.assertEqual(greet(""), "Hello, stranger")
AssertionError: 'Hello, ' != 'Hello, stranger'

----------------------------------------------------------------------
Ran 2 tests in 0.000s

FAILED (failures=1)
`,
      "unit > test_empty (test_greet.GreetTest)",
      "tests/test_greet.py:41",
    ],
    [
      "go test, which names no folder",
      `=== RUN   TestEmpty
    greet_test.go:41: got "Hello, ", want "Hello, stranger"
--- FAIL: TestEmpty (0.00s)
FAIL
FAIL\texample.com/hello/pkg\t0.002s
FAIL
`,
      "unit > TestEmpty",
      "pkg/greet_test.go:41",
    ],
    [
      "bats",
      `1..2
ok 1 greets a name
not ok 2 greets an empty name
# (in test file t/greet.sh, line 41)
#   \`[ "$output" = "Hello, stranger" ]' failed
`,
      "unit > greets an empty name",
      "t/greet.sh:41",
    ],
    [
      "a shell script that names the place first",
      `t/greet.sh:12: expected Hello, a
FAIL: greets a
t/greet.sh:41: expected Hello, stranger
FAIL: greets nobody
2 tests failed
`,
      "unit > greets nobody",
      "t/greet.sh:41",
    ],
    [
      "a compiler",
      `make: Entering directory '/workspace'
cc -c -o hello.o src/hello.c
./src/hello.c: In function 'main':
./src/hello.c:41:5: error: expected ';' before '}' token
make: *** [Makefile:3: hello.o] Error 1
`,
      "unit > error: expected ';' before '}' token",
      "src/hello.c:41",
    ],
    [
      "a compiler under rpmbuild",
      `cd /builddir/build/BUILD/hello-1.0 && gcc -c src/hello.c
/builddir/build/BUILD/hello-1.0/src/hello.c:41:5: error: no
`,
      "unit > error: no",
      "src/hello.c:41",
    ],
    [
      "parentheses, as tsc prints",
      "src/greet.js(41,7): error TS2322: Type 'string' is not assignable\n",
      "unit > error TS2322: Type 'string' is not assignable",
      "src/greet.js:41",
    ],
    [
      "a shell",
      "t/greet.sh: line 41: gret: command not found\n",
      "unit > gret: command not found",
      "t/greet.sh:41",
    ],
    ["a path with a space", 'File "my tests/a.py", line 41\n', "unit exited 1", "my tests/a.py:41"],
    [
      "Rust",
      "test greets_empty ... FAILED\n\nthread 'greets_empty' panicked at src/greet.js:41:5:\n\ntest result: FAILED. 1 passed; 1 failed\n",
      "unit > greets_empty",
      "src/greet.js:41",
    ],
  ])("%s", (_, log, title, place) => {
    const card = cardOf(log);

    expect(card).toMatchObject({ title, evidence: "log", kind: "code", code: "STEP_FAILED" });
    expect(cardPlace(card)).toBe(place);
  });
});

/** How long each takes is a matter of `npm run bench -- card`: one that never ends never passes here. */
describe("hostile logs of 256 KiB", () => {
  test.each(HOSTILE_LOGS.map(({ name, text }) => [name, text] as const))("of %s", (_, text) => {
    const card = cardOf(text);

    expect(failureCardMessage.parse(card)).toEqual(card);
    expect(card.excerpt.split("\n").length).toBeLessThanOrEqual(20);
  });
});
