// Who is enrolled: a page at a time, found by name.
import { ask, may } from "./api.js";
import { busy, byId, make, notice } from "./dom.js";
import { adding } from "./enrol.js";
import { card } from "./person.js";
import { portrait } from "./portrait.js";
import { counted, t } from "./texts.js";

const PAGE = 60;
const list = byId("people");
const state = byId("state");
const search = byId("search");
let before = []; // cursors of the pages before this one
let asked = 0;

async function show(cursor = null) {
  const mine = ++asked;
  const query = { limit: PAGE };
  if (search.value.trim()) query.search = search.value.trim();
  if (cursor) query.after = cursor;
  let page;
  try {
    page = await ask("GET", "/v1/people", { query });
  } catch (problem) {
    state.replaceChildren(notice("bad", problem.message, problem.remedy));
    return;
  }
  if (mine !== asked) return; // something newer was typed meanwhile
  state.replaceChildren();
  byId("total").textContent = counted("people.count", page.total);
  list.replaceChildren(...page.people.map((person) => make("li", {}, tile(person))));
  if (!page.people.length) {
    state.append(make("p", { class: "empty" }, t(query.search ? "people.none_found" : "people.none")));
  }
  byId("pager").hidden = !before.length && !page.next;
  byId("previous").disabled = !before.length;
  byId("next").disabled = !page.next;
  byId("next").onclick = () => {
    before.push(cursor);
    show(page.next).then(() => scrollTo(0, 0));
  };
}

function tile(person) {
  return make(
    "button", { type: "button", class: "person", onclick: () => open(person.id) },
    portrait(person),
    make(
      "span", {}, make("strong", { title: person.name }, person.name),
      make("span", { class: "soft small" }, counted("people.photo_count", person.enrolled_photos)),
    ),
  );
}

const again = () => show(before.length ? before.at(-1) : null);
const add = adding(() => {
  before = [];
  show();
});
const open = card({ add, changed: again });

byId("previous").addEventListener("click", () => show(before.pop()));
let waiting;
search.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    before = [];
    show();
  }, 150);
});
if (may("enroller")) {
  byId("add").hidden = false;
  byId("add").addEventListener("click", () => add(null));
}
busy(state, t("base.loading"));
show();
