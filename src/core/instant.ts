/**
 * Instants as producers write them: RFC 3339 §5.6 date-times, read without a clock or a calendar library.
 */

const DATE_TIME = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))$/;
const DAY_MILLIS = 86_400_000;
/** 9999-12-31T23:59:59.999Z */
const LAST_MILLIS = 253_402_300_799_999;

/**
 * Milliseconds since 1970-01-01T00:00:00Z, finer digits cut off.
 *
 * @param text RFC 3339 date-time with an offset, an upper-case `T` and `Z` (§5.6 lets a protocol ask for
 *   that) and at most nine digits of a second
 * @throws RangeError whose message is the rule that is broken
 */
export function instantMillis(text: string): number {
  const match = DATE_TIME.exec(text);
  if (match === null) throw new RangeError('an RFC 3339 date-time such as 2026-11-23T20:52:07.123Z');
  const [, year, month, day, hour, minute, second, fraction = '', sign, offsetHour, offsetMinute] = match;
  const millis =
    daysSince1970(Number(year), Number(month), Number(day)) * DAY_MILLIS +
    timeOfDay(Number(hour), Number(minute), Number(second)) +
    Number(fraction.slice(0, 3).padEnd(3, '0'));
  const instant = sign === undefined ? millis : millis - offset(sign, Number(offsetHour), Number(offsetMinute));
  if (instant < 0 || instant > LAST_MILLIS) throw new RangeError('an instant in the years 1970 to 9999');
  return instant;
}

/** Days in the proleptic Gregorian calendar, counted in years that start in March so that a leap day is last. */
function daysSince1970(year: number, month: number, day: number): number {
  if (month < 1 || month > 12) throw new RangeError('a month from 01 to 12');
  if (day < 1 || day > daysInMonth(year, month)) throw new RangeError('a day that its month has');
  const marchYear = month > 2 ? year : year - 1;
  const leapDays = Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400);
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  return marchYear * 365 + leapDays + dayOfYear - 719_468;
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return isLeap(year) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

function isLeap(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

function timeOfDay(hour: number, minute: number, second: number): number {
  if (hour > 23) throw new RangeError('an hour from 00 to 23');
  if (minute > 59) throw new RangeError('a minute from 00 to 59');
  if (second === 60) throw new RangeError('no leap second, which a count of milliseconds has no place for; send :59');
  if (second > 59) throw new RangeError('a second from 00 to 59');
  return ((hour * 60 + minute) * 60 + second) * 1000;
}

function offset(sign: string, hour: number, minute: number): number {
  if (hour > 23 || minute > 59) throw new RangeError('an offset from -23:59 to +23:59');
  return (sign === '-' ? -1 : 1) * (hour * 60 + minute) * 60_000;
}
