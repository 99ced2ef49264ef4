"""Where a call may go: health of offers and upstream keys, and (later) tiers, shares and strategies."""
