import type { AdoptedContainer, AdoptedService } from "../engine.ts";
import type { RecoveredLog } from "../log/step-log.ts";
import type { EndedStep, OpenedTest } from "./journal.ts";

/** A test that went on while its worker was away. */
export interface AdoptedTest {
  readonly opened: OpenedTest;
  readonly container: AdoptedContainer;
  readonly services: readonly AdoptedService[];
}

/** What an attempt knows of its earlier lives; the first one knows nothing. */
export interface JobMemory {
  /** 1 for the first. */
  readonly life: number;
  readonly ended: ReadonlyMap<string, EndedStep>;
  readonly adopted: ReadonlyMap<string, AdoptedTest>;
  readonly logs: ReadonlyMap<string, RecoveredLog>;
}

export const FIRST_LIFE: JobMemory = {
  life: 1,
  ended: new Map(),
  adopted: new Map(),
  logs: new Map(),
};
