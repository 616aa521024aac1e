// A chatbot that captures with Drizzle. DATABASE_URL names the database; the role is of kind capture.
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { conversations, orders } from './schema.mjs';

const db = drizzle(process.env.DATABASE_URL);
// Without a listener Node ends when the server closes an idle connection of the pool.
db.$client.on('error', (error) => console.error(error.message));

// Captures one message; returns the conversation's id and the reply.
export async function answer(session, text, on = db) {
  const started = performance.now();
  // Both are NULL while no model is live: the message is captured all the same, and a person labels it.
  const { rows: [nlu] } = await on.execute(sql`
    SELECT version, intent, confidence, module_type
    FROM assign_model_version('router', ${session}) AS version, classify_intent(${text}, 'router', version)`);
  const [{ id }] = await on.insert(conversations).values({
    sessionId: session, userMessage: text,
    nluIntent: nlu.intent, nluConfidence: nlu.confidence, nluModuleType: nlu.module_type,
    nluProvider: 'indicbert', nluModelVersion: nlu.version,
    nluEntities: [{ dish: 'pizza' }], nluProcessingTimeMs: performance.now() - started,
  }).returning({ id: conversations.id });
  const reply = '12 places near you';                          // your own code
  await on.execute(sql`SELECT record_response(${id}, ${session}, ${reply}, ${true}, 'opensearch')`);
  return { id, reply };
}

export async function thumbsDown(id, session, correction = null) {
  await db.execute(sql`SELECT record_feedback(${id}, ${session}, 'negative', ${correction})`);
}

// Many messages in one statement.
export async function many(messages) {
  await db.insert(conversations).values(
    messages.map(({ session, text }) => ({ sessionId: session, userMessage: text, nluProvider: 'llm' })));
}

// The conversation is stored if the order is: both commit or roll back together.
export async function order(session, text, fail = false) {
  return db.transaction(async (on) => {
    const { id } = await answer(session, text, on);
    await on.insert(orders).values({ conversation: id, note: 'pizza' });
    if (fail) throw new Error('the kitchen is closed');
    return id;
  });
}

const { runComplete } = await import('./dialogue.mjs');
await runComplete({ answer, thumbsDown, many, order });
await db.$client.end();
