"""What may be spent: asked for each attempt, held before it is sent, settled when it is over."""

from penstock.policies.budget.daybook import Daybook
from penstock.policies.budget.gate import BudgetGate
from penstock.policies.budget.purse import Budget, Hold

__all__ = ["Budget", "BudgetGate", "Daybook", "Hold"]
