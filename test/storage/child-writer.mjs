// A process that writes to a filesystem store: node child-writer.mjs <root> <task> [argument]
// Prints one JSON line an answer, with a plain write, so that it is out before the next call.
import { createHash } from 'node:crypto';
import { writeSync } from 'node:fs';

const [root, task, argument] = process.argv.slice(2);
// The path of the compiled store may be given: for a user who may not read this folder.
const { FilesystemStore } = await import(process.env.STORE_MODULE ?? '#indelible/storage/filesystem/store.js');
const retention = { mode: 'governance', retainUntil: '2035-01-01T00:00:00Z' };
const say = (value) => writeSync(1, `${JSON.stringify(value)}\n`);

/** Bytes that tell whether they are whole: their own hash, and then what it is of. */
function whole(size, seed) {
  const body = Buffer.alloc(size, `${seed} `);
  return Buffer.concat([createHash('sha256').update(body).digest(), body]);
}

async function attempt(store, key, bytes) {
  try {
    say({ key, outcome: (await store.create(key, bytes, retention)).outcome });
  } catch (error) {
    say({ key, error: error.name, stored: error.stored, code: error.cause?.code, message: error.message });
  }
}

const tasks = {
  /** All racers go through the same keys in the same order. */
  async race(store) {
    for (let i = 0; i < Number(argument); i++) await attempt(store, `race/${i % 5}/${i}`, Buffer.from(`${process.pid} ${i}`));
  },
  /** Until it is killed. */
  async endless(store) {
    const lane = async (number) => {
      for (let i = 0; ; i++) await attempt(store, `${argument}/${number}/${i}`, whole(1 + ((i * 7919) % 200_000), i));
    };
    await Promise.all([lane(0), lane(1), lane(2)]);
  },
  async sizes(store) {
    for (const size of argument.split(',')) await attempt(store, `sizes/${size}`, whole(Number(size), size));
    await attempt(store, 'sizes/small', Buffer.from('small'));
  },
  async keys(store) {
    for (const key of argument.split(',')) await attempt(store, key, Buffer.from(key));
  },
};

try {
  const store = await FilesystemStore.open(root);
  await tasks[task](store);
  await store.close();
  say({ leftBehind: true });
} catch (error) {
  say({ failed: error.name, message: error.message });
}
