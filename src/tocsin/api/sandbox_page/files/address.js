// The page's address says whom and what one looks at, behind the #, which no browser tells a server.

const PLACE = ["person", "message"];

export function placeInAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  return Object.fromEntries(PLACE.map((name) => [name, given.get(name)]));
}

function hashOf(place) {
  const given = PLACE.filter((name) => place[name]).map((name) => [name, place[name]]);
  return given.length === 0 ? "" : `#${new URLSearchParams(given)}`;
}

export function putInAddress(place) {
  history.replaceState(null, "", location.pathname + location.search + hashOf(place));
}

export const linkTo = (place) => location.origin + location.pathname + hashOf(place);
