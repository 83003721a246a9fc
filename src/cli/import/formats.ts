/** The formats `append` reads. */
import { cloudtrail } from './cloudtrail.js';
import { dpkg } from './dpkg.js';
import { git } from './git.js';
import { ndjson } from './ndjson.js';
import type { Importer } from './source.js';
import { syslog } from './syslog.js';

export const IMPORTERS: readonly Importer[] = [ndjson, cloudtrail, dpkg, syslog, git];
