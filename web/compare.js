// Before and after on top of each other, and the line between them that is dragged.

/** Wires a stack of the class `stack` to its range input; what lies in it is shown from the left up to the line. */
export function comparison(stack, slider) {
  const split = (percent) => {
    slider.value = percent;
    stack.style.setProperty("--split", `${percent}%`);
  };
  const drag = (event) => {
    if (event.buttons !== 1) return;
    const { left, width } = stack.getBoundingClientRect();
    split(Math.min(Math.max((100 * (event.clientX - left)) / width, 0), 100));
  };
  slider.addEventListener("input", () => split(slider.value));
  stack.addEventListener("pointerdown", drag);
  stack.addEventListener("pointermove", drag);
}

/** The stack as large as what it shows. */
export function setSize(stack, width, height) {
  stack.style.setProperty("--width", width);
  stack.style.setProperty("--height", height);
}
