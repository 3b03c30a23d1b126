// Nodes are made one by one, and texts are texts: nothing of a message is ever parsed as markup.

export const byId = (id) => document.getElementById(id);

export function el(tag, given = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) {
      node.setAttribute(name, String(value));
    }
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

export function button(label, press, given = {}) {
  return el("button", { type: "button", click: press, ...given }, label);
}

export function moment(iso) {
  const at = new Date(iso);
  const day = at.toLocaleDateString() === new Date().toLocaleDateString();
  const shown = at.toLocaleString(undefined, {
    ...(day ? {} : { day: "numeric", month: "short" }),
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  });
  return el("time", { datetime: iso, title: at.toLocaleString() }, shown);
}

export function empty(root, words) {
  // Shown by the style sheet while nothing else in *root* is.
  root.append(el(root.tagName === "UL" ? "li" : "p", { class: "empty soft" }, words));
}

// Runs what a control asks for once at a time, and says beside it what came of it.
export async function doing(control, said, work) {
  if (control.getAttribute("aria-busy") === "true") return;
  control.setAttribute("aria-busy", "true");
  said.classList.remove("bad");
  try {
    said.textContent = (await work()) ?? "";
  } catch (error) {
    said.classList.add("bad");
    said.textContent = error.message;
  } finally {
    control.removeAttribute("aria-busy");
  }
}
