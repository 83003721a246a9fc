/** All attacks, in the order in which they are tried. */
import type { Attack } from './attack.js';
import { FAMILIES } from './attack.js';
import { CONFIGURATION_ATTACKS } from './configuration.js';
import { KEY_ATTACKS } from './keys.js';
import { RETENTION_ATTACKS } from './retention.js';
import { SEARCH_ATTACKS } from './search.js';
import { SEGMENT_ATTACKS } from './segments.js';
import { TOPIC_ATTACKS } from './topic.js';
import { VERIFIER_ATTACKS } from './verifier.js';
import { VERSION_ATTACKS } from './versions.js';

const OF_FAMILY = {
  topic: TOPIC_ATTACKS,
  search: SEARCH_ATTACKS,
  verifier: VERIFIER_ATTACKS,
  versions: VERSION_ATTACKS,
  retention: RETENTION_ATTACKS,
  segments: SEGMENT_ATTACKS,
  configuration: CONFIGURATION_ATTACKS,
  keys: KEY_ATTACKS,
} as const;

export const ATTACKS: readonly Attack[] = FAMILIES.flatMap((family) => OF_FAMILY[family]);
