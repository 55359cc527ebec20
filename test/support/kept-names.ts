/** A failed step's container, kept for `tatara shell`: prefix of its job's things, job, attempt. */
export const KEPT_NAME = /^container \/tatara-kept-\d+-(tatara-(.+?)-(\d+)-)/;

/**
 * What is left on the engine, without what is meant to be: the container of a failed step, which
 * outlives its job for a while, and the volumes that it needs.
 */
export function withoutKept(names: readonly string[]): readonly string[] {
  const kept = names.flatMap((name) => KEPT_NAME.exec(name)?.[1] ?? []);
  return names.filter(
    (name) => !KEPT_NAME.test(name) && !kept.some((prefix) => name.startsWith(`volume ${prefix}`)),
  );
}
