/** Text from strangers, as soundlift/common/printable.py makes it safe to show; tests/web/printable.json holds for both. */

const MAX_MARKS = 8;
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]|(?! )\p{Zs}/u;
const MARK = /\p{M}/u;
const SYMBOL = /\p{S}/u;
const EMOJI_STYLE = "\ufe0f";
const JOINER = "\u200d";
const KEYCAP = "\u20e3";

/**
 * Return a text with each character that would not be seen as what it is written as its code point: \u{202e}.
 * @param {string} text
 */
export function escaped(text) {
  const letters = [...text];
  let [marks, before, base] = [MAX_MARKS, "", ""];
  return letters
    .map((letter, index) => {
      const after = letters[index + 1] ?? "";
      const isMark = MARK.test(letter);
      marks = isMark ? marks + 1 : 0;
      let isShown = !UNSEEN.test(letter) && marks <= MAX_MARKS;
      if (letter === EMOJI_STYLE) isShown = SYMBOL.test(before) || (after === KEYCAP && /[0-9#*]/.test(before));
      if (letter === JOINER) isShown = SYMBOL.test(base) && SYMBOL.test(after);
      if (!isMark && !isShown) marks = MAX_MARKS;
      before = letter;
      if (letter !== EMOJI_STYLE) base = letter;
      return isShown ? letter : `\\u{${(letter.codePointAt(0) ?? 0).toString(16)}}`;
    })
    .join("");
}
