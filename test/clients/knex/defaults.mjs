// What a developer writes first with Knex.
import knex from 'knex';
import { assert, attempt, relations, schema } from './report.mjs';

const db = knex({ client: 'pg', connection: process.env.DATABASE_URL });
const row = (session, values = {}) => ({ session_id: session, user_message: 'veg pizza', ...values });

for (const relation of relations) {
  const tries = (name, run, sent) => attempt(`${relation}: ${name}`, run, sent);
  const inserts = (name, values, sent, returning = 'id') => tries(name, async (session) => {
    const [{ id }] = await db(relation).insert(row(session, values)).returning(returning);
    return [1, id];
  }, sent);

  await tries('insert()', async (session) => {
    const { rowCount } = await db(relation).insert(row(session));
    return [rowCount, null];
  });
  await inserts("insert().returning('id')", {});
  await inserts("insert().returning('*')", {}, {}, '*');
  await inserts("insert().returning(['id', 'created_at'])", {}, {}, ['id', 'created_at']);
  await inserts('insert() with 12.7 milliseconds', { nlu_processing_time_ms: 12.7 }, { nlu_processing_time_ms: 12.7 });
  await inserts('insert() with nlu_entities as an object', { nlu_entities: { dish: 'pizza' } },
    { nlu_entities: { dish: 'pizza' } });
  await inserts('insert() with nlu_entities as JSON text', { nlu_entities: '[{"dish": "pizza"}]' },
    { nlu_entities: [{ dish: 'pizza' }] });
  await inserts('insert() with nlu_entities as an array', { nlu_entities: [{ dish: 'pizza' }] });
  await inserts('insert() with response_success false', { response_success: false }, { response_success: false });
  await inserts('insert() with created_at as a Date', { created_at: new Date('2026-03-01T12:30:00Z') },
    { created_at: '2026-03-01T12:30:00Z' });
  await inserts('insert() with created_at from db.fn.now()', { created_at: db.fn.now() });
  await inserts('insert() with an explicit id', { id: 4711 });
  await tries('insert() of several rows of unequal columns', async (session) => {
    const made = await db(relation).insert([row(session), row(session, { id: undefined, nlu_intent: 'intent.a' })])
      .returning('id');
    return [made.length, made[1].id];
  });
  await tries('batchInsert()', async (session) => {
    const made = await db.batchInsert(relation, Array.from({ length: 10 }, () => row(session)), 4).returning('id');
    return [made.length, made[9].id];
  });
  await tries('transaction() that throws', async (session) => {
    await db.transaction(async (on) => {
      await on(relation).insert(row(session));
      throw new Error('the kitchen is closed');
    }).catch((error) => { if (error.message !== 'the kitchen is closed') throw error; });
    return [0, null];
  });
  await tries("insert().onConflict('id').merge()", async (session) => {
    const [{ id }] = await db(relation).insert(row(session)).onConflict('id').merge().returning('id');
    return [1, id];
  });
  const inserted = async (session) => (await db(relation).insert(row(session)).returning('id'))[0].id;
  await tries('insert(), then where({ id }).first()', async (session) => {
    const id = await inserted(session);
    return [await db(relation).where({ id }).first() ? 1 : 0, id];
  });
  await tries('insert(), then update() with the response', async (session) => {
    const id = await inserted(session);
    assert(await db(relation).where({ id }).update({ response_text: 'yes' }) === 1, 'nothing was updated');
    return [1, id];
  }, { response_text: 'yes' });
  await tries('insert(), then del()', async (session) => {
    const id = await inserted(session);
    await db(relation).where({ id }).del();
    return [0, null];
  });
  await tries('withSchema().insert()', async (session) => {
    const [{ id }] = await db.withSchema(schema).from(relation).insert(row(session)).returning('id');
    return [1, id];
  });
}
await attempt('record_response() and record_feedback()', async (session) => {
  const [{ id }] = await db('conversation_logs').insert(row(session)).returning('id');
  const { rows: [{ one, two }] } = await db.raw(`SELECT record_response(:id, :session, 'yes', :ok) AS one,
    record_feedback(:id, :session, 'negative', 'burger') AS two`, { id, session, ok: false });
  assert(one === id && two === id, `they return ${one} and ${two}, not ${id}`);
  return [1, id];
}, { response_text: 'yes', response_success: false, user_feedback: 'negative', user_correction: 'burger' });
await db.destroy();
