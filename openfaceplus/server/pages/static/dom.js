// Making elements. Texts only ever become text: no markup is made from strings.

/** An element with properties ("class", "data-x" and "aria-x" become attributes) and children. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && !/^(aria-|data-|class|list)/.test(name)) element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child || child === 0));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** A copy of one of the page's icons. */
export function icon(name) {
  const from = byId("icons").content.querySelector(`[data-icon="${name}"] svg`);
  return from.cloneNode(true);
}

/** A framed message: "bad", "good", "unsure" or "". */
export function notice(kind, ...texts) {
  const picture = { bad: "alert", good: "good", unsure: "alert", "": "info" }[kind];
  return make(
    "div", { class: `notice ${kind}`, role: kind === "bad" ? "alert" : "status" },
    icon(picture), make("div", {}, texts.filter(Boolean).map((text) => make("p", {}, text))),
  );
}

/** Shows something that goes on, or with no text nothing. */
export function busy(element, text) {
  element.replaceChildren(...(text ? [make("span", { class: "busy" }, text)] : []));
}
