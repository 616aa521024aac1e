// Calls the functions of a complete program as a chatbot would, and prints a line for each.
import { attempt, assert } from './report.mjs';

export async function runComplete({ answer, thumbsDown, many, order }) {
  await attempt('complete: one message with its response', async (session) => {
    const { id } = await answer(session, 'veg pizza milega?');
    return [1, id];
  }, {
    response_text: '12 places near you', response_success: true, routed_to: 'opensearch', nlu_provider: 'indicbert',
  });

  await attempt('complete: one message with feedback', async (session) => {
    const { id } = await answer(session, 'nahi');
    await thumbsDown(id, session, 'I meant veg burger');
    return [1, id];
  }, { user_feedback: 'negative', user_correction: 'I meant veg burger' });

  await attempt('complete: many messages', async (session) => {
    await many(Array.from({ length: 10 }, (_, number) => ({ session, text: `burger ${number}` })));
    return [10, null];
  });

  await attempt('complete: in a transaction with an order', async (session) => [1, await order(session, 'ek pizza')]);

  await attempt('complete: in a transaction that rolls back', async (session) => {
    let message = 'the transaction did not fail';
    await order(session, 'ek pizza', true).catch((error) => { message = error.message; });
    assert(message.includes('the kitchen is closed'), message);
    return [0, null];
  });
}
