import { Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import type { Image } from "../../workers/build/engine.ts";
import {
  buildFrom,
  docker,
  engine,
  filesAt,
  never,
  newJob,
  runToEnd,
  tarOf,
} from "../support/engine-rig.ts";
import type { TestJob } from "../support/engine-rig.ts";

describe("the workspace", () => {
  const workspaceOf = (job: TestJob, image: Image, files: Record<string, string>) =>
    engine.createWorkspace(
      { owner: job.owner("workspace"), image, steps: ["step"], tree: (by) => tarOf(files, by) },
      never,
    );

  test("belongs to the image's own user, looked up in the image", async () => {
    await using built = await buildFrom(
      "RUN useradd --uid 4321 --home-dir /srv/builder builder\nUSER builder\n",
    );
    const { job, image } = built;
    const workspace = await workspaceOf(job, image, { "a.txt": "a" });

    const { output } = await runToEnd(
      engine,
      job.spec("step", ["sh", "-c", "touch new && stat -c '%n %u %g' . a.txt new"], {
        image,
        workingDir: "/workspace",
        volumes: { [workspace.volumeFor("step")]: "/workspace" },
      }),
    );

    expect(workspace).toMatchObject({ uid: 4321, gid: 4321, home: "/srv/builder" });
    expect(output).toBe(". 4321 4321\na.txt 4321 4321\nnew 4321 4321\n");
  });

  test("a user by number, with a group by name", async () => {
    await using built = await buildFrom("USER 5555:daemon\n");

    const workspace = await workspaceOf(built.job, built.image, {});

    expect(workspace).toMatchObject({ uid: 5555, gid: 1, home: "/" });
  });

  test("a user that the image does not have is the user's fault", async () => {
    await using built = await buildFrom("USER nosuchuser\n");

    const making = workspaceOf(built.job, built.image, {});

    await expect(making).rejects.toMatchObject({ code: "DOCKERFILE_INVALID" });
  });

  test("what the image has at that place is not mixed in", async () => {
    await using built = await buildFrom("RUN mkdir /workspace && touch /workspace/from-image\n");
    const { job, image } = built;
    const workspace = await workspaceOf(job, image, { "pushed.txt": "x" });

    const { output } = await runToEnd(
      engine,
      job.spec("step", ["ls", "/workspace"], {
        image,
        volumes: { [workspace.volumeFor("step")]: "/workspace" },
      }),
    );

    expect(output).toBe("pushed.txt\n");
  });

  test("made again by the same attempt it has only the new files", async () => {
    const { job, image } = await newJob();
    await using _job = job;
    await workspaceOf(job, image, { "old.txt": "old" });
    await engine.removeAllOf({ jobId: job.jobId, attempt: 1 }, never);

    const workspace = await workspaceOf(job, image, { "new.txt": "new" });

    const volumes = { [workspace.volumeFor("step")]: "/workspace" };
    const { container } = await runToEnd(engine, job.spec("step", ["true"], { volumes }));
    expect(await filesAt(container, "/workspace")).toEqual({ "workspace/new.txt": "new" });
  });

  test("a tree that cannot be read to its end fails as itself", async () => {
    const { job, image } = await newJob();
    await using _job = job;
    const broken = new Error("git ended with 128");
    const tree: Readable = new Readable({ read: () => void tree.destroy(broken) });

    const making = engine.createWorkspace(
      { owner: job.owner("workspace"), image, steps: ["step"], tree: () => tree },
      never,
    );

    await expect(making).rejects.toBe(broken);
  });

  test("volumes of the image's own go with the container", async () => {
    await using built = await buildFrom("VOLUME /data\n");
    const { container } = await runToEnd(
      engine,
      built.job.spec("step", ["true"], { image: built.image }),
    );
    const { Mounts: mounts } = await docker.getContainer(container.id).inspect();

    await container.remove(never);

    expect(mounts).toHaveLength(1);
    const volume = docker.getVolume(mounts[0]?.Name ?? "");
    await expect(volume.inspect()).rejects.toMatchObject({ statusCode: 404 });
  });
});
