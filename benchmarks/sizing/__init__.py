"""How many machines a load takes, and how well that was foreseen."""
