// What a developer writes first with pg.
import { createWriteStream } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import pg from 'pg';
import copyStreams from 'pg-copy-streams';
import { assert, attempt, relations } from './report.mjs';

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });

async function insert(relation, session, values = {}, returning = 'RETURNING id', db = pool) {
  const row = { session_id: session, user_message: 'veg pizza', ...values };
  const names = Object.keys(row);
  const { rows, rowCount } = await db.query(
    `INSERT INTO ${relation} (${names}) VALUES (${names.map((_, at) => `$${at + 1}`)}) ${returning}`,
    Object.values(row));
  return [rowCount, rows[0]?.id ?? null];
}

for (const relation of relations) {
  const one = (name, values, returning, sent = {}) =>
    attempt(`${relation}: ${name}`, (session) => insert(relation, session, values, returning), sent);

  await one('insert', {}, '');
  await one('insert, returning id', {});
  await one('insert, returning *', {}, 'RETURNING *');
  await one('insert, returning id, created_at', {}, 'RETURNING id, created_at');
  await one('12.7 as nlu_processing_time_ms', { nlu_processing_time_ms: 12.7 }, undefined,
    { nlu_processing_time_ms: 12.7 });
  await one('nlu_entities as an object', { nlu_entities: { dish: 'pizza' } }, undefined,
    { nlu_entities: { dish: 'pizza' } });
  await one('nlu_entities as JSON text', { nlu_entities: '[{"dish": "pizza"}]' }, undefined,
    { nlu_entities: [{ dish: 'pizza' }] });
  await one('nlu_entities as an array', { nlu_entities: [{ dish: 'pizza' }] });
  await one('response_success false', { response_success: false }, undefined, { response_success: false });
  await one('created_at as a Date', { created_at: new Date('2026-03-01T12:30:00Z') }, undefined,
    { created_at: '2026-03-01T12:30:00Z' });
  await one('created_at null', { created_at: null, message_type: null });
  await one('an explicit id', { id: 4711 });
  await one('review_status of its own', { review_status: 'approved' });

  await attempt(`${relation}: id DEFAULT`, async (session) => {
    const { rows } = await pool.query(`INSERT INTO ${relation} (id, session_id, user_message)
      VALUES (DEFAULT, $1, 'veg pizza') RETURNING id`, [session]);
    return [1, rows[0].id];
  });
  await attempt(`${relation}: several rows in VALUES, returning id`, async (session) => {
    const { rows } = await pool.query(`INSERT INTO ${relation} (session_id, user_message)
      VALUES ($1, 'a'), ($1, 'b'), ($1, 'c') RETURNING id`, [session]);
    return [rows.length, rows[2].id];
  });
  await attempt(`${relation}: a named (prepared) statement, five times`, async (session) => {
    const client = await pool.connect();
    let id;
    try {
      for (let number = 0; number < 5; number += 1) {
        ({ rows: [{ id }] } = await client.query({
          name: `capture_${relation}`, values: [session, `pizza ${number}`],
          text: `INSERT INTO ${relation} (session_id, user_message) VALUES ($1, $2) RETURNING id` }));
      }
    } finally {
      client.release(true);
    }
    return [5, id];
  });
  await attempt(`${relation}: COPY with pg-copy-streams`, async (session) => {
    const client = await pool.connect();
    try {
      const rows = Array.from({ length: 20 }, (_, number) => `${session}\tpizza ${number}\n`);
      await pipeline(Readable.from(rows),
        client.query(copyStreams.from(`COPY ${relation} (session_id, user_message) FROM STDIN`)));
    } finally {
      client.release(true);
    }
    return [20, null];
  });
  await attempt(`${relation}: transaction, rolled back`, async (session) => {
    const client = await pool.connect();
    try {
      await client.query('BEGIN');
      await insert(relation, session, {}, undefined, client);
      await client.query('ROLLBACK');
    } finally {
      client.release(true);
    }
    return [0, null];
  });
  await attempt(`${relation}: select by id after insert`, async (session) => {
    const [, id] = await insert(relation, session);
    const { rows } = await pool.query(`SELECT * FROM ${relation} WHERE id = $1`, [id]);
    return [rows.length, id];
  });
  await attempt(`${relation}: update by id`, async (session) => {
    const [, id] = await insert(relation, session);
    const { rowCount } = await pool.query(`UPDATE ${relation} SET response_text = 'yes' WHERE id = $1`, [id]);
    assert(rowCount === 1, 'nothing was updated');
    return [1, id];
  }, { response_text: 'yes' });
  await attempt(`${relation}: on conflict (id) do update`, async (session) => {
    const { rows } = await pool.query(`INSERT INTO ${relation} (session_id, user_message) VALUES ($1, 'veg pizza')
      ON CONFLICT (id) DO UPDATE SET user_message = excluded.user_message RETURNING id`, [session]);
    return [1, rows[0].id];
  });
}

await attempt('insert, then lastval()', async (session) => {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');                                // a pool may give the next statement another connection
    await insert('conversation_capture', session, {}, '', client);
    const { rows } = await client.query('SELECT lastval() AS id');
    await client.query('COMMIT');
    return [1, rows[0].id];
  } finally {
    client.release(true);
  }
});
await attempt("insert, then currval('conversation_logs_id_seq')", async (session) => {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await insert('conversation_logs', session, {}, '', client);
    const { rows } = await client.query("SELECT currval('conversation_logs_id_seq') AS id");
    await client.query('COMMIT');
    return [1, rows[0].id];
  } finally {
    client.release(true);
  }
});
await attempt('record_response() and record_feedback()', async (session) => {
  const [, id] = await insert('conversation_logs', session);
  const { rows: [{ one, two }] } = await pool.query(
    `SELECT record_response($1, $2, 'yes', false) AS one, record_feedback($1, $2, 'negative', 'burger') AS two`,
    [id, session]);
  assert(one === id && two === id, `they return ${one} and ${two}, not ${id}`);
  return [1, id];
}, { response_text: 'yes', response_success: false, user_feedback: 'negative', user_correction: 'burger' });
await attempt('assign_model_version() and classify_intent() before any model', async () => {
  const { rows } = await pool.query(`SELECT version, intent
    FROM assign_model_version('router', 's') AS version, classify_intent('veg pizza', 'router', version)`);
  assert(rows.length === 1 && rows[0].version === null && rows[0].intent === null, JSON.stringify(rows));
  return [0, null];
});

const operator = new pg.Pool({ connectionString: process.env.OPERATOR_URL });
await attempt('operator: export lines to a file, parsed back', async () => {
  const text = `say "hi"\n\\ ${process.env.TW_DATABASE}`;
  await operator.query("SELECT inserted FROM import_training_samples($1, 'manual')",
    [JSON.stringify({ text, intent: 'intent.smalltalk.greet' })]);
  const { rows } = await operator.query("SELECT line FROM export_training_samples('approved') AS line");
  const path = `./export.${process.pid}.jsonl`;
  try {
    const file = createWriteStream(path);
    for (const { line } of rows) file.write(`${line}\n`);
    await new Promise((done) => { file.end(done); });
    const samples = (await readFile(path, 'utf8')).trimEnd().split('\n').map((line) => JSON.parse(line));
    assert(samples.some((sample) => sample.text === text), JSON.stringify(samples));
  } finally {
    await rm(path, { force: true });
  }
  return [0, null];
});
await attempt('operator: export of several statuses as an array', async () => {
  const { rows } = await operator.query('SELECT line FROM export_training_samples($1) AS line',
    [['approved', 'pending']]);
  assert(rows.length > 0 && JSON.parse(rows[0].line).text, JSON.stringify(rows));
  return [0, null];
});
await pool.end();
await operator.end();
