/** Data types of header entries, as in the file. */
export const TYPE = {
  char: 1,
  int8: 2,
  int16: 3,
  int32: 4,
  int64: 5,
  string: 6,
  binary: 7,
  stringArray: 8,
  i18nString: 9,
} as const;

/** Bytes per item, which is the alignment too. Texts have no fixed size. */
export const TYPE_BYTES: readonly (number | undefined)[] = [
  undefined,
  1,
  1,
  2,
  4,
  8,
  undefined,
  1,
  undefined,
  undefined,
];

/** Tags of the signature header. Not all are in the range that is kept for them. */
export const SIGNATURE_TAG = {
  region: 62,
  dsaOverHeader: 267,
  rsaOverHeader: 268,
  sha1OfHeader: 269,
  longSize: 270,
  longArchiveSize: 271,
  sha256OfHeader: 273,
  /** rpm 6: any number of OpenPGP signatures, in base64. */
  openPgp: 278,
  size: 1000,
  pgpOverAll: 1002,
  md5OfAll: 1004,
  gpgOverAll: 1005,
  archiveSize: 1007,
} as const;

/** Tags of the main header that are read in more than one place; the others are where they are read. */
export const TAG = {
  region: 63,
  name: 1000,
  archiveSize: 1046,
  sourcePackage: 1106,
  payloadDigest: 5092,
  /** Of the payload before compression. */
  payloadDigestAlt: 5097,
} as const;

/** Would be taken for those of the signature header: librpm merges the two. */
export const SIGNATURE_ONLY_TAGS: ReadonlySet<number> = new Set([
  257, 259, 261, 262, 267, 268, 269, 270, 271, 273, 276, 277,
]);

/** The types that rpm 4.18 demands of the tags that it knows (its rpmtag.h), in ranges. */
const DEMANDED: readonly (readonly [number, string])[] = [
  [TYPE.char, "1029"],
  [TYPE.int16, "1030 1033"],
  [
    TYPE.int32,
    "257 277 1003 1006 1008-1009 1028 1034 1037 1045-1046 1048 1051-1053 1068-1069 1080 1095-1096 " +
      "1106 1112 1114 1116 1119 1127-1129 1134 1140-1141 1143-1145 1158 1161 1195 5011 5017-5027 " +
      "5032-5033 5037 5045 5048 5051 5054 5057 5068 5070 5072 5078 5080 5082 5084-5085 5091 5093",
  ],
  [TYPE.int64, "270-271 5008-5009"],
  [TYPE.binary, "259 261-262 267-268 1012-1013 1043 1146"],
  [
    TYPE.string,
    "100 266 269 273 276 1000-1002 1004-1005 1007 1010-1011 1014-1016 1018-1027 1035-1036 " +
      "1039-1040 1044 1047 1049-1050 1054-1055 1059-1062 1064-1067 1079 1081-1082 1085-1092 1094 " +
      "1097-1099 1113 1115 1117-1118 1120-1126 1132-1133 1135 1142 1147-1157 1159-1160 1196 " +
      "5000-5002 5005-5007 5010 5012-5016 5030-5031 5034-5036 5040-5044 5046-5047 5049-5050 " +
      "5052-5053 5055-5056 5058-5062 5066-5067 5069 5071 5076-5077 5079 5081 5086-5090 5092 5096-5101",
  ],
];

const DEMANDED_TYPE: ReadonlyMap<number, number> = new Map(
  DEMANDED.flatMap(([type, ranges]) => tagsIn(ranges).map((tag) => [tag, type] as const)),
);

/** May an entry with this tag have this type? The three kinds of text may stand for each other. */
export function isLegalType(tag: number, type: number): boolean {
  const demanded = DEMANDED_TYPE.get(tag);
  return demanded === undefined || demanded === (isText(type) ? TYPE.string : type);
}

export function isText(type: number): boolean {
  return type === TYPE.string || type === TYPE.stringArray || type === TYPE.i18nString;
}

function tagsIn(ranges: string): readonly number[] {
  return ranges.split(" ").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}
