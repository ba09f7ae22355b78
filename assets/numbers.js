// Numbers as people read them: three or four digits, powers of ten below 1e-3, a true minus sign.

const SUPERSCRIPT = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

/** 2.3e-11 as "2.3·10⁻¹¹". */
export function scientific(value, digits = 2) {
  const [mantissa, exponent] = value.toExponential(digits).split("e");
  const power = [...String(Number(exponent))].map((character) => SUPERSCRIPT[character]).join("");
  return minus(`${mantissa}·10${power}`);
}

/**
 * @param {number} value
 * @param {string} format "sig4" significant digits, "fixed2" decimals, "percent1" of a share, "int" whole
 */
export function format(value, format = "sig4") {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const [, kind, digits] = /^([a-z]+)(\d*)$/.exec(format);
  const count = digits === "" ? 3 : Number(digits);
  if (kind === "int") return minus(grouped(Math.round(value)));
  if (kind === "percent") return minus(`${(100 * value).toFixed(count)} %`);
  if (kind === "fixed" && (value === 0 || Math.abs(value) >= 10 ** -count)) return minus(value.toFixed(count));
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e6) return scientific(value, Math.min(count - 1, 2));
  return minus(String(Number(value.toPrecision(count))));
}

function grouped(value) {
  return String(value).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

function minus(text) {
  return text.replace(/^-/, "−");
}

/** A length in the unit that needs the fewest zeros: "12 cm", "3.4 m", "0.8 mm". */
export function length(metres) {
  if (!Number.isFinite(metres)) return format(metres);
  const size = Math.abs(metres);
  if (size >= 1000) return `${format(metres / 1000, "sig3")} km`;
  if (size >= 1) return `${format(metres, "sig3")} m`;
  if (size >= 0.01) return `${format(100 * metres, "sig2")} cm`;
  return `${format(1000 * metres, "sig2")} mm`;
}

/** A count in few characters: 812, "15 k", "1.9 M". */
export function count(value) {
  if (value < 1000) return String(value);
  if (value < 999_500) return `${(value / 1000).toFixed(value < 9950 ? 1 : 0)} k`;
  return `${(value / 1e6).toFixed(1)} M`;
}

/** The largest of 1, 2, 5 × 10ⁿ that is not above a length. */
export function niceBelow(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [5, 2, 1].find((factor) => factor * power <= value * (1 + 1e-9));
  return step * power;
}
