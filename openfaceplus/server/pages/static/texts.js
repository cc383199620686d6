// Texts in the page's language, from the same table as its templates.
const language = document.documentElement.lang;
const table = await (await fetch(new URL(`${language}.json`, import.meta.url))).json();
const plural = new Intl.PluralRules(language);

/** The text of a key, with {values} put in. */
export function t(key, values = {}) {
  let text = table[key];
  if (text === undefined) throw new Error(`no text for ${key}`);
  for (const [name, value] of Object.entries(values)) text = text.replaceAll(`{${name}}`, value);
  return text;
}

/** The text for a number of things: key.one or key.other. */
export function counted(key, n) {
  return t(`${key}.${plural.select(n) === "one" ? "one" : "other"}`, { n: number(n) });
}

/** Whether there is such a text. */
export const has = (key) => key in table;

export const number = (value, digits = 0) =>
  value.toLocaleString(language, { maximumFractionDigits: digits, minimumFractionDigits: digits });

/** A share as a percentage; nothing is ever quite sure. */
export function percent(value) {
  const most = 0.99;
  const text = Math.min(value, most).toLocaleString(language, { style: "percent" });
  return value > most + 0.005 ? `> ${text}` : text;
}

export const when = (iso) =>
  new Date(iso).toLocaleString(language, { dateStyle: "medium", timeStyle: "short" });

/** "obama and biden", "obama y biden". */
export const list = (names, type = "conjunction") =>
  new Intl.ListFormat(language, { type }).format(names);
