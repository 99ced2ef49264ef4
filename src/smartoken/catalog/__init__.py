"""What is sold: models, the offers that providers make for them, prices and exchange rates."""
