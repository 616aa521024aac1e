import { Injectable, OnModuleDestroy } from '@nestjs/common';
import { PrismaPg } from '@prisma/adapter-pg';
import { PrismaClient } from './client';

// The application's own connection: its role is of kind capture.
@Injectable()
export class PrismaService extends PrismaClient implements OnModuleDestroy {
  constructor() {
    super({ adapter: new PrismaPg({ connectionString: process.env.DATABASE_URL }) });
  }

  onModuleDestroy() { return this.$disconnect(); }
}

// Reading and exporting is an operator's work: a role and a connection of its own.
@Injectable()
export class OperatorPrismaService extends PrismaClient implements OnModuleDestroy {
  constructor() {
    super({ adapter: new PrismaPg({ connectionString: process.env.OPERATOR_URL }) });
  }

  onModuleDestroy() { return this.$disconnect(); }
}
