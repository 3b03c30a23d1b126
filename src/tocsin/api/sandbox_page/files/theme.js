// Light, dark, or as the system is.

const KEPT = "tocsin.theme";
const NEXT = { system: "dark", dark: "light", light: "system" };

export function theme(button) {
  const show = (wanted) => {
    if (wanted === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = wanted;
    button.textContent = `Theme: ${wanted}`;
    button.dataset.theme = wanted;
  };
  const kept = localStorage.getItem(KEPT);
  show(kept in NEXT ? kept : "system");
  button.addEventListener("click", () => {
    const wanted = NEXT[button.dataset.theme];
    localStorage.setItem(KEPT, wanted);
    show(wanted);
  });
}
