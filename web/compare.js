// Before and after on top of each other: the line between them that is dragged, and how large both are shown.

const WHOLE = "fit";
const CLOSE = "4";
const ZOOMS = { [WHOLE]: "all of it", 1: "its pixels", 2: "×2", [CLOSE]: "×4" };

/**
 * Wires a view with a stack in it to its range input and its choice of zoom. What lies in the stack's class `under` is
 * shown from the left up to the line; a double click looks closer at that place, or back at all of it.
 */
export function comparison(view, slider, zoom) {
  const stack = view.querySelector(".stack");
  for (const value of [WHOLE, "1", "2", CLOSE]) zoom.add(new Option(ZOOMS[value], value));
  const split = (percent) => {
    slider.value = percent;
    stack.style.setProperty("--split", `${percent}%`);
  };
  /** Where a pointer is, as shares of width and height. */
  const place = ({ clientX, clientY }) => {
    const { left, top, width, height } = stack.getBoundingClientRect();
    return [(clientX - left) / width, (clientY - top) / height].map((share) => Math.min(Math.max(share, 0), 1));
  };
  const drag = (event) => {
    if (event.buttons === 1) split(100 * place(event)[0]);
  };
  /** Shows both in the chosen size, this place in the middle. */
  const look = ([across, down]) => {
    view.classList.toggle("zoomed", zoom.value !== WHOLE);
    stack.style.setProperty("--zoom", zoom.value === WHOLE ? 1 : zoom.value);
    view.scrollLeft = across * view.scrollWidth - view.clientWidth / 2;
    view.scrollTop = down * view.scrollHeight - view.clientHeight / 2;
  };
  slider.addEventListener("input", () => split(slider.value));
  stack.addEventListener("pointerdown", drag);
  stack.addEventListener("pointermove", drag);
  // The line between before and after stays in sight.
  zoom.addEventListener("change", () => look([slider.value / 100, 0.5]));
  stack.addEventListener("dblclick", (event) => {
    const at = place(event);
    zoom.value = zoom.value === WHOLE ? CLOSE : WHOLE;
    look(at);
  });
}

/** The stack as large as what it shows, and the network that made it named. */
export function describe(stack, width, height, network) {
  stack.style.setProperty("--width", width);
  stack.style.setProperty("--height", height);
  stack.querySelector(".tag.after").textContent = `after: ${network}`;
}
