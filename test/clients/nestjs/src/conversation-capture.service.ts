// Capture, feedback and export for a chatbot in NestJS. What these methods return can be returned by a controller: ids
// are strings, since JSON.stringify() refuses a BigInt, and a number loses digits above 2^53.
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { ConflictException, Injectable } from '@nestjs/common';
import { OperatorPrismaService, PrismaService } from './prisma.service';

export interface Message { sessionId: string; text: string; phoneNumber?: string; language?: string }
type Database = Pick<PrismaService, '$queryRaw' | 'conversationCapture' | 'order'>;

@Injectable()
export class ConversationCaptureService {
  constructor(private readonly prisma: PrismaService, private readonly operator: OperatorPrismaService) {}

  // Asks which version answers this session, asks that version, and stores what it said.
  async capture({ sessionId, text, phoneNumber, language }: Message, db: Database = this.prisma) {
    const started = performance.now();
    // Both are NULL while no model is live: the message is captured all the same, and a person labels it.
    const [nlu] = await db.$queryRaw<{ version: string; intent: string; confidence: number; module_type: string }[]>`
      SELECT version, intent, confidence, module_type
      FROM assign_model_version('router', ${sessionId}) AS version, classify_intent(${text}, 'router', version)`;
    const { id } = await db.conversationCapture.create({ data: {
      sessionId, phoneNumber, userMessage: text, messageLanguage: language,
      nluIntent: nlu.intent, nluConfidence: nlu.confidence, nluModuleType: nlu.module_type,
      nluProvider: 'indicbert', nluModelVersion: nlu.version,
      nluEntities: [{ dish: 'pizza' }], nluProcessingTimeMs: performance.now() - started,
    } });
    return { id: String(id), intent: nlu.intent, confidence: nlu.confidence };
  }

  // Many messages in one statement.
  async captureMany(messages: Message[]) {
    return this.prisma.conversationCapture.createMany({
      data: messages.map(({ sessionId, text }) => ({ sessionId, userMessage: text, nluProvider: 'llm' })),
    });
  }

  // The conversation is stored if the order is: both commit or roll back together.
  async order(message: Message, fail = false) {
    return this.prisma.$transaction(async (db) => {
      const { id } = await this.capture(message, db);
      await db.order.create({ data: { conversation: BigInt(id), note: 'pizza' } });
      if (fail) throw new ConflictException('the kitchen is closed');
      return { id };
    });
  }

  async response(id: string, sessionId: string, text: string, success: boolean, routedTo: string) {
    await this.prisma.$queryRaw`
      SELECT record_response(${BigInt(id)}, ${sessionId}, ${text}, ${success}, ${routedTo})`;
    return { id };
  }

  async feedback(id: string, sessionId: string, feedback: 'positive' | 'negative', correction: string | null = null) {
    await this.prisma.$queryRaw`SELECT record_feedback(${BigInt(id)}, ${sessionId}, ${feedback}, ${correction})`;
    return { id };
  }

  // Approved samples, one JSON object a line. A line is text already: JSON.stringify() would encode it twice.
  async exportSamples(path: string) {
    const lines = await this.operator.$queryRaw<{ line: string }[]>`
      SELECT line FROM export_training_samples('approved') AS line`;
    const file = createWriteStream(path);
    for (const { line } of lines) file.write(`${line}\n`);
    file.end();
    await finished(file);
    return { samples: lines.length };
  }
}
