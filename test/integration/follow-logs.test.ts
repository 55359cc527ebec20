import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { followLogs } from "../../workers/build/docker/follow-logs.ts";
import { BASE_IMAGE, docker, never } from "../support/engine-rig.ts";

const LINES = 1_200;

/** Enough for its log driver to drop the oldest lines several times while it runs. */
const WRITER = `i=0
while [ $i -lt ${LINES} ]; do
  i=$((i+1)); echo "line $i $(printf %080d $i)"
  [ $((i % 100)) -ne 0 ] || sleep 0.4
done`;

test("output that the engine drops while it is followed is announced, and the newest is not lost", async () => {
  const container = await docker.createContainer({
    Image: BASE_IMAGE,
    Entrypoint: ["sh", "-c", WRITER],
    HostConfig: { LogConfig: { Type: "local", Config: { "max-size": "16k", "max-file": "2" } } },
  });
  try {
    const exited = container.wait({ condition: "next-exit" }).then(() => undefined);
    await container.start();
    const chunks: Buffer[] = [];

    await followLogs(
      container,
      {
        from: undefined,
        isNote: () => false,
        onPiece: async ({ bytes }) => void chunks.push(bytes),
        onHeard: () => undefined,
        exited: exited.then(() => sleep(100)),
      },
      never,
    );

    const output = Buffer.concat(chunks).toString();
    expect(output).toContain("the engine has dropped the oldest output");
    expect(output).toMatch(new RegExp(`\\nline ${LINES} 0*${LINES}\\n$`));
  } finally {
    await container.remove({ force: true });
  }
});
