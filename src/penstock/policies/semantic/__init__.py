"""Answers to questions that mean the same: an embedder proposes, a verifier decides, and no is the safe answer."""

from penstock.policies.semantic.memory import Memory, Remembered
from penstock.policies.semantic.near import Embed, Embedded, Near, SemanticStats, Sought
from penstock.policies.semantic.question import Question, question_of
from penstock.policies.semantic.verify import REASONS, Reason, Strictness, refusal

__all__ = [
    "REASONS",
    "Embed",
    "Embedded",
    "Memory",
    "Near",
    "Question",
    "Reason",
    "Remembered",
    "SemanticStats",
    "Sought",
    "Strictness",
    "question_of",
    "refusal",
]
