import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { once } from "node:events";
import { expect, test } from "vitest";
import { aFreePort } from "../support/free-port.ts";
import { startUp, upFolder } from "../support/start-up.ts";

test("up says before it is ready that an external Redis cannot be reached, and where", async () => {
  await using place = await upFolder();
  const port = await aFreePort();
  const env = { TATARA_REDIS_URL: `redis://me:hidden-word@127.0.0.1:${port}` };

  const up = startUp(place.dataDir, [], env);
  await up.lineLike(/^(ready in)/);

  const said = up.lines();
  const warning = said.findIndex((line) => /^ {2}warn {2}redis/.test(line));
  expect(said[warning]).toContain(
    `cannot reach 127.0.0.1:${port} (ECONNREFUSED): builds start up to 30 s late, nothing is lost`,
  );
  expect(warning).toBeLessThan(said.findIndex((line) => line.startsWith("ready in")));
  up.child.kill("SIGTERM");
  await up.end();
  expect(said.join("\n") + up.complaints()).not.toContain("hidden-word");
  expect(up.complaints()).toContain(`Redis cannot reach 127.0.0.1:${port} (ECONNREFUSED)`);
});

test("up names a setting that nobody reads, and the one that was meant", async () => {
  await using place = await upFolder();

  const up = startUp(place.dataDir, [], { TATARA_PROT: "8081" });
  const said = await up.lineLike(/^ {2}warn {2}settings +(.+)/);

  expect(said).toBe("TATARA_PROT is not known, did you mean TATARA_PORT?");
  up.child.kill("SIGTERM");
  await up.end();
});

test("up says once that its port is taken, and does not try again", async () => {
  await using place = await upFolder();
  await using taken = await listen();

  const up = startUp(place.dataDir, [], { TATARA_PORT: String(taken.port) });

  expect(await up.end()).toBe(2);
  expect(up.complaints().match(/EADDRINUSE/g)).toHaveLength(1);
  expect(up.complaints()).toContain("Stop what listens there, or set TATARA_PORT.");
  expect(up.complaints()).not.toContain("starts again");
});

test("up says once that its folder is half restored", async () => {
  await using place = await upFolder();
  await writeFile(join(place.dataDir, "restore-unfinished"), "/backups/one\n");

  const up = startUp(place.dataDir, []);

  expect(await up.end()).toBe(2);
  expect(up.complaints().trim().split("\n")).toEqual([
    `${place.dataDir} is half restored. Do it again first: tatara restore /backups/one`,
  ]);
});

test("up says without a stack trace that the data folder is a file", async () => {
  await using place = await upFolder();
  const file = join(place.dataDir, "notes");
  await writeFile(file, "");

  const up = startUp(file, []);

  expect(await up.end()).toBe(2);
  expect(up.complaints()).toContain(`TATARA_DATA_DIR=${file}: this is a file, or lies in one`);
  expect(up.complaints()).not.toContain("    at ");
});

async function listen() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      server.close();
      await once(server, "close");
    },
  };
}
