// Decisions that were unsure: confirmed, corrected or ignored.
import { ask, form } from "./api.js";
import { claim } from "./claim.js";
import { busy, byId, make, notice } from "./dom.js";
import { counted, number, t, when } from "./texts.js";

const PAGE = 24;
const [state, list, more] = [byId("state"), byId("reviews"), byId("more")];
let next = null;
let left = 0;

async function load() {
  const query = { limit: PAGE, ...(next && { after: next }) };
  try {
    const page = await ask("GET", "/v1/reviews", { query });
    state.replaceChildren();
    left = next ? left : page.total;
    next = page.next;
    more.hidden = !next;
    list.append(...page.reviews.map(card));
    count();
  } catch (problem) {
    state.replaceChildren(notice("bad", problem.message, problem.remedy));
  }
}

function count() {
  byId("total").textContent = counted("review.count", left);
  if (!left) state.replaceChildren(make("p", { class: "empty" }, t("review.none")));
}

async function idOf(name) {
  const { people } = await ask("GET", "/v1/people", { query: { search: name, limit: 50 } });
  return people.find((person) => person.name === name)?.id ?? null;
}

function card(review) {
  const outcome = make("div");
  const enrol = make("input", { type: "checkbox" });
  const other = make("input", {
    list: "claimed-names", autocomplete: "off", placeholder: t("review.other"),
    "aria-label": t("review.other"),
  });
  const item = make("li", { class: "card review" });

  /** Carries an answer out; the next card is then looked at. */
  const settle = async (work) => {
    item.inert = true;
    busy(outcome, t("people.saving"));
    try {
      await work();
    } catch (problem) {
      item.inert = false;
      outcome.replaceChildren(notice("bad", problem.message, problem.remedy));
      return;
    }
    const neighbour = item.nextElementSibling ?? item.previousElementSibling;
    item.remove();
    left -= 1;
    count();
    (neighbour?.querySelector("button") ?? byId("main")).focus();
  };
  const say = (person) => {
    const body = form({ person, enrol: person && enrol.checked ? "true" : "false" });
    return ask("POST", `/v1/reviews/${review.id}`, { body });
  };
  const named = (name) => settle(async () => say(review.person ?? await idOf(name)));
  const typed = claim(other, (found) => {
    correct.disabled = !found;
  });

  const button = (text, onclick, kind = "") =>
    make("button", { type: "button", class: kind, onclick }, text);
  const correct = button(t("review.correct"), () => settle(() => say(typed().id)));
  correct.disabled = true;
  const candidates = [review.closest, review.second].filter(Boolean);
  item.append(
    make("img", { class: "shown", alt: t("review.picture"), loading: "lazy",
      src: `/v1/reviews/${review.id}/picture` }),
    make(
      "div", { class: "stack" },
      make(
        "div", { class: "tight" },
        make("h2", {}, review.second
          ? t("review.either", { first: review.closest, second: review.second })
          : t(review.person ? "review.named" : "review.unknown", { name: review.closest })),
        make("p", { class: "soft small number" }, t("face.score", {
          score: number(review.score, 2), threshold: number(review.threshold, 2),
        })),
        make("p", { class: "soft small" }, when(review.at)),
      ),
      make(
        "div", { class: "row" },
        candidates.map((name, n) => button(
          t("review.yes", { name }),
          () => (review.second ? settle(async () => say(await idOf(name))) : named(name)),
          n === 0 && !review.second ? "main" : "",
        )),
        button(t("review.nobody"), () => settle(() => say(null))),
        button(t("review.ignore"), () => settle(() => ask("DELETE", `/v1/reviews/${review.id}`)), "plain"),
      ),
      make("div", { class: "inline" }, other, correct),
      make("label", { class: "check small" }, enrol, make("span", {}, t("review.enrol"))),
      outcome,
    ),
  );
  return item;
}

more.addEventListener("click", load);
busy(state, t("base.loading"));
load();
