/**
 * AWS CloudTrail log files: `{"Records":[…]}`, gzipped or not. The fields that have a place in an event go
 * there; the whole record, untouched, goes to `metadata.cloudTrail`, so nothing is lost by the mapping.
 * docs/cli.md has the table.
 */
import { isEntryId } from '../../core/chain.js';
import { parseEvent } from '../../core/event.js';
import type { AppendItem } from '../../core/event.js';
import { decodeStrict, parseStrict } from '../../core/json.js';
import type { JsonObject, JsonValue } from '../../core/json.js';
import { CliError } from '../failure.js';
import { inexactNumbersAsStrings, splitRecords } from './json-text.js';
import type { Importer } from './source.js';

/** CloudTrail closes a file after about 5 minutes or 50 MB. */
const MAX_FILE_BYTES = 256 * 1024 * 1024;
const MAX_TARGETS = 100;
const MAX_CONTEXT_VALUE = 2_048;
const MAX_REASON = 4_096;
const DENIED = /access.?denied|unauthorized|notauthorized|not.?authorized|forbidden|authfailure/i;
const IP = /^[0-9a-fA-F.:]*[.:][0-9a-fA-F.:]*$/;

export const cloudtrail: Importer = {
  name: 'cloudtrail',
  unit: 'record',
  summary: 'AWS CloudTrail log files, {"Records":[…]}',
  ownIds: true,
  async *items(bytes, { numbersAsStrings }) {
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of bytes) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > MAX_FILE_BYTES) throw new CliError('file_too_large', `expected a CloudTrail file of at most ${MAX_FILE_BYTES} bytes`);
    }
    const { skeleton, records } = splitRecords(decodeStrict(Buffer.concat(chunks), MAX_FILE_BYTES));
    const outer = parseStrict(skeleton, { maxLength: MAX_FILE_BYTES });
    const list = isObject(outer) ? outer['Records'] : undefined;
    // Anything but records in the list, or beside it, would be dropped unseen.
    if (!Array.isArray(list) || Object.keys(outer as JsonObject).length !== 1 || list.length !== records.length || !list.every((item) => item === 0)) {
      throw new CliError('format_unknown', 'expected a CloudTrail file: {"Records":[…]} with objects alone in the list');
    }
    for (const [index, text] of records.entries()) {
      yield {
        position: index + 1,
        text,
        // In the event the record stands on the third level, as it does in its file.
        read: () => itemOf(parseStrict(numbersAsStrings ? inexactNumbersAsStrings(text) : text, { outerLevels: -2 }) as JsonObject),
      };
    }
  },
};

function itemOf(record: JsonObject): AppendItem {
  const { eventID, eventName, eventTime } = record;
  if (typeof eventName !== 'string') throw new CliError('record_incomplete', '/eventName: expected a string');
  if (typeof eventID !== 'string' || !isEntryId(eventID)) throw new CliError('record_incomplete', '/eventID: expected an id, which makes a repeated import harmless');
  const { outcome, reason } = outcomeOf(record);
  return parseEvent({
    entryId: eventID,
    action: eventName,
    actor: actorOf(record['userIdentity']),
    ...(typeof eventTime === 'string' && { occurredAt: eventTime }),
    outcome,
    ...(reason !== undefined && { reason }),
    ...targetsOf(record['resources']),
    context: contextOf(record),
    category: record['eventType'] === 'AwsServiceEvent' ? 'system' : 'user',
    metadata: { cloudTrail: record },
  });
}

function actorOf(value: JsonValue | undefined): JsonObject {
  const identity = isObject(value) ? value : {};
  const session = isObject(identity['sessionContext']) ? identity['sessionContext'] : {};
  const issuer = isObject(session['sessionIssuer']) ? session['sessionIssuer'] : {};
  const id = firstText(identity['arn'], identity['principalId'], identity['userName'], identity['invokedBy'], identity['accountId']);
  const name = firstText(identity['userName'], issuer['userName']);
  return { type: firstText(identity['type']) ?? 'Unknown', id: id ?? 'unknown', ...(name !== undefined && { name }) };
}

function targetsOf(resources: JsonValue | undefined): { readonly targets?: readonly JsonObject[] } {
  if (!Array.isArray(resources)) return {};
  const targets = resources.filter(isObject).flatMap((resource): JsonObject[] => {
    const id = firstText(resource['ARN'], resource['ARNPrefix']);
    return id === undefined ? [] : [{ type: firstText(resource['type']) ?? 'resource', id }];
  });
  return targets.length === 0 ? {} : { targets: targets.slice(0, MAX_TARGETS) };
}

function contextOf(record: JsonObject): JsonObject {
  const source = firstText(record['sourceIPAddress']);
  const values = {
    // For calls by a service it is the service's name.
    ...(source !== undefined && (IP.test(source) ? { ip: source } : { sourceAddress: source })),
    userAgent: record['userAgent'],
    requestId: record['requestID'],
    eventSource: record['eventSource'],
    awsRegion: record['awsRegion'],
    recipientAccountId: record['recipientAccountId'],
  };
  return Object.fromEntries(Object.entries(values).flatMap(([name, value]) => (typeof value === 'string' && value.length <= MAX_CONTEXT_VALUE ? [[name, value] as const] : [])));
}

function outcomeOf(record: JsonObject): { readonly outcome: string; readonly reason?: string } {
  const code = firstText(record['errorCode']);
  const message = firstText(record['errorMessage']);
  const response = isObject(record['responseElements']) ? record['responseElements'] : {};
  if (code === undefined && message === undefined && response['ConsoleLogin'] !== 'Failure') return { outcome: 'success' };
  const outcome = code !== undefined && DENIED.test(code) ? 'denied' : 'failure';
  const reason = [code, message].filter((part) => part !== undefined).join(': ');
  return { outcome, ...(reason !== '' && reason.length <= MAX_REASON && { reason }) };
}

function firstText(...values: (JsonValue | undefined)[]): string | undefined {
  return values.find((value) => typeof value === 'string' && value !== '') as string | undefined;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
