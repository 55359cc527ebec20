import type { Service } from "../domain/pipeline.ts";
import { DURATION_UNITS, SIZE_UNITS } from "../domain/pipeline-types.ts";
import { mapOf, numberOf, textEntries, textOf, textsOf, valueOf } from "./pipeline-checked.ts";
import type { Checked, CheckedMap } from "./pipeline-checked.ts";
import { readEnv } from "./pipeline-defaults.ts";
import { readImage } from "./pipeline-image.ts";
import { checkTemplates } from "./pipeline-reading.ts";
import type { Reading, Scope } from "./pipeline-reading.ts";
import type { SecretScope } from "./pipeline-secrets.ts";

const READY_TIMEOUT_MS = 60 * DURATION_UNITS.s;

/** Services by name. */
export type Services = ReadonlyMap<string, FoundService>;

export interface FoundService {
  /** Undefined when it was refused. */
  readonly service: Service | undefined;
  readonly value: Checked | undefined;
}

/** Which matrix a template means is known only at the steps that use the service. */
export function readServices(
  map: CheckedMap | undefined,
  folder: string,
  reading: Reading,
): Services {
  const scope: SecretScope = { folder, variables: undefined, runsOnPullRequests: false };
  const entries = [...(map?.entries.values() ?? [])];
  return new Map(
    entries.map(({ key, value }) => {
      return [key, { value, service: readService(key, value, scope, reading) }];
    }),
  );
}

/** Refuses templates that a step which uses the service has no matrix for. */
export function checkServiceTemplates(
  { value }: FoundService,
  variables: readonly string[] | undefined,
  reading: Reading,
): void {
  const scope: Scope = { folder: "", variables };
  const image = value?.kind === "map" ? valueOf(value, "image") : value;
  if (image?.kind === "text") checkTemplates(image, scope, reading);
  const env = value?.kind === "map" ? mapOf(value, "env") : undefined;
  for (const entry of textEntries(env)) checkTemplates(entry.value, scope, reading);
}

function readService(
  name: string,
  value: Checked | undefined,
  scope: SecretScope,
  reading: Reading,
): Service | undefined {
  if (value?.kind === "map") return readServiceMap(name, value, scope, reading);
  const image = readImage(value, scope, reading);
  if (image === undefined) return undefined;
  return {
    name,
    image,
    command: null,
    env: {},
    ready: null,
    readyTimeoutMs: READY_TIMEOUT_MS,
    cpus: 1,
    memoryBytes: SIZE_UNITS.g,
  };
}

function readServiceMap(
  name: string,
  map: CheckedMap,
  scope: SecretScope,
  reading: Reading,
): Service | undefined {
  const service = readService(name, valueOf(map, "image"), scope, reading);
  // Tatara sets nothing in a service, so no name is taken there.
  const env = readEnv(map, scope, reading, false);
  if (service === undefined) return undefined;
  const resources = mapOf(map, "resources");
  return {
    ...service,
    command: textsOf(map, "command")?.map(({ value }) => value) ?? null,
    env,
    ready: textOf(map, "ready")?.value ?? null,
    readyTimeoutMs: numberOf(map, "ready-timeout") ?? service.readyTimeoutMs,
    cpus: (resources && numberOf(resources, "cpus")) ?? service.cpus,
    memoryBytes: (resources && numberOf(resources, "memory")) ?? service.memoryBytes,
  };
}
