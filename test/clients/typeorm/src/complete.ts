// A chatbot that captures with TypeORM. DATABASE_URL names the database; the role is of kind capture.
import { DataSource, EntityManager } from 'typeorm';
import { Conversation, Order } from './entities';

const database = new DataSource({
  type: 'postgres', url: process.env.DATABASE_URL, entities: [Conversation, Order], synchronize: false,
});

// Captures one message; returns the conversation's id (bigint comes as a string) and the reply.
export async function answer(session: string, text: string, on: EntityManager = database.manager) {
  const started = performance.now();
  // Both are NULL while no model is live: the message is captured all the same, and a person labels it.
  const [nlu] = await on.query(
    `SELECT version, intent, confidence, module_type
     FROM assign_model_version('router', $1) AS version, classify_intent($2, 'router', version)`, [session, text]);
  const { id } = await on.save(Conversation, {
    sessionId: session, userMessage: text,
    nluIntent: nlu.intent, nluConfidence: nlu.confidence, nluModuleType: nlu.module_type,
    nluProvider: 'indicbert', nluModelVersion: nlu.version,
    nluEntities: [{ dish: 'pizza' }], nluProcessingTimeMs: performance.now() - started,
  });
  const reply = '12 places near you';                                    // your own code
  await on.query('SELECT record_response($1, $2, $3, $4, $5)', [id, session, reply, true, 'opensearch']);
  return { id, reply };
}

export async function thumbsDown(id: string, session: string, correction: string | null = null) {
  await database.query("SELECT record_feedback($1, $2, 'negative', $3)", [id, session, correction]);
}

// Many messages in one statement.
export async function many(messages: { session: string; text: string }[]) {
  await database.getRepository(Conversation).insert(
    messages.map(({ session, text }) => ({ sessionId: session, userMessage: text, nluProvider: 'llm' })));
}

// The conversation is stored if the order is: both commit or roll back together.
export async function order(session: string, text: string, fail = false) {
  return database.transaction(async (on) => {
    const { id } = await answer(session, text, on);
    await on.insert(Order, { conversation: id, note: 'pizza' });
    if (fail) throw new Error('the kitchen is closed');
    return id;
  });
}

(async () => {
  await database.initialize();
  const { runComplete } = await import('../dialogue.mjs' as string);
  await runComplete({ answer, thumbsDown, many, order });
  await database.destroy();
})();
