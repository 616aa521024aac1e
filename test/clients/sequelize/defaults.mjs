// What a developer writes first with Sequelize.
import { DataTypes, QueryTypes, Sequelize } from 'sequelize';
import { conversationModel } from './model.mjs';
import { assert, attempt, relations, schema } from './report.mjs';

const sequelize = new Sequelize(process.env.DATABASE_URL, { logging: false });
const row = (session, values = {}) => ({ sessionId: session, userMessage: 'veg pizza', ...values });

for (const relation of relations) {
  const Conversation = conversationModel(sequelize, relation);
  const tries = (name, run, sent) => attempt(`${relation}: ${name}`, run, sent);
  const creates = (name, values, sent, options, model = Conversation) => tries(name, async (session) => {
    const { id } = await model.create(row(session, values), options);
    return [1, id ?? null];
  }, sent);

  await creates('create()');
  await creates("create(), returning: ['id']", {}, {}, { returning: ['id'] });
  await creates('create(), returning: false', {}, {}, { returning: false });
  await creates('create() with 12.7 milliseconds', { nluProcessingTimeMs: 12.7 }, { nlu_processing_time_ms: 12.7 });
  await creates('create() with nluEntities as an object', { nluEntities: { dish: 'pizza' } },
    { nlu_entities: { dish: 'pizza' } });
  await creates('create() with nluEntities as an array', { nluEntities: [{ dish: 'pizza' }] },
    { nlu_entities: [{ dish: 'pizza' }] });
  await creates('create() with nluEntities as JSON text', { nluEntities: '[{"dish": "pizza"}]' },
    { nlu_entities: [{ dish: 'pizza' }] });
  await creates('create() with responseSuccess false', { responseSuccess: false }, { response_success: false });
  await creates('create() with an explicit id', { id: 4711 });
  await creates('create() of a model with createdAt', {}, {}, {}, conversationModel(sequelize, relation,
    { timestamps: true, updatedAt: false, modelName: `${relation}_created` }));
  await creates('create() of a model with Sequelize\'s timestamps', {}, {}, {}, conversationModel(sequelize, relation,
    { timestamps: true }));
  await creates('create() of a model with schema', {}, {}, {}, conversationModel(sequelize, relation, { schema }));
  await tries('bulkCreate()', async (session) => {
    const made = await Conversation.bulkCreate([row(session), row(session), row(session)]);
    return [made.length, made[2].id];
  });
  await tries('bulkCreate() without returning', async (session) => {
    const made = await Conversation.bulkCreate([row(session), row(session)], { returning: false });
    return [made.length, null];
  });
  await tries('transaction() that throws', async (session) => {
    await sequelize.transaction(async (transaction) => {
      await Conversation.create(row(session), { transaction });
      throw new Error('the kitchen is closed');
    }).catch((error) => { if (error.message !== 'the kitchen is closed') throw error; });
    return [0, null];
  });
  await tries('upsert()', async (session) => {
    const [made] = await Conversation.upsert(row(session));
    return [1, made.id];
  });
  await tries('create(), then reload()', async (session) => {
    const made = await Conversation.create(row(session));
    await made.reload();
    return [1, made.id];
  });
  await tries('create(), then findByPk()', async (session) => {
    const { id } = await Conversation.create(row(session));
    return [await Conversation.findByPk(id) ? 1 : 0, id];
  });
  await tries('create(), then save() with the response', async (session) => {
    const made = await Conversation.create(row(session));
    made.responseText = 'yes';
    await made.save();
    return [1, made.id];
  }, { response_text: 'yes' });
  await tries('sync()', async () => {
    await Conversation.sync();
    return [0, null];
  });
  await tries('sync({ alter: true })', async () => {
    await Conversation.sync({ alter: true });
    return [0, null];
  });
  await tries('findOrCreate()', async (session) => {
    const [made] = await Conversation.findOrCreate({ where: { sessionId: session }, defaults: row(session) });
    return [1, made.id];
  });
}
await attempt('create() of a model with created_at as a DATE column', async (session) => {
  const Conversation = sequelize.define('Dated', {
    id: { type: DataTypes.BIGINT, primaryKey: true, autoIncrement: true }, sessionId: DataTypes.TEXT,
    userMessage: DataTypes.TEXT, createdAt: DataTypes.DATE,
  }, { tableName: 'conversation_capture', underscored: true, timestamps: false });
  const { id } = await Conversation.create(row(session, { createdAt: new Date('2026-03-01T12:30:00Z') }));
  return [1, id];
}, { created_at: '2026-03-01T12:30:00Z' });
await attempt('record_response() and record_feedback()', async (session) => {
  const [[{ id }]] = await sequelize.query(
    "INSERT INTO conversation_logs (session_id, user_message) VALUES ($1, 'veg pizza') RETURNING id",
    { bind: [session] });
  const [{ one, two }] = await sequelize.query(`SELECT record_response($1, $2, 'yes', $3) AS one,
    record_feedback($1, $2, 'negative', 'burger') AS two`, { bind: [id, session, false], type: QueryTypes.SELECT });
  assert(one === id && two === id, `they return ${one} and ${two}, not ${id}`);
  return [1, id];
}, { response_text: 'yes', response_success: false, user_feedback: 'negative', user_correction: 'burger' });
await sequelize.close();
