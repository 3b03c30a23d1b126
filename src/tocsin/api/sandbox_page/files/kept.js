// What this tab remembers of messages until it is closed: which were read, pinned, cleared from view.

const MOST = 5_000;

class Ids {
  constructor(name) {
    this.name = `tocsin.sandbox.${name}`;
    this.ids = new Set(JSON.parse(sessionStorage.getItem(this.name) ?? "[]"));
  }

  get size() {
    return this.ids.size;
  }

  has({ id }) {
    return this.ids.has(id);
  }

  set(messages, on) {
    for (const { id } of messages) {
      if (on) this.ids.add(id);
      else this.ids.delete(id);
    }
    // The oldest are those that the page shows no more anyway.
    this.ids = new Set([...this.ids].slice(-MOST));
    sessionStorage.setItem(this.name, JSON.stringify([...this.ids]));
  }
}

export class Kept {
  constructor() {
    this.read = new Ids("read");
    this.pinned = new Ids("pinned");
    this.cleared = new Ids("cleared");
  }
}
