"""Money: what calls cost, who pays for them and how far they may go. The door is ``wallet``; most of it is pure."""
