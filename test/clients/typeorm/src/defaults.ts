// What a developer writes first with TypeORM.
import { Column, CreateDateColumn, DataSource, Entity, PrimaryGeneratedColumn } from 'typeorm';
import { Conversation } from './entities';

const schema = process.env.TW_SCHEMA;

// The same entity on a relation: with every column, or with few; with dates of TypeORM's own; without a schema.
function entity(name: string, schemaName: string | undefined = schema) {
  @Entity({ name, schema: schemaName, synchronize: false })
  class OnRelation extends Conversation {}
  return OnRelation;
}
function dated(name: string) {
  @Entity({ name, schema, synchronize: false })
  class Dated {
    @PrimaryGeneratedColumn({ type: 'bigint' }) id: string;
    @Column({ name: 'session_id', type: 'text' }) sessionId: string;
    @Column({ name: 'user_message', type: 'text' }) userMessage: string;
    @CreateDateColumn({ name: 'created_at', type: 'timestamptz' }) createdAt: Date;
  }
  return Dated;
}
function identity(name: string) {
  @Entity({ name, schema, synchronize: false })
  class WithIdentity {
    @PrimaryGeneratedColumn('identity', { type: 'bigint' }) id: string;
    @Column({ name: 'session_id', type: 'text' }) sessionId: string;
    @Column({ name: 'user_message', type: 'text' }) userMessage: string;
  }
  return WithIdentity;
}
function synchronized(name: string) {
  @Entity({ name, schema })
  class Synchronized {
    @PrimaryGeneratedColumn({ type: 'bigint' }) id: string;
    @Column({ name: 'session_id', type: 'text' }) sessionId: string;
  }
  return Synchronized;
}
const relations = ['conversation_capture', 'conversation_logs'];
const kinds = relations.map((name) => ({
  name, Row: entity(name), Unnamed: entity(name, 'public'), Dated: dated(name), WithIdentity: identity(name),
}));
const row = (session: string, values = {}) => ({ sessionId: session, userMessage: 'veg pizza', ...values });

async function main() {
  const { attempt, assert } = await import('../report.mjs' as string);
  const database = new DataSource({ type: 'postgres', url: process.env.DATABASE_URL, synchronize: false,
    entities: kinds.flatMap(({ Row, Unnamed, Dated, WithIdentity }) => [Row, Unnamed, Dated, WithIdentity]) });
  await database.initialize();

  for (const { name: relation, Row, Unnamed, Dated, WithIdentity } of kinds) {
    const rows = database.getRepository(Row);
    const tries = (name: string, run: (session: string) => Promise<unknown>, sent = {}) =>
      attempt(`${relation}: ${name}`, run, sent);
    const saves = (name: string, values = {}, sent = {}) => tries(name, async (session) =>
      [1, (await rows.save(rows.create(row(session, values)))).id], sent);

    await saves('save()');
    await tries('insert()', async (session) => {
      const { identifiers } = await rows.insert(row(session));
      return [1, identifiers[0].id];
    });
    await tries("insert builder, returning('*')", async (session) => {
      const { raw } = await rows.createQueryBuilder().insert().values(row(session)).returning('*').execute();
      return [1, raw[0].id];
    });
    await saves('save() with 12.7 milliseconds', { nluProcessingTimeMs: 12.7 }, { nlu_processing_time_ms: 12.7 });
    await saves('save() with nluEntities as an object', { nluEntities: { dish: 'pizza' } },
      { nlu_entities: { dish: 'pizza' } });
    await saves('save() with nluEntities as an array', { nluEntities: [{ dish: 'pizza' }] },
      { nlu_entities: [{ dish: 'pizza' }] });
    await saves('save() with nluEntities as JSON text', { nluEntities: '[{"dish": "pizza"}]' },
      { nlu_entities: [{ dish: 'pizza' }] });
    await saves('save() with responseSuccess false', { responseSuccess: false }, { response_success: false });
    await saves('save() with an explicit id', { id: '4711' });
    await tries('insert() with an explicit id', async (session) => {
      const { identifiers } = await rows.insert(row(session, { id: '4712' }));
      return [1, identifiers[0].id];
    });
    await tries('save() with a CreateDateColumn', async (session) =>
      [1, (await database.getRepository(Dated).save(row(session))).id]);
    await tries('save() with created_at as a Date', async (session) =>
      [1, (await database.getRepository(Dated).save(row(session, { createdAt: new Date('2026-03-01T12:30:00Z') }))).id],
    { created_at: '2026-03-01T12:30:00Z' });
    await tries('save() with an identity column', async (session) =>
      [1, (await database.getRepository(WithIdentity).save(row(session))).id]);
    await tries('save() of several', async (session) => {
      const made = await rows.save([row(session), row(session), row(session)]);
      return [made.length, made[2].id];
    });
    await tries('insert() of several', async (session) => {
      const { identifiers } = await rows.insert([row(session), row(session), row(session)]);
      return [identifiers.length, identifiers[2].id];
    });
    await tries('transaction() that throws', async (session) => {
      await database.transaction(async (on) => {
        await on.save(Row, row(session));
        throw new Error('the kitchen is closed');
      }).catch((error) => { if (error.message !== 'the kitchen is closed') throw error; });
      return [0, null];
    });
    await tries("upsert() by id", async (session) => {
      const { identifiers } = await rows.upsert(row(session), ['id']);
      return [1, identifiers[0].id];
    });
    await tries('save(), then findOneBy()', async (session) => {
      const { id } = await rows.save(row(session));
      return [await rows.findOneBy({ id }) ? 1 : 0, id];
    });
    await tries('save(), then save() with the response', async (session) => {
      const made = await rows.save(rows.create(row(session)));
      made.responseText = 'yes';
      await rows.save(made);
      return [1, made.id];
    }, { response_text: 'yes' });
    await tries('save(), then update() with the response', async (session) => {
      const { id } = await rows.save(row(session));
      await rows.update({ id }, { responseText: 'yes' });
      return [1, id];
    }, { response_text: 'yes' });
    await tries('save(), then delete()', async (session) => {
      const { id } = await rows.save(row(session));
      await rows.delete({ id });
      return [0, null];
    });
    await tries("save() of an entity without the schema's name", async (session) =>
      [1, (await database.getRepository(Unnamed).save(row(session))).id]);
    await tries('synchronize: true', async () => {
      const source = new DataSource({ type: 'postgres', url: process.env.DATABASE_URL, synchronize: true,
        entities: [synchronized(relation)] });
      await source.initialize();
      await source.destroy();
      return [0, null];
    });
  }
  await attempt('query() INSERT ... RETURNING id', async (session: string) => {
    const [{ id }] = await database.query(
      "INSERT INTO conversation_logs (session_id, user_message) VALUES ($1, 'veg pizza') RETURNING id", [session]);
    return [1, id];
  });
  await attempt('record_response() and record_feedback()', async (session: string) => {
    const { id } = await database.getRepository(kinds[0].Row).save(row(session));
    const [{ one, two }] = await database.query(`SELECT record_response($1, $2, 'yes', $3) AS one,
      record_feedback($1, $2, 'negative', 'burger') AS two`, [id, session, false]);
    assert(one === id && two === id, `they return ${one} and ${two}, not ${id}`);
    return [1, id];
  }, { response_text: 'yes', response_success: false, user_feedback: 'negative', user_correction: 'burger' });
  await database.destroy();
}
void main();
