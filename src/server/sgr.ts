/**
 * A terminal style packed into one number: foreground and background (0 none, else palette colour
 * plus 1) and six flags. A number is cheap to compare and to keep for every 256th row of a log.
 */
export type SgrStyle = number;

export const PLAIN: SgrStyle = 0;
const BACKGROUND_SHIFT = 5;
const COLOUR_MASK = 31;
const BOLD = 1 << 10;
const DIM = 1 << 11;
const ITALIC = 1 << 12;
const UNDERLINE = 1 << 13;
const STRIKE = 1 << 14;
const INVERSE = 1 << 15;

const FLAG_NAMES = [
  [BOLD, "bo"],
  [ITALIC, "it"],
  [UNDERLINE, "un"],
  [STRIKE, "st"],
] as const;

/** The style after `ESC [ params m`. Unknown parameters change nothing. */
export function applySgr(params: string, before: SgrStyle): SgrStyle {
  // Nearly all are one short number.
  if (params.length < 3 && !/[;:]/.test(params)) return applyCode(Number(params), before);
  let style = before;
  const parts = params.split(";");
  for (let at = 0; at < parts.length; at += 1) {
    const part = parts[at] ?? "";
    if (part.includes(":")) {
      style = applyColonForm(part, style);
      continue;
    }
    const code = part === "" ? 0 : Number(part);
    if (code === 38 || code === 48 || code === 58) {
      const colour = extendedColour(parts.slice(at + 1, at + 5).map(Number));
      at += colour.used;
      if (code !== 58) style = withColour(style, code === 48, colour.index);
    } else {
      style = applyCode(code, style);
    }
  }
  return style;
}

/** CSS classes of a style. With a background the text is drawn in the page's own background colour. */
export function classesOf(style: SgrStyle): string {
  if (style === PLAIN) return "";
  const [foreground, background] = drawnColours(style);
  const names: string[] = [];
  if (background > 0) names.push(`b${background - 1}`);
  else if (foreground > 0) names.push(`f${foreground - 1}`);
  else if (style & DIM) names.push("di");
  for (const [flag, name] of FLAG_NAMES) {
    if (style & flag) names.push(name);
  }
  return names.join(" ");
}

/** Colour 17 stands for "text on its head": inverse video without a colour of its own. */
const INVERSE_TEXT = 17;

function drawnColours(style: SgrStyle): readonly [foreground: number, background: number] {
  const foreground = style & COLOUR_MASK;
  const background = (style >> BACKGROUND_SHIFT) & COLOUR_MASK;
  if (!(style & INVERSE)) return [foreground, background];
  return [background, foreground === 0 ? INVERSE_TEXT : foreground];
}

function applyCode(code: number, style: SgrStyle): SgrStyle {
  if (code >= 30 && code <= 37) return withColour(style, false, code - 30);
  if (code >= 90 && code <= 97) return withColour(style, false, code - 90 + 8);
  if (code >= 40 && code <= 47) return withColour(style, true, code - 40);
  if (code >= 100 && code <= 107) return withColour(style, true, code - 100 + 8);
  switch (code) {
    case 0:
      return PLAIN;
    case 1:
      return style | BOLD;
    case 2:
      return style | DIM;
    case 3:
      return style | ITALIC;
    case 4:
    case 21:
      return style | UNDERLINE;
    case 7:
      return style | INVERSE;
    case 9:
      return style | STRIKE;
    case 22:
      return style & ~(BOLD | DIM);
    case 23:
      return style & ~ITALIC;
    case 24:
      return style & ~UNDERLINE;
    case 27:
      return style & ~INVERSE;
    case 29:
      return style & ~STRIKE;
    case 39:
      return style & ~COLOUR_MASK;
    case 49:
      return style & ~(COLOUR_MASK << BACKGROUND_SHIFT);
    default:
      return style;
  }
}

/** `38:2::255:0:0`, `38:5:196`, `4:3`: one parameter with parts of its own. */
function applyColonForm(part: string, style: SgrStyle): SgrStyle {
  const [code = "", ...rest] = part.split(":");
  if (code === "4") return rest[0] === "0" ? style & ~UNDERLINE : style | UNDERLINE;
  if (code !== "38" && code !== "48") return style;
  // The form with a colour space has one part more: 38:2:<space>:r:g:b.
  const numbers = rest.length > 4 ? [rest[0], ...rest.slice(2)] : rest;
  return withColour(style, code === "48", extendedColour(numbers.map(Number)).index);
}

function extendedColour(numbers: readonly number[]): { index: number; used: number } {
  const [kind, a = Number.NaN, b = 0, c = 0] = numbers;
  if (kind === 5) return { index: paletteOf256(a), used: 2 };
  if (kind === 2) return { index: nearestColour(a, b, c), used: 4 };
  return { index: -1, used: numbers.length === 0 ? 0 : 1 };
}

function withColour(style: SgrStyle, isBackground: boolean, index: number): SgrStyle {
  if (!(index >= 0 && index <= 15)) return style;
  if (!isBackground) return (style & ~COLOUR_MASK) | (index + 1);
  // A black background is the terminal itself; drawing it would put a box around plain text.
  const background = index === 0 ? 0 : index + 1;
  return (style & ~(COLOUR_MASK << BACKGROUND_SHIFT)) | (background << BACKGROUND_SHIFT);
}

const CUBE_LEVELS = [0, 95, 135, 175, 215, 255] as const;

function paletteOf256(index: number): number {
  if (!(index >= 0 && index <= 255)) return -1;
  if (index < 16) return index;
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return nearestColour(grey, grey, grey);
  }
  const level = (step: number): number => CUBE_LEVELS[step] ?? 0;
  const cube = index - 16;
  return nearestColour(
    level(Math.floor(cube / 36)),
    level(Math.floor(cube / 6) % 6),
    level(cube % 6),
  );
}

/** Red, yellow, green, cyan, blue, magenta: where each begins on the colour wheel, in degrees. */
const HUES = [
  [20, 1],
  [75, 3],
  [160, 2],
  [200, 6],
  [262, 4],
  [335, 5],
  [361, 1],
] as const;

/**
 * The palette's colour for any other, by hue and lightness. Sixteen legible colours instead of
 * sixteen million of which half cannot be read on one of our two backgrounds.
 */
function nearestColour(red: number, green: number, blue: number): number {
  const max = Math.max(red, green, blue);
  const min = Math.min(red, green, blue);
  if (!(min >= 0 && max <= 255)) return -1;
  const lightness = (max + min) / 2;
  const spread = max - min;
  if (spread < 32) return greyOf(lightness);
  const hue = hueOf([red, green, blue], max, spread);
  const colour = HUES.find(([until]) => hue < until)?.[1] ?? 1;
  return lightness > 160 ? colour + 8 : colour;
}

function greyOf(lightness: number): number {
  if (lightness < 40) return 0;
  if (lightness < 140) return 8;
  return lightness < 210 ? 7 : 15;
}

function hueOf(
  [red, green, blue]: readonly [number, number, number],
  max: number,
  spread: number,
): number {
  if (max === red) return (60 * ((green - blue) / spread) + 360) % 360;
  if (max === green) return 60 * ((blue - red) / spread) + 120;
  return 60 * ((red - green) / spread) + 240;
}
