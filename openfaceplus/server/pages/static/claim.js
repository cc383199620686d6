// Choosing one of the enrolled by typing a part of their name.
import { ask } from "./api.js";
import { make } from "./dom.js";

const SHOWN = 30;

/** Makes an input with a list offer names; gives back a function that gives the person chosen. */
export function claim(input, chosen = () => {}) {
  const list = document.getElementById(input.getAttribute("list"));
  const known = new Map();
  let asked = 0;

  async function offer() {
    const mine = ++asked;
    const query = { limit: SHOWN, search: input.value.trim() };
    const { people } = await ask("GET", "/v1/people", { query }).catch(() => ({ people: [] }));
    if (mine !== asked) return;
    people.forEach((person) => known.set(person.name, person));
    list.replaceChildren(...people.map((person) => make("option", { value: person.name })));
    chosen(find());
  }

  const find = () => known.get(input.value.trim()) ?? null;
  input.addEventListener("input", offer);
  input.addEventListener("focus", offer, { once: true });
  return find;
}
