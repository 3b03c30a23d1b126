// Nodes are made one by one, and texts are texts: nothing of an item is ever parsed as markup.

export function el(tag, given = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

export function button(label, press, given = {}) {
  return el("button", { type: "button", click: press, ...given }, label);
}
