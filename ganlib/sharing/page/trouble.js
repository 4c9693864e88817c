// What goes wrong and can be said: the name of a text in texts.js, and the values that are filled in.

export class Trouble extends Error {
  constructor(text, values = {}) {
    super(text);
    this.text = text;
    this.values = values;
  }
}
