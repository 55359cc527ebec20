/** As much of a card as says which failure it is. */
export interface FailureName {
  readonly code: string;
  readonly step: string | null;
  readonly title: string;
  readonly file: string | null;
}

/** Whether two builds failed of the same thing. Lines move and numbers differ; names stay. */
export function isSameFailure(a: FailureName, b: FailureName): boolean {
  return (
    a.code === b.code && a.step === b.step && a.file === b.file && named(a.title) === named(b.title)
  );
}

function named(title: string): string {
  return title.replace(/0x[0-9a-f]+|\d+/gi, "#");
}
