import { Module } from '@nestjs/common';
import { ConversationCaptureService } from './conversation-capture.service';
import { ConversationController } from './conversation.controller';
import { OperatorPrismaService, PrismaService } from './prisma.service';

@Module({
  controllers: [ConversationController],
  providers: [ConversationCaptureService, OperatorPrismaService, PrismaService],
})
export class AppModule {}
