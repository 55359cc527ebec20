import { XML } from "../../../src/yum/documents.ts";
import { escapeAttribute, escapeText } from "../../../src/yum/rpm/xml-text.ts";
import type { ListedPackage } from "../../../src/yum/target-state.ts";
import type { ListedAdvisory } from "../../../src/shared/package-messages.ts";

/** An advisory and those of its packages that a target lists. */
export interface TargetAdvisory {
  readonly advisory: ListedAdvisory;
  readonly packages: readonly ListedPackage[];
}

// oxlint-disable-next-line no-control-regex -- what no XML document may hold
const FORBIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g;
const NEVRA =
  /^(?<name>.+)-(?:(?<epoch>\d+):)?(?<version>[^-:]+)-(?<release>[^-]+)\.(?<arch>[^.-]+)$/;

/** `updateinfo.xml` of a target, as Fedora's and EL's repositories have it. */
export function updateinfoXml(target: string, advisories: readonly TargetAdvisory[]): string {
  return `${XML}\n<updates>\n${advisories.map((each) => updateXml(target, each)).join("")}</updates>\n`;
}

function updateXml(target: string, { advisory, packages }: TargetAdvisory): string {
  const issued = new Date(advisory.issuedAt).toISOString().replace("T", " ").slice(0, 19);
  return `  <update from="tatara" status="stable" type="${advisory.type}" version="1">
    <id>${text(advisory.id)}</id>
    <title>${text(advisory.title)}</title>
    <severity>${advisory.severity}</severity>
    <release>${text(target)}</release>
    <issued date="${issued}"/>
    <updated date="${issued}"/>
    <description>${text(advisory.description)}</description>
    <references>
${advisory.references.map(referenceXml).join("")}    </references>
    <pkglist>
      <collection short="${attribute(target)}">
        <name>${text(target)}</name>
${packages.map((each) => packageXml(each, advisory.rebootSuggested)).join("")}      </collection>
    </pkglist>
  </update>
`;
}

function referenceXml({ type, id, href, title }: ListedAdvisory["references"][number]): string {
  return `      <reference href="${attribute(href)}" id="${attribute(id)}" type="${type}" title="${attribute(title)}"/>\n`;
}

function packageXml({ nevra, fileName, sha256 }: ListedPackage, isReboot: boolean): string {
  const {
    name = "",
    epoch = "0",
    version = "",
    release = "",
    arch = "",
  } = NEVRA.exec(nevra)?.groups ?? {};
  const of = Object.entries({ name, version, release, epoch, arch });
  const reboot = isReboot ? "\n          <reboot_suggested>True</reboot_suggested>" : "";
  return `        <package ${of.map(([key, value]) => `${key}="${attribute(value)}"`).join(" ")}>
          <filename>${text(fileName)}</filename>
          <sum type="sha256">${sha256}</sum>${reboot}
        </package>
`;
}

function text(value: string): string {
  return escapeText(value.replaceAll(FORBIDDEN, "").toWellFormed());
}

function attribute(value: string): string {
  return escapeAttribute(value.replaceAll(FORBIDDEN, "").toWellFormed());
}
