"""The public page of a prize: what a ticket won, and where its winner is reached."""
