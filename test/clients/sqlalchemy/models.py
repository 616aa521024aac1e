"""The model of a conversation: mapped to conversation_capture, the relation that an application writes to."""
import os
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, FetchedValue, Identity, MetaData, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    # The schema that the extension is in. Leave it out of Alembic's include_name: it is not Alembic's to change.
    metadata = MetaData(schema=os.environ.get("TW_SCHEMA", "training"))


class Conversation(Base):
    __tablename__ = "conversation_capture"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    session_id: Mapped[str] = mapped_column(Text)
    user_message: Mapped[str] = mapped_column(Text)
    message_type: Mapped[str | None] = mapped_column(Text, server_default=FetchedValue())
    nlu_intent: Mapped[str | None] = mapped_column(Text)
    nlu_confidence: Mapped[float | None]
    nlu_module_type: Mapped[str | None] = mapped_column(Text)
    nlu_provider: Mapped[str | None] = mapped_column(Text)
    nlu_model_version: Mapped[str | None] = mapped_column(Text)
    nlu_processing_time_ms: Mapped[float | None]
    # none_as_null stores a missing value as NULL, and not as the JSON value null.
    nlu_entities: Mapped[Any] = mapped_column(JSONB(none_as_null=True), nullable=True)
    response_text: Mapped[str | None] = mapped_column(Text)
    response_success: Mapped[bool | None]
    created_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), server_default=FetchedValue())
