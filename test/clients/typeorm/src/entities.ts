// The entities of a chatbot. synchronize: false, here and in the data source: the extension has made the relation.
import 'reflect-metadata';
import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

@Entity({ name: 'conversation_capture', schema: process.env.TW_SCHEMA, synchronize: false })
export class Conversation {
  @PrimaryGeneratedColumn({ type: 'bigint' }) id: string;                // bigint comes as a string
  @Column({ name: 'session_id', type: 'text' }) sessionId: string;
  @Column({ name: 'user_message', type: 'text' }) userMessage: string;
  @Column({ name: 'message_type', type: 'text', default: 'text' }) messageType: string;
  @Column({ name: 'nlu_intent', type: 'text', nullable: true }) nluIntent: string | null;
  @Column({ name: 'nlu_confidence', type: 'double precision', nullable: true }) nluConfidence: number | null;
  @Column({ name: 'nlu_module_type', type: 'text', nullable: true }) nluModuleType: string | null;
  @Column({ name: 'nlu_provider', type: 'text', nullable: true }) nluProvider: string | null;
  @Column({ name: 'nlu_model_version', type: 'text', nullable: true }) nluModelVersion: string | null;
  @Column({ name: 'nlu_entities', type: 'jsonb', nullable: true }) nluEntities: unknown;
  @Column({ name: 'nlu_processing_time_ms', type: 'double precision', nullable: true })
  nluProcessingTimeMs: number | null;
  @Column({ name: 'response_text', type: 'text', nullable: true }) responseText: string | null;
  @Column({ name: 'response_success', type: 'boolean', nullable: true }) responseSuccess: boolean | null;
}

// A table of the application's own.
@Entity({ name: 'orders', schema: 'public' })
export class Order {
  @PrimaryGeneratedColumn({ type: 'bigint' }) id: string;
  @Column({ type: 'bigint', nullable: true }) conversation: string | null;
  @Column({ type: 'text', nullable: true }) note: string | null;
}
