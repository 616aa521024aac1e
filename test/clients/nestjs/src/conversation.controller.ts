import { Body, Controller, Param, Post } from '@nestjs/common';
import { ConversationCaptureService, Message } from './conversation-capture.service';

@Controller('conversations')
export class ConversationController {
  constructor(private readonly conversations: ConversationCaptureService) {}

  @Post()
  async capture(@Body() message: Message) {
    const captured = await this.conversations.capture(message);
    const reply = '12 places near you';                                  // your own code
    await this.conversations.response(captured.id, message.sessionId, reply, true, 'opensearch');
    return { ...captured, reply };
  }

  @Post('many')
  captureMany(@Body() messages: Message[]) { return this.conversations.captureMany(messages); }

  @Post('order')
  order(@Body() body: Message & { fail?: boolean }) { return this.conversations.order(body, body.fail); }

  @Post(':id/feedback')
  feedback(@Param('id') id: string, @Body() body: { sessionId: string; correction?: string }) {
    return this.conversations.feedback(id, body.sessionId, 'negative', body.correction);
  }

  // For the team alone: a guard of yours stands before it. A path never comes from the request.
  @Post('export')
  exportSamples() { return this.conversations.exportSamples(process.env.EXPORT_FILE ?? 'samples.jsonl'); }
}
