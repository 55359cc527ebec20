import type { RequestListener } from "node:http";
import { z } from "zod";

/** What the real app answers at: taken from its routers, so that no list of ours can forget one. */
export interface AppRoutes {
  /** `GET /api/builds/:id`, each once. */
  readonly routes: readonly string[];
  /** Paths of handlers that are no routes: guards, and what could be a door that is not listed. */
  readonly guards: readonly string[];
}

const paths = z.union([z.string(), z.array(z.string())]);
const layer = z.object({
  rawPath: paths.optional(),
  route: z.object({ path: paths, methods: z.record(z.string(), z.boolean()) }).optional(),
  handle: z.unknown(),
});
const stack = z.object({ stack: z.array(z.unknown()) });

export function routesOf(app: RequestListener): AppRoutes {
  const { router } = z.object({ router: z.unknown() }).parse(partsOf(app));
  const found = walk(router, "");
  return {
    routes: [...new Set(found.flatMap(({ route }) => route ?? []))].toSorted(),
    guards: [...new Set(found.flatMap(({ guard }) => guard ?? []))].toSorted(),
  };
}

interface Found {
  readonly route?: string;
  readonly guard?: string;
}

function walk(router: unknown, mount: string): readonly Found[] {
  return stack.parse(partsOf(router)).stack.flatMap((one): readonly Found[] => {
    const { rawPath = "/", route, handle } = layer.parse(partsOf(one));
    if (route !== undefined) {
      const methods = Object.keys(route.methods).map((method) => method.toUpperCase());
      return all(route.path).flatMap((path) =>
        methods.map((method) => ({ route: `${method} ${mount}${path}` })),
      );
    }
    const below = all(rawPath).map((path) => mount + (path === "/" ? "" : path));
    const isRouter = stack.safeParse(partsOf(handle)).success;
    if (isRouter) return below.flatMap((path) => walk(handle, path));
    return below.filter((path) => path !== "").map((guard) => ({ guard }));
  });
}

/** Of a function too, which a schema of objects would not look into. */
function partsOf(value: unknown): object {
  const { router, stack: layers, rawPath, route, handle } = value as Record<string, unknown>;
  return Object.fromEntries(
    Object.entries({ router, stack: layers, rawPath, route, handle }).filter(
      ([, part]) => part !== undefined,
    ),
  );
}

function all(path: string | readonly string[]): readonly string[] {
  return typeof path === "string" ? [path] : path;
}
