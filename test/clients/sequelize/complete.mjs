// A chatbot that captures with Sequelize. DATABASE_URL names the database; the role is of kind capture.
import { QueryTypes, Sequelize } from 'sequelize';
import { conversationModel } from './model.mjs';

const sequelize = new Sequelize(process.env.DATABASE_URL, { logging: false });
const Conversation = conversationModel(sequelize, 'conversation_capture');
const select = (text, bind, transaction) => sequelize.query(text, { bind, transaction, type: QueryTypes.SELECT });

// Captures one message; returns the conversation's id (bigint comes as a string) and the reply.
export async function answer(session, text, transaction = undefined) {
  const started = performance.now();
  // Both are NULL while no model is live: the message is captured all the same, and a person labels it.
  const [nlu] = await select(
    `SELECT version, intent, confidence, module_type
     FROM assign_model_version('router', $1) AS version, classify_intent($2, 'router', version)`,
    [session, text], transaction);
  const { id } = await Conversation.create({
    sessionId: session, userMessage: text,
    nluIntent: nlu.intent, nluConfidence: nlu.confidence, nluModuleType: nlu.module_type,
    nluProvider: 'indicbert', nluModelVersion: nlu.version,
    nluEntities: [{ dish: 'pizza' }], nluProcessingTimeMs: performance.now() - started,
  }, { transaction });
  const reply = '12 places near you';                          // your own code
  await select('SELECT record_response($1, $2, $3, $4, $5)', [id, session, reply, true, 'opensearch'], transaction);
  return { id, reply };
}

export async function thumbsDown(id, session, correction = null) {
  await select("SELECT record_feedback($1, $2, 'negative', $3)", [id, session, correction]);
}

// Many messages in one statement.
export async function many(messages) {
  await Conversation.bulkCreate(
    messages.map(({ session, text }) => ({ sessionId: session, userMessage: text, nluProvider: 'llm' })));
}

// The conversation is stored if the order is: both commit or roll back together.
export async function order(session, text, fail = false) {
  return sequelize.transaction(async (transaction) => {
    const { id } = await answer(session, text, transaction);
    await sequelize.query("INSERT INTO orders (conversation, note) VALUES ($1, 'pizza')", { bind: [id], transaction });
    if (fail) throw new Error('the kitchen is closed');
    return id;
  });
}

const { runComplete } = await import('./dialogue.mjs');
await runComplete({ answer, thumbsDown, many, order });
await sequelize.close();
