import type { PlannedTest } from "../../src/domain/job-spec.ts";
import type { Image } from "./engine.ts";
import type { BuildJob } from "./job-parts.ts";
import { plainRelease } from "./package/version.ts";
import { prepareTests } from "./prepare.ts";
import type { Prepared } from "./prepare.ts";
import { restoreFor } from "./test-cache.ts";
import { waitingRoom } from "./waiting-room.ts";

/** Of the first package; a version that cannot be told is told by the package's own step. */
async function versionVariables({ versions }: BuildJob) {
  const [first] = versions.values();
  const version = await first?.catch(() => null);
  return {
    packageVersion: version?.version ?? "",
    packageRelease: version == null ? "" : plainRelease(version),
  };
}

/** Where tests run: for each image of the job, what was prepared in it. */
export interface Rooms {
  /** The image is there: what was prepared for another is not used. */
  arrived(key: string, image: Image): void;
  of(key: string): Promise<Prepared>;
}

/** While an image is built, containers start in the one that the last builds had. */
export function openRooms(build: BuildJob): Rooms {
  const { job, spec, images } = build;
  const version = versionVariables(build);
  const waiting = waitingRoom();
  const prepare = (key: string, image: Image, isSecond: boolean, room = waiting): Prepared => {
    const kept = (test: PlannedTest) => build.kept.of(test.needs);
    return prepareTests(job, {
      ...build,
      key,
      image,
      isSecond,
      version,
      waiting: room,
      kept,
      restore: restoreFor(build, key),
    });
  };
  const rooms = new Map(
    spec.images.map((planned) => {
      const { key } = planned;
      const expected = planned.step === null ? undefined : images.expected(key);
      const early = expected && prepare(key, expected, false);
      const { promise, resolve, reject } = Promise.withResolvers<Prepared>();
      promise.catch(() => undefined);
      const arrived = (image: Image): void => {
        if (early === undefined || early.image.id === image.id) {
          waiting.widen();
          return resolve(early ?? prepare(key, image, false));
        }
        early.abandon();
        // Those that wait in an image that the job does not have are never let go.
        const room = waitingRoom();
        room.widen();
        resolve(prepare(key, image, true, room));
      };
      // One without a step is looked up at once, and whoever needs it hears of its fault.
      if (planned.step === null) images.find(key).then(arrived).catch(reject);
      return [key, { promise, arrived }] as const;
    }),
  );
  return {
    arrived: (key, image) => rooms.get(key)?.arrived(image),
    of: async (key) => {
      const room = rooms.get(key);
      if (room === undefined) throw new Error(`The job has no image "${key}".`);
      return await room.promise;
    },
  };
}
