// A chatbot that captures with Prisma. DATABASE_URL names the database; the role is of kind capture.
import { PrismaPg } from '@prisma/adapter-pg';
import prismaClient from './client.cjs';

const prisma = new prismaClient.PrismaClient({
  adapter: new PrismaPg({ connectionString: process.env.DATABASE_URL }),
});

// Captures one message; returns the conversation's id (a BigInt) and the reply. The raw statements follow the role's
// search_path; elsewhere write training.assign_model_version() and so on.
export async function answer(session, text, db = prisma) {
  const started = performance.now();
  // Both are NULL while no model is live: the message is captured all the same, and a person labels it.
  const [nlu] = await db.$queryRaw`
    SELECT version, intent, confidence, module_type
    FROM assign_model_version('router', ${session}) AS version, classify_intent(${text}, 'router', version)`;
  const { id } = await db.conversation.create({ data: {
    sessionId: session, userMessage: text,
    nluIntent: nlu.intent, nluConfidence: nlu.confidence, nluModuleType: nlu.module_type,
    nluProvider: 'indicbert', nluModelVersion: nlu.version,
    nluEntities: [{ dish: 'pizza' }], nluProcessingTimeMs: performance.now() - started,
  } });
  const reply = '12 places near you';                          // your own code
  await db.$queryRaw`SELECT record_response(${id}, ${session}, ${reply}, ${true}, 'opensearch')`;
  return { id, reply };
}

export async function thumbsDown(id, session, correction = null) {
  await prisma.$queryRaw`SELECT record_feedback(${id}, ${session}, 'negative', ${correction})`;
}

// Many messages in one statement.
export async function many(messages) {
  await prisma.conversation.createMany({
    data: messages.map(({ session, text }) => ({ sessionId: session, userMessage: text, nluProvider: 'llm' })),
  });
}

// The conversation is stored if the order is: both commit or roll back together.
export async function order(session, text, fail = false) {
  return prisma.$transaction(async (db) => {
    const { id } = await answer(session, text, db);
    await db.order.create({ data: { conversation: id, note: 'pizza' } });
    if (fail) throw new Error('the kitchen is closed');
    return id;
  });
}

const { runComplete } = await import('./dialogue.mjs');
await runComplete({ answer, thumbsDown, many, order });
await prisma.$disconnect();
