// How many letters are unread, where one sees it from another tab: in the title and on the icon.

const SIDE = 64;
const TITLE = document.title;
const icon = document.querySelector("link[rel='icon']");
const plain = icon.getAttribute("href");
const bell = new Image(SIDE, SIDE);
let shown = 0;

export function showUnread(count) {
  if (count === shown) return;
  shown = count;
  document.title = count === 0 ? TITLE : `(${count}) ${TITLE}`;
  bell.src = plain;
  bell.decode().then(() => draw(), () => {});
}

function draw() {
  icon.href = shown === 0 ? plain : badge(shown > 99 ? "99" : String(shown));
}

function badge(words) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE;
  const pen = canvas.getContext("2d");
  pen.drawImage(bell, 0, 0, SIDE, SIDE);
  pen.fillStyle = "#1b1d22";
  pen.beginPath();
  pen.arc(SIDE - 22, SIDE - 22, 22, 0, 2 * Math.PI);
  pen.fill();
  pen.fillStyle = "#ffffff";
  pen.font = "bold 32px sans-serif";
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.fillText(words, SIDE - 22, SIDE - 20);
  return canvas.toDataURL("image/png");
}
