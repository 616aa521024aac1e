// What a developer writes first with Prisma.
import { readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { PrismaPg } from '@prisma/adapter-pg';
import { assert, attempt, relations, schema } from './report.mjs';

const require = createRequire(import.meta.url);
const connectionString = process.env.DATABASE_URL;

// Calls use() with a client whose model of the relation has @@schema, or none ("unnamed").
async function withClient(name, use, url = connectionString, options = undefined) {
  const { PrismaClient } = require(`./generated/${name}`);
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: url }, options) });
  try {
    return await use(prisma);
  } finally {
    await prisma.$disconnect();
  }
}

const row = (session, values = {}) => ({ sessionId: session, userMessage: 'veg pizza', ...values });

async function onRelation(relation, prisma) {
  const tries = (name, run, sent) => attempt(`${relation}: ${name}`, run, sent);
  const creates = (name, values, sent, rest = {}) => tries(name, async (session) => {
    const { id } = await prisma.conversation.create({ data: row(session, values), ...rest });
    return [1, id];
  }, sent);

  await creates('create()');
  await creates('create(), select id', {}, {}, { select: { id: true } });
  await creates('create() with 12.7 milliseconds', { nluProcessingTimeMs: 12.7 }, { nlu_processing_time_ms: 12.7 });
  await creates('create() with nluEntities as an object', { nluEntities: { dish: 'pizza' } },
    { nlu_entities: { dish: 'pizza' } });
  await creates('create() with nluEntities as an array', { nluEntities: [{ dish: 'pizza' }] },
    { nlu_entities: [{ dish: 'pizza' }] });
  await creates('create() with nluEntities as JSON text', { nluEntities: '[{"dish": "pizza"}]' },
    { nlu_entities: [{ dish: 'pizza' }] });
  await creates('create() with responseSuccess false', { responseSuccess: false }, { response_success: false });
  await creates('create() with createdAt as a Date', { createdAt: new Date('2026-03-01T12:30:00Z') },
    { created_at: '2026-03-01T12:30:00Z' });
  await creates('create() with an explicit id', { id: 4711n });
  await tries('createMany()', async (session) => {
    const { count } = await prisma.conversation.createMany({ data: [row(session), row(session), row(session)] });
    return [count, null];
  });
  await tries('createMany() with skipDuplicates', async (session) => {
    const data = [row(session), row(session)];
    const { count } = await prisma.conversation.createMany({ data, skipDuplicates: true });
    return [count, null];
  });
  await tries('createManyAndReturn()', async (session) => {
    const made = await prisma.conversation.createManyAndReturn({ data: [row(session), row(session), row(session)] });
    return [made.length, made[2].id];
  });
  await tries('$transaction([create(), create()])', async (session) => {
    const made = await prisma.$transaction([1, 2].map(() => prisma.conversation.create({ data: row(session) })));
    return [made.length, made[1].id];
  });
  await tries('$transaction() that throws', async (session) => {
    await prisma.$transaction(async (db) => {
      await db.conversation.create({ data: row(session) });
      throw new Error('the kitchen is closed');
    }).catch((error) => { if (error.message !== 'the kitchen is closed') throw error; });
    return [0, null];
  });
  await tries('upsert()', async (session) => {
    const { id } = await prisma.conversation.upsert({ where: { id: 0n }, create: row(session), update: row(session) });
    return [1, id];
  });
  await tries('create(), then findUnique()', async (session) => {
    const { id } = await prisma.conversation.create({ data: row(session) });
    assert(await prisma.conversation.findUnique({ where: { id } }), 'nothing is found');
    return [1, id];
  });
  await tries('create(), then update() with the response', async (session) => {
    const { id } = await prisma.conversation.create({ data: row(session) });
    await prisma.conversation.update({ where: { id }, data: { responseText: 'yes', responseSuccess: true } });
    return [1, id];
  }, { response_text: 'yes' });
  await tries('create(), then delete()', async (session) => {
    const { id } = await prisma.conversation.create({ data: row(session) });
    await prisma.conversation.delete({ where: { id } });
    return [0, null];
  });
  await tries('count()', async () => {
    await prisma.conversation.count();
    return [0, null];
  });
}

for (const relation of relations) {
  await withClient(`${relation}.${schema}`, (prisma) => onRelation(relation, prisma));
  const create = (session) => async (prisma) => {
    const { id } = await prisma.conversation.create({ data: row(session), select: { id: true } });
    return [1, id];
  };
  await attempt(`${relation}: create() of a model without @@schema`,
    (session) => withClient(`${relation}.unnamed`, create(session)));
  await attempt(`${relation}: create() of a model without @@schema, ?schema= in the URL`,
    (session) => withClient(`${relation}.unnamed`, create(session), `${connectionString}?schema=${schema}`));
  await attempt(`${relation}: create() of a model without @@schema, new PrismaPg(..., { schema })`,
    (session) => withClient(`${relation}.unnamed`, create(session), connectionString, { schema }));
}
await attempt("create() of another table's model, new PrismaPg(..., { schema })", () => withClient(
  'conversation_capture.unnamed', async (prisma) => {
    await prisma.order.create({ data: { note: 'pizza' } });
    return [0, null];
  }, connectionString, { schema }));

await withClient(`conversation_capture.${schema}`, async (prisma) => {
  const created = async (session) => (await prisma.$queryRaw`
    INSERT INTO conversation_logs (session_id, user_message) VALUES (${session}, 'veg pizza') RETURNING id`)[0].id;
  await attempt('$queryRaw INSERT ... RETURNING id', async (session) => [1, await created(session)]);
  await attempt('$executeRaw INSERT', async (session) => [await prisma.$executeRaw`
    INSERT INTO conversation_logs (session_id, user_message) VALUES (${session}, 'veg pizza')`, null]);
  await attempt('$queryRaw record_response() and record_feedback()', async (session) => {
    const id = await created(session);
    const [one] = await prisma.$queryRaw`SELECT record_response(${id}, ${session}, 'yes', ${false}) AS id`;
    const [two] = await prisma.$queryRaw`SELECT record_feedback(${id}, ${session}, 'negative', 'burger') AS id`;
    assert(one.id === id && two.id === id, `they return ${one.id} and ${two.id}, not ${id}`);
    return [1, id];
  }, { response_text: 'yes', response_success: false, user_feedback: 'negative', user_correction: 'burger' });
  await attempt('$executeRaw record_feedback()', async (session) => {
    const id = await created(session);
    await prisma.$executeRaw`SELECT record_feedback(${id}, ${session}, 'negative')`;
    return [1, id];
  }, { user_feedback: 'negative' });
  await attempt('$queryRaw assign_model_version(), classify_intent() before any model', async () => {
    const rows = await prisma.$queryRaw`SELECT version, intent
      FROM assign_model_version('router', 's') AS version, classify_intent('veg pizza', 'router', version)`;
    assert(rows.length === 1 && rows[0].version === null && rows[0].intent === null, 'a row of NULLs was expected');
    return [0, null];
  });
});

await withClient(`conversation_capture.${schema}`, async (prisma) => {
  for (const view of ['review_backlog', 'reviewer_activity', 'training_jobs', 'job_health', 'training_queue',
    'model_versions', 'daily_training_stats', 'model_performance_comparison', 'rollout_status']) {
    await attempt(`operator: $queryRaw SELECT * FROM ${view}`, async () => {
      await prisma.$queryRawUnsafe(`SELECT * FROM ${view}`);
      return [0, null];
    });
  }
  await attempt('operator: export lines to a file, parsed back', async () => {
    const text = 'say "hi"\n\\ with Prisma';
    const sample = JSON.stringify({ text, intent: 'intent.greet' });
    await prisma.$queryRaw`SELECT inserted FROM import_training_samples(${sample}, 'manual')`;
    const rows = await prisma.$queryRaw`SELECT line FROM export_training_samples('approved') AS line`;
    const path = `./export.${process.pid}.jsonl`;
    try {
      await writeFile(path, rows.map(({ line }) => `${line}\n`).join(''));
      const samples = (await readFile(path, 'utf8')).trimEnd().split('\n').map((line) => JSON.parse(line));
      assert(samples.some((sample) => sample.text === text), JSON.stringify(samples));
    } finally {
      await rm(path, { force: true });
    }
    return [0, null];
  });
  await attempt('operator: export of several statuses as an array', async () => {
    const rows = await prisma.$queryRaw`SELECT line FROM export_training_samples(${['approved', 'pending']}) AS line`;
    assert(rows.length > 0 && JSON.parse(rows[0].line).text, 'no line');
    return [0, null];
  });
}, process.env.OPERATOR_URL);
