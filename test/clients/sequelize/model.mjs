// The models of a chatbot. No timestamps of Sequelize's own, and no sync(): the extension has made the relation.
import { DataTypes } from 'sequelize';

export function conversationModel(sequelize, tableName, options = {}) {
  return sequelize.define(`Conversation_${tableName}`, {
    id: { type: DataTypes.BIGINT, primaryKey: true, autoIncrement: true },
    sessionId: { type: DataTypes.TEXT, allowNull: false },
    userMessage: { type: DataTypes.TEXT, allowNull: false },
    nluIntent: DataTypes.TEXT,
    nluConfidence: DataTypes.DOUBLE,
    nluModuleType: DataTypes.TEXT,
    nluProvider: DataTypes.TEXT,
    nluModelVersion: DataTypes.TEXT,
    nluEntities: DataTypes.JSONB,
    nluProcessingTimeMs: DataTypes.DOUBLE,
    responseText: DataTypes.TEXT,
    responseSuccess: DataTypes.BOOLEAN,
  }, { tableName, underscored: true, timestamps: false, ...options });
}
