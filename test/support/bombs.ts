/** A step that hurts, and what must come of it. */
export interface Bomb {
  readonly run: string;
  /** Keys of the step beside `run`. */
  readonly limits?: string;
  /** Of the step; a code means that it fails. */
  readonly ends: "passed" | { readonly code: string; readonly title: RegExp };
  /** What its log says, as people read it. */
  readonly log?: RegExp;
}

const MEMORY = "resources: { memory: 128m, cpus: 1 }";
const SMALL_DISK = "resources: { disk: 100m, cpus: 1 }";
const FEW_PIDS = "resources: { pids: 64, cpus: 1 }";
const ONE_CPU = "resources: { cpus: 1 }";

/** One of each kind that a test step may be. Each is over within seconds, one way or the other. */
export const BOMBS: Readonly<Record<string, Bomb>> = {
  hang: {
    run: "echo begins; sleep 600",
    limits: `idle-timeout: 3s, ${ONE_CPU}`,
    ends: { code: "STEP_SILENT", title: /printed nothing for/ },
  },
  endless: {
    run: "while :; do echo tick; sleep 0.2; done",
    limits: `timeout: 4s, ${ONE_CPU}`,
    ends: { code: "STEP_TIMEOUT", title: /ran longer than/ },
  },
  "deaf-to-sigterm": {
    run: "trap '' TERM INT HUP; while :; do echo tick; sleep 0.2; done",
    limits: `timeout: 3s, ${ONE_CPU}`,
    ends: { code: "STEP_TIMEOUT", title: /ran longer than/ },
  },
  flood: {
    run: "yes 0123456789abcdef | head -c 150000000; echo the end",
    limits: ONE_CPU,
    ends: "passed",
    log: /left out[\s\S]*the end\n$/,
  },
  "one-line": {
    run: "head -c 104857600 /dev/zero | tr '\\0' x; echo; echo the end",
    limits: ONE_CPU,
    ends: "passed",
    log: /the end\n$/,
  },
  garbage: {
    run: "head -c 3000000 /dev/urandom; printf '\\033]52;c;AAAA\\007\\033[2J\\033[8m\\342\\200\\256\\000\\377\\n'; echo the end",
    limits: ONE_CPU,
    ends: "passed",
    log: /the end\n$/,
  },
  "fork-bomb": {
    run: "perl -e 'while (1) { my $pid = fork; die qq(forker: fork: $!\\n) if !defined $pid; next if $pid; sleep 600 }'",
    limits: FEW_PIDS,
    ends: { code: "STEP_FAILED", title: /Resource temporarily unavailable/ },
  },
  memory: {
    run: "perl -e '$x .= q(x) x 1048576 while 1'",
    limits: MEMORY,
    ends: { code: "OUT_OF_MEMORY", title: /used its 128 MiB of memory/ },
  },
  "hidden-memory": {
    run: "perl -e '$x .= q(x) x 1048576 while 1' | cat; echo passed all the same",
    limits: MEMORY,
    ends: { code: "OUT_OF_MEMORY", title: /used its 128 MiB of memory/ },
    log: /passed all the same/,
  },
  tmp: {
    run: "dd if=/dev/zero of=/tmp/big bs=1M count=2000",
    limits: ONE_CPU,
    ends: { code: "STEP_FAILED", title: /No space left on device/ },
  },
  shm: {
    run: "dd if=/dev/zero of=/dev/shm/big bs=1M count=2000",
    limits: ONE_CPU,
    ends: { code: "STEP_FAILED", title: /No space left on device/ },
  },
  "own-layer": {
    run: "dd if=/dev/zero of=/big bs=1M count=300; sleep 600",
    limits: SMALL_DISK,
    ends: { code: "DISK_LIMIT", title: /wrote more than its/ },
  },
  workspace: {
    run: "dd if=/dev/zero of=big bs=1M count=300; sleep 600",
    limits: SMALL_DISK,
    ends: { code: "DISK_LIMIT", title: /wrote more than its/ },
  },
  zombies: {
    run: "perl -e 'for (1..200) { exit 0 if !fork } print qq(born\\n); sleep 1'",
    limits: ONE_CPU,
    ends: "passed",
    log: /born/,
  },
  daemons: {
    run: "setsid sh -c 'setsid sh -c \"trap : TERM; while :; do sleep 1; done\" & setsid sleep 600 &' > /dev/null 2>&1; echo gone",
    limits: ONE_CPU,
    ends: "passed",
    log: /gone/,
  },
  "open-files": {
    run: "perl -e 'for (1..100000) { open(my $f, q(<), q(/dev/null)) or die qq(opener: file $_: $!\\n); push @f, $f }'",
    limits: ONE_CPU,
    ends: { code: "STEP_FAILED", title: /Too many open files/ },
  },
  "huge-environment": {
    run: "X=$(head -c 3000000 /dev/zero | tr '\\0' x); export X; /bin/true",
    limits: ONE_CPU,
    ends: { code: "STEP_FAILED", title: /Argument list too long/ },
  },
  "delete-all": {
    run: "rm -rf --no-preserve-root / 2> /dev/null || echo survived",
    limits: ONE_CPU,
    ends: "passed",
    log: /survived/,
  },
};
