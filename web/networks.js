// Networks on offer: those beside the page, by address, and those that were dropped, as files.

export class Networks {
  /** `index`: the address of the list that scripts/vendor.js writes; `select`: the element that offers them. */
  constructor(select, index) {
    Object.assign(this, { select, index, entries: [], sources: new Map() });
  }

  /** Offers those beside the page, the advised one first. Returns its name, or undefined where there are none. */
  async list() {
    const response = await fetch(this.index);
    const entries = response.ok ? await response.json() : [];
    for (const scale of new Set(entries.map((entry) => entry.scale))) {
      const group = document.createElement("optgroup");
      group.label = `${scale} times as wide and high`;
      this.select.add(group);
      for (const { file, label } of entries.filter((entry) => entry.scale === scale)) {
        group.append(new Option(label, file));
        this.sources.set(file, new URL(file, response.url).href);
      }
    }
    this.entries = entries;
    return entries[0]?.file;
  }

  /** The one of this scale that is for JPEG files: its name, or undefined. */
  forJpeg(scale) {
    return this.entries.find((entry) => entry.scale === scale && entry.compressed)?.name;
  }

  /** Offers a dropped file too, and chooses it. */
  add(name, file) {
    if (!this.sources.has(name)) this.select.add(new Option(name, name));
    this.sources.set(name, file);
    this.select.value = name;
  }

  /** What a file holds, as a Blob. */
  async open(name) {
    const source = this.sources.get(name);
    if (source instanceof File) return source;
    const response = await fetch(source);
    if (!response.ok) throw new Error(`Expected ${source} beside this page. Received: status ${response.status}.`);
    return response.blob();
  }
}
