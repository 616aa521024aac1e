// A chatbot that captures with pg. DATABASE_URL names the database; the role is of kind capture.
import pg from 'pg';

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });
// Without a listener Node ends when the server closes an idle connection.
pool.on('error', (error) => console.error(error.message));

// Captures one message; returns the conversation's id (bigint comes as a string) and the reply.
export async function answer(session, text, db = pool) {
  const started = performance.now();
  // Both are NULL while no model is live: the message is captured all the same, and a person labels it.
  const { rows: [nlu] } = await db.query(
    `SELECT version, intent, confidence, module_type
     FROM assign_model_version('router', $1) AS version, classify_intent($2, 'router', version)`, [session, text]);
  const { rows: [{ id }] } = await db.query(
    `INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_module_type, nlu_provider,
       nlu_model_version, nlu_entities, nlu_processing_time_ms)
     VALUES ($1, $2, $3, $4, $5, 'indicbert', $6, $7, $8) RETURNING id`,
    [session, text, nlu.intent, nlu.confidence, nlu.module_type, nlu.version,
      JSON.stringify([{ dish: 'pizza' }]),                     // pg makes an SQL array of a bare JavaScript array
      performance.now() - started]);
  const reply = '12 places near you';                          // your own code
  await db.query('SELECT record_response($1, $2, $3, $4, $5)', [id, session, reply, true, 'opensearch']);
  return { id, reply };
}

export async function thumbsDown(id, session, correction = null) {
  await pool.query("SELECT record_feedback($1, $2, 'negative', $3)", [id, session, correction]);
}

// Many messages in one statement.
export async function many(messages) {
  await pool.query(
    `INSERT INTO conversation_logs (session_id, user_message, nlu_provider)
     SELECT m.session, m.text, 'llm' FROM json_to_recordset($1) AS m (session text, text text)`,
    [JSON.stringify(messages)]);
}

// The conversation is stored if the order is: both commit or roll back together.
export async function order(session, text, fail = false) {
  const client = await pool.connect();
  let broken;
  try {
    await client.query('BEGIN');
    const { id } = await answer(session, text, client);
    await client.query("INSERT INTO orders (conversation, note) VALUES ($1, 'pizza')", [id]);
    if (fail) throw new Error('the kitchen is closed');
    await client.query('COMMIT');
    return id;
  } catch (error) {
    // A connection that cannot even roll back is closed, not given to the next caller; the first error is what counts.
    await client.query('ROLLBACK').catch((second) => { broken = second; });
    throw error;
  } finally {
    client.release(broken);
  }
}

const { runComplete } = await import('./dialogue.mjs');
await runComplete({ answer, thumbsDown, many, order });
await pool.end();
