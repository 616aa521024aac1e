// What a developer writes first with Drizzle.
import { eq, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { pgTable } from 'drizzle-orm/pg-core';
import { assert, attempt } from './report.mjs';
import { columns, conversations, logs } from './schema.mjs';

const db = drizzle(process.env.DATABASE_URL);
const row = (session, values = {}) => ({ sessionId: session, userMessage: 'veg pizza', ...values });

for (const [relation, table] of [['conversation_capture', conversations], ['conversation_logs', logs]]) {
  const tries = (name, run, sent) => attempt(`${relation}: ${name}`, run, sent);
  const inserts = (name, values, sent) => tries(name, async (session) => {
    const [{ id }] = await db.insert(table).values(row(session, values)).returning({ id: table.id });
    return [1, id];
  }, sent);

  await tries('insert()', async (session) => {
    const { rowCount } = await db.insert(table).values(row(session));
    return [rowCount, null];
  });
  await inserts('insert().returning({ id })', {});
  await tries('insert().returning()', async (session) => {
    const [{ id }] = await db.insert(table).values(row(session)).returning();
    return [1, id];
  });
  await inserts('insert() with 12.7 milliseconds', { nluProcessingTimeMs: 12.7 }, { nlu_processing_time_ms: 12.7 });
  await inserts('insert() with nluEntities as an object', { nluEntities: { dish: 'pizza' } },
    { nlu_entities: { dish: 'pizza' } });
  await inserts('insert() with nluEntities as an array', { nluEntities: [{ dish: 'pizza' }] },
    { nlu_entities: [{ dish: 'pizza' }] });
  await inserts('insert() with nluEntities as JSON text', { nluEntities: '[{"dish": "pizza"}]' },
    { nlu_entities: [{ dish: 'pizza' }] });
  await inserts('insert() with responseSuccess false', { responseSuccess: false }, { response_success: false });
  await inserts('insert() with createdAt as a Date', { createdAt: new Date('2026-03-01T12:30:00Z') },
    { created_at: '2026-03-01T12:30:00Z' });
  await inserts('insert() with an explicit id', { id: 4711 });
  await tries('insert() of several rows, returning()', async (session) => {
    const made = await db.insert(table).values([row(session), row(session), row(session)]).returning();
    return [made.length, made[2].id];
  });
  await tries('transaction() that throws', async (session) => {
    await db.transaction(async (on) => {
      await on.insert(table).values(row(session));
      throw new Error('the kitchen is closed');
    }).catch((error) => { if (error.message !== 'the kitchen is closed') throw error; });
    return [0, null];
  });
  await tries('insert().onConflictDoUpdate() by id', async (session) => {
    const [{ id }] = await db.insert(table).values(row(session))
      .onConflictDoUpdate({ target: table.id, set: { userMessage: 'pizza' } }).returning({ id: table.id });
    return [1, id];
  });
  await tries('insert().onConflictDoNothing()', async (session) => {
    const { rowCount } = await db.insert(table).values(row(session)).onConflictDoNothing();
    return [rowCount, null];
  });
  const inserted = async (session) => (await db.insert(table).values(row(session)).returning({ id: table.id }))[0].id;
  await tries('insert(), then select() by id', async (session) => {
    const id = await inserted(session);
    const found = await db.select().from(table).where(eq(table.id, id));
    return [found.length, id];
  });
  await tries('insert(), then update() with the response', async (session) => {
    const id = await inserted(session);
    const { rowCount } = await db.update(table).set({ responseText: 'yes' }).where(eq(table.id, id));
    assert(rowCount === 1, 'nothing was updated');
    return [1, id];
  }, { response_text: 'yes' });
  await tries('insert(), then delete()', async (session) => {
    const id = await inserted(session);
    await db.delete(table).where(eq(table.id, id));
    return [0, null];
  });
  await tries('insert() of a pgTable() without a schema', async (session) => {
    const unnamed = pgTable(relation, columns);
    const [{ id }] = await db.insert(unnamed).values(row(session)).returning({ id: unnamed.id });
    return [1, id];
  });
}
await attempt('execute(sql`INSERT ... RETURNING id`)', async (session) => {
  const { rows: [{ id }] } = await db.execute(sql`
    INSERT INTO conversation_logs (session_id, user_message) VALUES (${session}, 'veg pizza') RETURNING id`);
  return [1, id];
});
await attempt('record_response() and record_feedback()', async (session) => {
  const [{ id }] = await db.insert(conversations).values(row(session)).returning({ id: conversations.id });
  const { rows: [{ one, two }] } = await db.execute(sql`
    SELECT record_response(${id}, ${session}, 'yes', ${false}) AS one,
      record_feedback(${id}, ${session}, 'negative', 'burger') AS two`);
  assert(Number(one) === id && Number(two) === id, `they return ${one} and ${two}, not ${id}`);
  return [1, id];
}, { response_text: 'yes', response_success: false, user_feedback: 'negative', user_correction: 'burger' });
await db.$client.end();
