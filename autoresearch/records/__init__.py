"""The nouns of the house: frozen values that rooms exchange, and the tables that keep them."""
