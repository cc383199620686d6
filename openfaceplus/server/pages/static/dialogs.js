// Dialogs: Escape and the outside close them, and the focus goes back by itself.

/** Makes an element of the page a dialog that its [data-close] buttons close. */
export function dialog(element, { closed = () => {} } = {}) {
  element.addEventListener("click", (event) => {
    if (event.target === element || event.target.closest("[data-close]")) element.close();
  });
  element.addEventListener("close", closed);
  return element;
}
