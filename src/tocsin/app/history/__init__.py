"""What happened: finding events, their plans and what became of them; explaining why."""
