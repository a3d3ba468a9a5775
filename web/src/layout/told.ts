/** Sentences of the API, in which times stand as ISO 8601 in UTC: in pieces, every second of which is such a time. */
const TIME = /(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)/;

export function pieces(text: string): string[] {
  return text.split(TIME);
}

export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
