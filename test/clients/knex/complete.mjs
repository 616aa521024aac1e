// A chatbot that captures with Knex. DATABASE_URL names the database; the role is of kind capture.
import knex from 'knex';

const db = knex({ client: 'pg', connection: process.env.DATABASE_URL });

// Captures one message; returns the conversation's id (bigint comes as a string) and the reply.
export async function answer(session, text, on = db) {
  const started = performance.now();
  // Both are NULL while no model is live: the message is captured all the same, and a person labels it.
  const { rows: [nlu] } = await on.raw(
    `SELECT version, intent, confidence, module_type
     FROM assign_model_version('router', ?) AS version, classify_intent(?, 'router', version)`, [session, text]);
  const [{ id }] = await on('conversation_capture').insert({
    session_id: session, user_message: text,
    nlu_intent: nlu.intent, nlu_confidence: nlu.confidence, nlu_module_type: nlu.module_type,
    nlu_provider: 'indicbert', nlu_model_version: nlu.version,
    nlu_entities: JSON.stringify([{ dish: 'pizza' }]),          // pg makes an SQL array of a bare JavaScript array
    nlu_processing_time_ms: performance.now() - started,
  }).returning('id');
  const reply = '12 places near you';                          // your own code
  await on.raw('SELECT record_response(?, ?, ?, ?, ?)', [id, session, reply, true, 'opensearch']);
  return { id, reply };
}

export async function thumbsDown(id, session, correction = null) {
  await db.raw("SELECT record_feedback(?, ?, 'negative', ?)", [id, session, correction]);
}

// Many messages in one statement.
export async function many(messages) {
  await db('conversation_capture').insert(
    messages.map(({ session, text }) => ({ session_id: session, user_message: text, nlu_provider: 'llm' })));
}

// The conversation is stored if the order is: both commit or roll back together.
export async function order(session, text, fail = false) {
  return db.transaction(async (on) => {
    const { id } = await answer(session, text, on);
    await on('orders').insert({ conversation: id, note: 'pizza' });
    if (fail) throw new Error('the kitchen is closed');
    return id;
  });
}

const { runComplete } = await import('./dialogue.mjs');
await runComplete({ answer, thumbsDown, many, order });
await db.destroy();
