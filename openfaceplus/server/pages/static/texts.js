// Texts in the page's language, from the same table as its templates.
const language = document.documentElement.lang;
const table = await (await fetch(new URL(`${language}.json`, import.meta.url))).json();
/** The language as the reader's country writes it: en-GB, es-MX. */
export const locale =
  navigator.languages.find((tag) => tag.split("-")[0] === language) ?? language;
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
  value.toLocaleString(locale, { maximumFractionDigits: digits, minimumFractionDigits: digits });

export const percent = (value, digits = 0) =>
  value.toLocaleString(locale, {
    style: "percent", maximumFractionDigits: digits, minimumFractionDigits: digits,
  });

/** A probability as a percentage: nothing is ever quite sure. */
export const confidence = (value) => (value > 0.995 ? `> ${percent(0.99)}` : percent(value));

export const when = (iso) =>
  new Date(iso).toLocaleString(locale, { dateStyle: "medium", timeStyle: "short" });

/** "obama and biden", "obama y biden". */
export const list = (names, type = "conjunction") =>
  new Intl.ListFormat(locale, { type }).format(names);
