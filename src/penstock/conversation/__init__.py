"""Conversations: what was said, what of it fits into a context, and the next question."""

from penstock.conversation.asking import NotKept
from penstock.conversation.context import Sent
from penstock.conversation.conversation import Conversation
from penstock.conversation.message import Message
from penstock.conversation.settings import ConversationOptions
from penstock.conversation.stats import ConversationStats
from penstock.conversation.store import Changed, ConversationStore, Kept, Listed, MemoryConversations
from penstock.conversation.streaming import AnswerStream
from penstock.conversation.summary import Summarizer

__all__ = [
    "AnswerStream",
    "Changed",
    "Conversation",
    "ConversationOptions",
    "ConversationStats",
    "ConversationStore",
    "Kept",
    "Listed",
    "MemoryConversations",
    "Message",
    "NotKept",
    "Sent",
    "Summarizer",
]
