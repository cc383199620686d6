// The face of an enrolled person, or the first letter of their name.
import { make } from "./dom.js";

export function portrait(person) {
  const letter = () => make("span", { "aria-hidden": "true" }, [...person.name][0]?.toUpperCase());
  const box = make("span", { class: "portrait" });
  const image = make("img", {
    alt: "", loading: "lazy", decoding: "async", src: `/v1/people/${person.id}/thumbnail`,
    onerror: () => box.replaceChildren(letter()),
  });
  box.append(image);
  return box;
}
