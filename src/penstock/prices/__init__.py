"""What tokens cost: a tariff for each model, from the price library or from the configuration. Import it when used.

An unknown price is None everywhere, never 0.
"""

from penstock.prices.book import PriceBook, Pricing
from penstock.prices.tariff import Own, Rates, Tariff

__all__ = ["Own", "PriceBook", "Pricing", "Rates", "Tariff"]
