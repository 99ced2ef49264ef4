"""What was used: the record of each call, its sums by hour, and the reports read from them."""
