/**
 * What a "word" is, the same for what is indexed and for what is asked: a run of letters and digits, without
 * case, accents or compatibility forms; a Han or Kana character is a word of its own, since those scripts
 * put no spaces between words.
 */

const ASCII = /^[\0-\x7f]*$/;
const NOT_A_WORD = /[^\p{L}\p{N}]+/gu;
const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/gu;

/**
 * `text` such that splitting at everything ASCII that is not a letter or digit, and ignoring ASCII case, gives
 * its words: what an index's simplest tokenizer does. ASCII text, nearly all of it, passes through untouched.
 */
export function foldText(text: string): string {
  if (ASCII.test(text)) return text;
  return text
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .toLowerCase()
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .replace(NOT_A_WORD, ' ')
    .replace(UNSPACED, ' $& ');
}

/** The words of `text`, folded, in order, each once. */
export function wordsOf(text: string): string[] {
  const words = foldText(text).toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  return [...new Set(words)];
}
