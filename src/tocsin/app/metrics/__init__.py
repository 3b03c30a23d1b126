"""What is counted and timed. The hot path adds to plain numbers; a scrape reads them."""
