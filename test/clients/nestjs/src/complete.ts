// Starts the service and talks to it over HTTP, as a chat's front end would.
import 'reflect-metadata';
import { readFile, rm } from 'node:fs/promises';
import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module';

async function main() {
  const app = await NestFactory.create(AppModule, { logger: ['fatal'], abortOnError: false });
  await app.listen(0, '127.0.0.1');
  const url = await app.getUrl();
  async function post(path: string, body: unknown) {
    const response = await fetch(`${url}/conversations${path}`,
      { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
    const text = await response.text();
    if (!response.ok) throw new Error(`HTTP ${response.status}: ${text}`);
    return JSON.parse(text);
  }

  const { runComplete } = await import('../dialogue.mjs' as string);
  const { attempt, assert } = await import('../report.mjs' as string);
  await runComplete({
    answer: (sessionId: string, text: string) => post('', { sessionId, text }),
    thumbsDown: (id: string, sessionId: string, correction: string) =>
      post(`/${id}/feedback`, { sessionId, correction }),
    many: (messages: { session: string; text: string }[]) =>
      post('/many', messages.map(({ session, text }) => ({ sessionId: session, text }))),
    order: async (sessionId: string, text: string, fail = false) =>
      (await post('/order', { sessionId, text, fail })).id,
  });
  await attempt('complete: export to a file, parsed back', async () => {
    const path = `./export.${process.pid}.jsonl`;
    process.env.EXPORT_FILE = path;
    try {
      const { samples } = await post('/export', {});
      const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => line !== '');
      assert(samples > 0 && lines.length === samples, `${samples} samples, ${lines.length} lines`);
      lines.forEach((line) => assert(JSON.parse(line).intent, line));
    } finally {
      await rm(path, { force: true });
    }
    return [0, null];
  });
  await app.close();
}
void main();
