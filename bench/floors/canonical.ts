/**
 * RFC 8785 as plainly as it can be written. The floor must not lean on the service's own code:
 * a slow canonicaliser there would lower the bar it is held to.
 */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = value as Readonly<Record<string, unknown>>;
    let text = '';
    for (const key of Object.keys(members).sort()) {
      text += `${text === '' ? '' : ','}${JSON.stringify(key)}:${canonical(members[key])}`;
    }
    return `{${text}}`;
  }
  // Strings, numbers, booleans and null: RFC 8785 takes ECMAScript's own serialisation.
  return JSON.stringify(value);
}
