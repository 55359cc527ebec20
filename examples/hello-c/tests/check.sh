#!/bin/bash
# Runs the program given and compares what it prints. The output is TAP: one line per test.
set -u
hello=$1
number=0
failures=0

# is <name> <expected> <seen>
is() {
  number=$((number + 1))
  if [ "$3" = "$2" ]; then
    echo "ok $number - $1"
    return
  fi
  failures=$((failures + 1))
  echo "not ok $number - $1"
  echo "# tests/check.sh:${BASH_LINENO[0]}: expected \"$2\", got \"$3\""
}

# status <command...>: prints its exit status only
status() {
  "$@" > /dev/null 2>&1
  echo $?
}

is 'greets the world when nobody is named' 'Hello, world' "$("$hello")"
is 'greets by name' 'Hello, Ann' "$("$hello" Ann)"
is 'greets an empty name' 'Hello, stranger' "$("$hello" '')"
is 'greets a name with a space' 'Hello, Ann Lee' "$("$hello" 'Ann Lee')"
is 'greets a name in another script' 'Hello, 太郎' "$("$hello" 太郎)"
is 'greets everybody, in order' $'Hello, Ann\nHello, Bob' "$("$hello" Ann Bob)"
is 'greets loudly' 'Hello, Ann!' "$("$hello" --loud Ann)"
is 'greets the world loudly' 'Hello, world!' "$("$hello" --loud)"
is 'prints how it is used' 'Usage: hello [--loud] [name...]' "$("$hello" --help)"
is 'refuses an option that it does not know' 2 "$(status "$hello" --shout)"
is 'ends with status 0' 0 "$(status "$hello" Ann)"
is 'has the version of its spec file' \
  "$(sed -n 's/^Version: *//p' hello.spec)" "$("$hello" --version)"

echo "1..$number"
[ "$failures" = 0 ]
