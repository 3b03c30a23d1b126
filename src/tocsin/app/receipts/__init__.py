"""What providers and people say later: kept, matched with attempts, and acted upon."""
