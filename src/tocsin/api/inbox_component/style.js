// How <tocsin-inbox> looks. A page changes it by the custom properties, and by ::part().

const TEXT = `
:host {
  --bg: var(--tocsin-bg, light-dark(#ffffff, #191c21));
  --fg: var(--tocsin-fg, light-dark(#1b1d22, #eceef2));
  --fg-soft: var(--tocsin-fg-muted, light-dark(#565a63, #a7adb8));
  --line: var(--tocsin-line, light-dark(#dcdbd4, #343941));
  --control: var(--tocsin-control, light-dark(#83868e, #737a86));
  --accent: var(--tocsin-accent, light-dark(#3a48c2, #a3aeff));
  --mark: var(--tocsin-badge, light-dark(#ad4806, #ff9d57));
  --bad: var(--tocsin-error, light-dark(#a81f19, #ff9d94));
  --ok: var(--tocsin-ok, light-dark(#11683f, #6ad39b));
  display: block; color: var(--fg); background: var(--bg); font: var(--tocsin-font, inherit);
  overflow-wrap: anywhere;
}
:host([hidden]), [hidden] { display: none !important; }
*, ::before { box-sizing: border-box; }
h3, p, ul { margin: 0; padding: 0; font-size: 1em; }
h3 { font-weight: 600; }
ul { list-style: none; max-height: var(--tocsin-height, 28rem); overflow: auto; }
a { color: var(--accent); }
.head, .row { display: flex; flex-wrap: wrap; align-items: center; gap: 8px; }
.head { justify-content: space-between; min-height: 32px; }
.row { margin-top: 6px; }
.state { font-variant-numeric: tabular-nums; }
.state::before {
  content: ""; display: inline-block; width: 8px; height: 8px; margin-right: 6px; background: var(--bad);
}
.state[data-connection="live"]::before { border-radius: 99px; background: var(--ok); }
.state[data-connection="connecting"]::before, .state[data-connection="polling"]::before {
  border-radius: 99px; background: var(--fg-soft);
}
.soft, .none { color: var(--fg-soft); font-size: .93em; }
.problem { color: var(--bad); }
.item { padding: 10px 0; }
.item + .item { border-top: 1px solid var(--line); }
.item > p { white-space: pre-line; }
.item.unread h3::before {
  content: ""; display: inline-block; width: 8px; height: 8px; margin-right: 6px; border-radius: 99px;
  background: var(--mark);
}
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
button {
  min-height: 26px; padding: 1px 8px; border: 1px solid var(--control); border-radius: 6px; cursor: pointer;
  background: transparent; color: inherit; font: inherit; font-size: .93em; font-weight: 600;
}
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
@media (pointer: coarse) { button { min-height: 44px; } }
@media (forced-colors: active) { .state::before, .item.unread h3::before { forced-color-adjust: none; } }
`;

let shared = null;

export function style() {
  if (shared === null) {
    shared = new CSSStyleSheet();
    shared.replaceSync(TEXT);
  }
  return shared;
}
